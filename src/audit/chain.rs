//! Follows one chain in the order of its seqs: each object must begin where the one before it ends (I3).

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
}

/// The first object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) seq: u64,
    pub(super) from: Cursor,
}

impl Follower {
    /// Takes the next object; says what is wrong with its place.
    pub(super) fn follow(
        &mut self,
        facts: &Facts,
        stored_bytes: u64,
        first_data: Option<Time>,
    ) -> Option<(Trouble, String)> {
        let trouble = self.compare(facts);
        self.begins.get_or_insert_with(|| Begin { seq: facts.seq, from: facts.from.clone() });
        if !matches!(trouble, Some((Trouble::Doubled, _))) {
            self.next = Some((facts.seq + 1, Some(facts.successor().clone())));
            self.last_seq = facts.seq;
            self.to = Some(facts.to.clone());
        }
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
            Some(std::cmp::Ordering::Less) => Trouble::Overlap,
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
pub(super) fn order(one: &Cursor, other: &Cursor) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Cursor::Row { time, tie }, Cursor::Row { time: others, tie: tie_of_other }) => {
            Some((time, tie).cmp(&(others, tie_of_other)))
        }
        (Cursor::File { file, offset }, Cursor::File { file: other_file, offset: other_offset })
            if file == other_file =>
        {
            Some(offset.cmp(other_offset))
        }
        (Cursor::Start, Cursor::Start) => Some(std::cmp::Ordering::Equal),
        (Cursor::Start, _) => Some(std::cmp::Ordering::Less),
        (_, Cursor::Start) => Some(std::cmp::Ordering::Greater),
        _ => None,
    }
}
