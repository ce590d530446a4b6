//! Groups rows by site and cuts them into batches, in bounded memory.

use std::collections::HashMap;
use std::sync::Arc;

use livecosmos_state::{Cursor, SiteId};

use super::{Intake, Limits, Resume, Stopped};
use crate::rows::{Batch, RowTime, Rows, Schema};

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
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    rows: Rows,
    to: Cursor,
    held_bytes: usize,
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
        self.groups.push(Group { site: site.clone(), resume, open: None });
        self.index.insert(site.clone(), slot);
        Ok(slot)
    }

    /// Where the site of `slot` stood at the start of the pass.
    #[must_use]
    pub fn resume(&self, slot: Slot) -> &Resume {
        &self.groups[slot.0].resume
    }

    /// Rows to push the next row's values into, that row ending at `cursor`.
    ///
    /// Closes the site's batch first when it is full or of another schema, and the largest batch
    /// when all together hold too much; but never between two rows of equal cursors.
    pub fn begin_row(
        &mut self,
        slot: Slot,
        schema: &Arc<Schema>,
        cursor: &Cursor,
        intake: &mut dyn Intake,
    ) -> Result<&mut Rows, Stopped> {
        let must_close = self.groups[slot.0].open.as_ref().is_some_and(|open| {
            let full = open.rows.len() >= self.limits.batch_rows_max
                || open.rows.value_bytes() >= self.limits.batch_bytes_max;
            (full && open.to != *cursor) || !Arc::ptr_eq(open.rows.schema(), schema)
        });
        if must_close {
            self.close(slot, intake)?;
        }
        if self.held_bytes > self.limits.group_bytes_max {
            self.close_largest(slot, cursor, intake)?;
        }
        let open = self.groups[slot.0].open.get_or_insert_with(|| Open {
            rows: Rows::new(schema.clone()),
            to: Cursor::Start,
            held_bytes: 0,
        });
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
        let group = &mut self.groups[slot.0];
        let Some(open) = group.open.take() else { return Ok(()) };
        self.held_bytes -= open.held_bytes;
        if open.rows.is_empty() {
            return Ok(());
        }
        intake.batch(Batch { site: group.site.clone(), rows: open.rows, to: open.to })
    }

    /// Closes every open batch: at the end of a pass, of a file, or where the schema changes.
    pub fn close_all(&mut self, intake: &mut dyn Intake) -> Result<(), Stopped> {
        (0..self.groups.len()).try_for_each(|slot| self.close(Slot(slot), intake))
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
        self.close(Slot(index), intake)
    }
}
