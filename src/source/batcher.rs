//! Groups rows by site and cuts them into batches, in bounded memory.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId, Time};

use super::{Intake, Limits, Resume, Stopped};
use crate::key::Span;
use crate::rows::{Batch, Room, RowTime, Rows, Schema};

/// A site's place in a [`Batcher`]: found once by name, then by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(usize);

/// Batches being filled, one per site at most.
#[derive(Debug)]
pub struct Batcher {
    limits: Limits,
    index: HashMap<SiteId, Slot>,
    groups: Vec<Group>,
    held_bytes: usize,
}

#[derive(Debug)]
struct Group {
    site: SiteId,
    resume: Resume,
    /// Rows of the next batch, where they are fewer than the limits allow.
    rows_max: Option<usize>,
    /// The next batch is one that was sent before, and has to be the same.
    is_again: bool,
    open: Option<Open>,
    /// What the site's last batch filled.
    room: Room,
    /// The newest time of the site to which a pass may come, where the source knows.
    newest: Option<Time>,
}

#[derive(Debug)]
struct Open {
    rows: Rows,
    to: Cursor,
    held_bytes: usize,
    /// The times that its rows may have, where limits part them.
    span: Option<Span>,
}

/// Why a batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The source has no more for it.
    Source,
    /// It is full, or another begins for a reason of its own.
    Full,
    /// The next row lies in another partition.
    Border,
}

impl Batcher {
    /// Starts with no site.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, index: HashMap::new(), groups: Vec::new(), held_bytes: 0 }
    }

    /// The slot of `site`; asks `intake` where it stands when it is met for the first time.
    pub fn slot(&mut self, site: &SiteId, intake: &mut dyn Intake) -> Result<Slot, Stopped> {
        if let Some(slot) = self.index.get(site) {
            return Ok(*slot);
        }
        let resume = intake.resume(site)?;
        let slot = Slot(self.groups.len());
        let (rows_max, is_again) = (resume.rows_max, resume.cut_at.is_some());
        self.groups.push(Group {
            site: site.clone(),
            resume,
            rows_max,
            is_again,
            open: None,
            room: Room::default(),
            newest: None,
        });
        self.index.insert(site.clone(), slot);
        Ok(slot)
    }

    /// Notes the newest time of the site of `slot` to which a pass may come, where the source knows it.
    pub fn set_newest(&mut self, slot: Slot, newest: Option<Time>) {
        self.groups[slot.0].newest = newest;
    }

    /// Where the site of `slot` stood at the start of the pass.
    #[must_use]
    pub fn resume(&self, slot: Slot) -> &Resume {
        &self.groups[slot.0].resume
    }

    /// Rows to push the next row's values into, that row being of `time` and ending at `cursor`.
    ///
    /// Closes the site's batch first when it is full, was cut here before, is of another schema or of another
    /// partition, and the largest batch when all together hold too much; but never between two rows of equal
    /// cursors: in a table they have one time, and in a file no two rows have one.
    pub fn begin_row(
        &mut self,
        slot: Slot,
        schema: &Arc<Schema>,
        cursor: &Cursor,
        time: Time,
        intake: &mut dyn Intake,
    ) -> Result<&mut Rows, Stopped> {
        let group = &self.groups[slot.0];
        let rows_max = group.rows_max.unwrap_or(usize::MAX).min(self.limits.batch_rows_max);
        let payload_bytes_max = group.resume.bytes_max.filter(|_| !group.is_again);
        let must_close = group.open.as_ref().is_some_and(|open| {
            let full = open.rows.len() >= rows_max
                || open.rows.value_bytes() >= self.limits.batch_bytes_max
                || payload_bytes_max.is_some_and(|most| open.rows.payload_bytes_with_next() > most)
                || group.resume.cut_at.as_ref() == Some(&open.to);
            (full && open.to != *cursor) || !Arc::ptr_eq(open.rows.schema(), schema)
        });
        let is_border = group
            .open
            .as_ref()
            .and_then(|open| open.span.filter(|_| !open.rows.is_empty()))
            .is_some_and(|span| !span.holds(time));
        if must_close || is_border {
            self.end_batch(slot, if must_close { End::Full } else { End::Border }, intake)?;
        }
        if self.held_bytes > self.limits.group_bytes_max {
            self.close_largest(slot, cursor, intake)?;
        }
        let share_bytes = self.limits.group_bytes_max / self.groups.len();
        let Group { open, room, .. } = &mut self.groups[slot.0];
        let open = open.get_or_insert_with(|| Open {
            rows: Rows::with_room(Arc::clone(schema), *room, share_bytes),
            to: Cursor::Start,
            held_bytes: 0,
            span: None,
        });
        if open.rows.is_empty() {
            // The first row may be abandoned, and the next be of another part.
            open.span = self.limits.partition.map(|partition| partition.span(time));
        }
        Ok(&mut open.rows)
    }

    /// Closes the row begun last in `slot`.
    pub fn end_row(&mut self, slot: Slot, time: RowTime, cursor: Cursor) {
        let Some(open) = self.groups[slot.0].open.as_mut() else { return };
        open.rows.end_row(time);
        open.to = cursor;
        let held = open.rows.held_bytes();
        self.held_bytes = self.held_bytes - open.held_bytes + held;
        open.held_bytes = held;
    }

    /// Closes the batch of `slot`, if one is open.
    pub fn close(&mut self, slot: Slot, intake: &mut dyn Intake) -> Result<(), Stopped> {
        self.end_batch(slot, End::Source, intake)
    }

    fn end_batch(&mut self, slot: Slot, end: End, intake: &mut dyn Intake) -> Result<(), Stopped> {
        let group = &mut self.groups[slot.0];
        let Some(open) = group.open.take() else { return Ok(()) };
        self.held_bytes -= open.held_bytes;
        group.is_again = false;
        group.room = open.rows.room();
        let most = self.limits.batch_rows_max;
        group.rows_max = group.rows_max.map(|rows| rows.saturating_mul(2)).filter(|rows| *rows < most);
        if open.rows.is_empty() {
            return Ok(());
        }
        intake.batch(Batch {
            site: group.site.clone(),
            rows: open.rows,
            to: open.to,
            is_cut: end != End::Source,
            is_at_border: end == End::Border,
            newest: group.newest,
        })
    }

    /// Closes every open batch: at the end of a pass, of a file, or where the schema changes. `is_cut`
    /// where more rows of their sites may follow.
    pub fn close_all(&mut self, is_cut: bool, intake: &mut dyn Intake) -> Result<(), Stopped> {
        let end = if is_cut { End::Full } else { End::Source };
        (0..self.groups.len()).try_for_each(|slot| self.end_batch(Slot(slot), end, intake))
    }

    fn close_largest(&mut self, slot: Slot, cursor: &Cursor, intake: &mut dyn Intake) -> Result<(), Stopped> {
        let tied = |index: usize, open: &Open| index == slot.0 && open.to == *cursor;
        let largest = self
            .groups
            .iter()
            .enumerate()
            .filter_map(|(index, group)| Some((index, group.open.as_ref()?)))
            .filter(|(index, open)| !tied(*index, open))
            .max_by_key(|(_, open)| open.held_bytes);
        let Some((index, _)) = largest else { return Ok(()) };
        self.end_batch(Slot(index), End::Full, intake)
    }
}

#[cfg(test)]
mod tests {
    use livecosmos_state::{FileId, Tie};

    use super::*;
    use crate::rows::Kind;
    use crate::source::{FileOrigin, Reject};

    /// Takes batches; knows every site and has stored nothing.
    #[derive(Default)]
    struct Sink {
        batches: Vec<Batch>,
        asked: usize,
        resume: Option<Resume>,
    }

    impl Intake for Sink {
        fn resume(&mut self, _: &SiteId) -> Result<Resume, Stopped> {
            self.asked += 1;
            Ok(self.resume.clone().unwrap_or_else(Resume::from_the_start))
        }

        fn register(&mut self, _: livecosmos_state::SourceFile, _: FileOrigin) -> Result<(), Stopped> {
            Ok(())
        }

        fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
            self.batches.push(batch);
            Ok(())
        }

        fn checkpoint(&mut self, _: &[livecosmos_state::SourceFile]) -> Result<(), Stopped> {
            Ok(())
        }

        fn reject(&mut self, _: Reject) -> Result<(), Stopped> {
            Ok(())
        }

        fn stopped(&self) -> bool {
            false
        }
    }

    fn limits(rows: usize, bytes: usize, group: usize) -> Limits {
        Limits { batch_rows_max: rows, batch_bytes_max: bytes, group_bytes_max: group, partition: None }
    }

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::untyped(["T".into(), "V".into()].into(), 0, None))
    }

    fn time(seconds: i64) -> RowTime {
        RowTime { time: Time::new(seconds, 0).unwrap(), digits: 0 }
    }

    fn file(offset: u64) -> Cursor {
        Cursor::File { file: FileId(1), offset }
    }

    fn tied(seconds: i64) -> Cursor {
        Cursor::Row { time: time(seconds).time, tie: Tie::None }
    }

    fn add(
        batcher: &mut Batcher,
        sink: &mut Sink,
        site: &str,
        schema: &Arc<Schema>,
        cursor: Cursor,
        text: &str,
    ) {
        let slot = batcher.slot(&SiteId::parse(site).unwrap(), sink).unwrap();
        let rows = batcher.begin_row(slot, schema, &cursor, time(0).time, sink).unwrap();
        rows.push(Kind::Text, "");
        rows.push(Kind::Text, text);
        batcher.end_row(slot, time(0), cursor);
    }

    fn lens(sink: &Sink) -> Vec<usize> {
        sink.batches.iter().map(|batch| batch.rows.len()).collect()
    }

    #[test]
    fn batches_stay_below_what_the_sink_takes_but_for_one_that_is_sent_again() {
        let schema = schema();
        let lens_with = |cut_at: Option<Cursor>| {
            let resume = Resume { bytes_max: Some(100), cut_at, ..Resume::from_the_start() };
            let mut sink = Sink { resume: Some(resume), ..Sink::default() };
            let mut batcher = Batcher::new(limits(100, 1 << 20, 1 << 20));
            for offset in 0..12 {
                // Two names of a letter with six bytes around each, and ten of values: 24 bytes a row.
                add(&mut batcher, &mut sink, "A", &schema, file(offset), "0123456789");
            }
            batcher.close_all(false, &mut sink).unwrap();
            lens(&sink)
        };
        assert_eq!(lens_with(None), [4, 4, 4]);
        assert_eq!(lens_with(Some(file(6))), [7, 4, 1], "seven were sent before");
    }

    #[test]
    fn a_batch_is_closed_when_the_next_row_would_be_one_too_many() {
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(3, 1 << 20, 1 << 20)), Sink::default(), schema());
        for offset in 0..7 {
            add(&mut batcher, &mut sink, "A", &schema, file(offset), "x");
        }
        assert_eq!(lens(&sink), [3, 3]);
        batcher.close_all(false, &mut sink).unwrap();
        assert_eq!(lens(&sink), [3, 3, 1]);
        assert_eq!(
            sink.batches.iter().map(|batch| batch.to.clone()).collect::<Vec<_>>(),
            [file(2), file(5), file(6)]
        );
    }

    #[test]
    fn a_batch_is_closed_when_its_values_fill_it() {
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(100, 10, 1 << 20)), Sink::default(), schema());
        for offset in 0..6 {
            add(&mut batcher, &mut sink, "A", &schema, file(offset), "12345");
        }
        batcher.close_all(false, &mut sink).unwrap();
        assert_eq!(lens(&sink), [2, 2, 2]);
    }

    #[test]
    fn rows_of_equal_cursors_are_never_parted() {
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(2, 1 << 20, 1)), Sink::default(), schema());
        for seconds in [1, 2, 2, 2, 2, 3] {
            add(&mut batcher, &mut sink, "A", &schema, tied(seconds), "x");
        }
        batcher.close_all(false, &mut sink).unwrap();
        assert_eq!(sink.batches.last().map(|batch| batch.to.clone()), Some(tied(3)));
        let with_twos: Vec<_> = sink.batches.iter().filter(|batch| batch.to == tied(2)).collect();
        assert_eq!(with_twos.len(), 1, "all rows of one time are in one batch");
    }

    #[test]
    fn another_schema_starts_another_batch() {
        let (mut batcher, mut sink) = (Batcher::new(limits(100, 1 << 20, 1 << 20)), Sink::default());
        let (first, second) = (schema(), schema());
        add(&mut batcher, &mut sink, "A", &first, file(1), "x");
        add(&mut batcher, &mut sink, "A", &second, file(2), "x");
        batcher.close_all(false, &mut sink).unwrap();
        assert_eq!(lens(&sink), [1, 1]);
    }

    #[test]
    fn sites_do_not_mix_and_each_is_asked_for_once() {
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(4, 1 << 20, 1 << 20)), Sink::default(), schema());
        for offset in 0..16 {
            let site = ["A", "B"][usize::try_from(offset % 2).unwrap()];
            add(&mut batcher, &mut sink, site, &schema, file(offset), site);
        }
        batcher.close_all(false, &mut sink).unwrap();
        assert_eq!(sink.asked, 2);
        for batch in &sink.batches {
            assert!((0..batch.rows.len()).all(|row| batch.rows.value(row, 1).text == batch.site.as_str()));
        }
    }

    #[test]
    fn memory_stays_within_its_limit_however_many_sites_there_are() {
        let limit = 1 << 20;
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(10_000, 1 << 20, limit)), Sink::default(), schema());
        let mut peak = 0;
        for offset in 0..200_000 {
            let site = format!("S{}", offset % 500);
            add(&mut batcher, &mut sink, &site, &schema, file(offset), "some text of a common length");
            let held: usize = batcher
                .groups
                .iter()
                .filter_map(|group| group.open.as_ref())
                .map(|open| open.rows.held_bytes())
                .sum();
            assert_eq!(held, batcher.held_bytes, "what is counted is what is held");
            peak = peak.max(held);
            sink.batches.clear();
        }
        // A batch grows by doubling; 500 sites share the limit, so one of them is small.
        assert!(peak < limit + limit / 10, "{peak} bytes were held");
    }

    #[test]
    fn the_largest_batch_is_closed_first() {
        let (mut batcher, mut sink, schema) =
            (Batcher::new(limits(10_000, 1 << 20, 4096)), Sink::default(), schema());
        add(&mut batcher, &mut sink, "A", &schema, file(1), "small");
        add(&mut batcher, &mut sink, "B", &schema, file(2), &"x".repeat(5000));
        add(&mut batcher, &mut sink, "A", &schema, file(3), "small");
        assert_eq!(sink.batches.len(), 1);
        assert_eq!(sink.batches[0].site.as_str(), "B");
    }
}
