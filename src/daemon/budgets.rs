//! What the tables of a process may take of its memory and of its sinks (I7): a sink that is slow or away holds
//! up what goes to it, and nothing that goes to another.

use std::collections::BTreeMap;

use livecosmos_state::TableName;

use super::fills::Fills;
use crate::config::TableConfig;
use crate::progress::Progress;
use crate::uploader::Shared;

/// The limits of each sink. Tables share those of the sink they go to.
#[derive(Debug)]
pub(super) struct Budgets {
    /// By the sink's name; the first has none.
    sinks: BTreeMap<Option<String>, Shared>,
}

impl Budgets {
    /// Divides what `tables` may take. Half of the memory is for batches being filled, a part for each table; half
    /// for those on their way, a part for each sink. A sink has as many puts as the table with most.
    pub(super) fn divide(tables: &mut [TableConfig]) -> Self {
        let memory_bytes_max = tables.iter().map(|table| table.upload.memory_bytes_max).max().unwrap_or(0);
        let half = memory_bytes_max / 2;
        let part = half / tables.len().max(1);
        let mut in_flight_max: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for table in tables {
            table.shape.limits.group_bytes_max = Fills::live_part(part);
            let most = in_flight_max.entry(sink_of(&table.table)).or_default();
            *most = table.upload.in_flight_max.max(*most);
        }
        let part = half / in_flight_max.len().max(1);
        let first = Shared::new(1, part, Progress::default());
        let limits = |in_flight_max| first.for_sink(in_flight_max, part);
        Self { sinks: in_flight_max.into_iter().map(|(sink, most)| (sink, limits(most))).collect() }
    }

    /// The same for one table that has the process to itself.
    pub(super) fn alone(table: &mut TableConfig) -> Shared {
        let budgets = Self::divide(std::slice::from_mut(table));
        budgets.of(&table.table, Progress::default())
    }

    /// What `table` shares with all that go to its sink, with signs of life of its own.
    pub(super) fn of(&self, table: &TableName, progress: Progress) -> Shared {
        self.sinks[&sink_of(table)].for_table(progress)
    }
}

fn sink_of(table: &TableName) -> Option<String> {
    table.sink().map(str::to_owned)
}
