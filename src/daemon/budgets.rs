//! What the tables of a process may take of its memory and of its sinks (I7): a sink that is slow or away holds
//! up what goes to it, and nothing that goes to another.

use std::collections::BTreeMap;

use livecosmos_state::TableName;

use super::fills::Fills;
use super::{PATIENCE_FOREVER, PATIENCE_ONCE};
use crate::config::TableConfig;
use crate::progress::Progress;
use crate::sink::Flows;
use crate::uploader::Shared;

/// The limits of each sink. Tables share those of the sink they go to.
#[derive(Debug)]
pub(super) struct Budgets {
    flows: Flows,
    /// By the sink's name; the first has none.
    sinks: BTreeMap<Option<String>, Shared>,
}

impl Budgets {
    /// Divides what `tables` may take. Half of the memory is for batches being filled, a part for each table; half
    /// for those on their way, a part for each sink.
    pub(super) fn divide(tables: &mut [TableConfig], once: bool) -> Self {
        let patience = if once { PATIENCE_ONCE } else { PATIENCE_FOREVER };
        let flows = Flows::new(tables.iter().map(|table| (&table.sink, table.flow_limits(patience))));
        let memory_bytes_max = tables.iter().map(|table| table.upload.memory_bytes_max).max().unwrap_or(0);
        let half = memory_bytes_max / 2;
        let part = half / tables.len().max(1);
        for table in &mut *tables {
            table.shape.limits.group_bytes_max = Fills::live_part(part);
        }
        let mut names: Vec<Option<String>> = tables.iter().map(|table| sink_of(&table.table)).collect();
        names.sort();
        names.dedup();
        let part = half / names.len().max(1);
        let first = Shared::new(flows.clone(), part, Progress::default());
        let sinks = names.into_iter().map(|name| (name, first.for_sink(part))).collect();
        Self { flows, sinks }
    }

    /// The same for one table that has the process to itself, in a run that is to end.
    pub(super) fn alone(table: &mut TableConfig) -> Shared {
        let budgets = Self::divide(std::slice::from_mut(table), true);
        budgets.of(&table.table, Progress::default())
    }

    /// The ways to all sinks.
    pub(super) fn flows(&self) -> &Flows {
        &self.flows
    }

    /// What `table` shares with all that go to its sink, with signs of life of its own.
    pub(super) fn of(&self, table: &TableName, progress: Progress) -> Shared {
        self.sinks[&sink_of(table)].for_table(progress)
    }
}

fn sink_of(table: &TableName) -> Option<String> {
    table.sink().map(str::to_owned)
}
