//! Follows one chain in the order of its seqs: each object must begin where the one before it ends (I3).

use std::cmp::Ordering;

use livecosmos_state::{Cursor, Time};

use super::report::Trouble;
use crate::sink::Facts;

/// A chain as far as it was followed.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// The seq expected next, and where that object should begin, if that is known.
    next: Option<(u64, Option<Cursor>)>,
    pub(super) begins: Option<Begin>,
    pub(super) last_seq: u64,
    /// Where the last row of the chain stands.
    pub(super) to: Option<Cursor>,
    pub(super) objects: u64,
    pub(super) rows: u64,
    pub(super) stored_bytes: u64,
    pub(super) first_data: Option<Time>,
    pub(super) last_data: Option<Time>,
    pub(super) is_resend: bool,
    /// The newest time of the object before.
    newest: Option<Time>,
}

/// What lies between two objects of a chain of which the second does not begin where the first ends.
#[derive(Debug, Clone)]
pub(super) struct Span {
    after: Option<Cursor>,
    until: Cursor,
    /// The newest time before it,
    newer: Option<Time>,
    /// and the earliest behind it.
    older: Option<Time>,
}

impl Span {
    /// Whether an object of another chain has rows that may lie here, by place where places can be
    /// compared, and by time.
    pub(super) fn meets(&self, facts: &Facts, first_data: Option<Time>) -> bool {
        let ends_before = |after: &Cursor| order(&facts.to, after).is_some_and(Ordering::is_le);
        let begins_behind = order(&facts.from, &self.until).is_some_and(Ordering::is_ge);
        let is_older = self.newer.is_some_and(|newer| facts.last_data < newer);
        let is_newer = self.older.zip(first_data).is_some_and(|(older, first)| first > older);
        facts.rows > 0
            && !self.after.as_ref().is_some_and(ends_before)
            && !(begins_behind || is_older || is_newer)
    }
}

/// The first object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) seq: u64,
    pub(super) from: Cursor,
}

impl Follower {
    /// Takes the next object; says what is wrong with its place, and between what.
    pub(super) fn follow(
        &mut self,
        facts: &Facts,
        stored_bytes: u64,
        first_data: Option<Time>,
    ) -> Option<(Trouble, String, Span)> {
        let trouble = self.compare(facts).map(|(trouble, what)| {
            let after = self.next.as_ref().and_then(|(_, after)| after.clone());
            let until = facts.from.clone();
            (trouble, what, Span { after, until, newer: self.newest, older: first_data })
        });
        self.begins.get_or_insert_with(|| Begin { seq: facts.seq, from: facts.from.clone() });
        if !matches!(trouble, Some((Trouble::Doubled, ..))) {
            self.next = Some((facts.seq + 1, Some(facts.successor().clone())));
            self.last_seq = facts.seq;
            self.to = Some(facts.to.clone());
        }
        self.newest = Some(facts.last_data);
        self.objects += 1;
        self.rows += facts.rows;
        self.stored_bytes += stored_bytes;
        self.first_data = self.first_data.into_iter().chain(first_data).min();
        self.last_data = self.last_data.max(Some(facts.last_data));
        self.is_resend |= facts.is_resend;
        trouble
    }

    /// Passes over an object that does not say, or not credibly, where it begins and ends.
    pub(super) fn pass_over(&mut self, seq: u64) -> Option<(Trouble, String)> {
        let trouble = self.missing(seq);
        self.next = Some((seq + 1, None));
        trouble
    }

    fn compare(&self, facts: &Facts) -> Option<(Trouble, String)> {
        if let Some(trouble) = self.missing(facts.seq) {
            return Some(trouble);
        }
        let (seq, expected) = self.next.as_ref()?;
        if facts.seq < *seq {
            let what = format!("object {} is there twice, under two endings", facts.seq);
            return Some((Trouble::Doubled, what));
        }
        let expected = expected.as_ref().filter(|expected| **expected != facts.from)?;
        let trouble = match order(&facts.from, expected) {
            Some(Ordering::Less) => Trouble::Overlap,
            _ => Trouble::Gap,
        };
        Some((trouble, format!("it begins at {}, and the object before it ends at {expected}", facts.from)))
    }

    fn missing(&self, seq: u64) -> Option<(Trouble, String)> {
        let (next, _) = self.next.as_ref().filter(|(next, _)| *next < seq)?;
        let what = match seq - next {
            1 => format!("object {next} before it is not there"),
            _ => format!("objects {next} to {} before it are not there", seq - 1),
        };
        Some((Trouble::Missing, what))
    }
}

/// How two places lie to each other, where they are places in the same order.
pub(super) fn order(one: &Cursor, other: &Cursor) -> Option<Ordering> {
    match (one, other) {
        (Cursor::Row { time, tie }, Cursor::Row { time: others, tie: tie_of_other }) => {
            Some((time, tie).cmp(&(others, tie_of_other)))
        }
        (Cursor::File { file, offset }, Cursor::File { file: other_file, offset: other_offset })
            if file == other_file =>
        {
            Some(offset.cmp(other_offset))
        }
        (Cursor::Start, Cursor::Start) => Some(Ordering::Equal),
        (Cursor::Start, _) => Some(Ordering::Less),
        (_, Cursor::Start) => Some(Ordering::Greater),
        _ => None,
    }
}
