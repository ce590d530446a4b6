//! What the tables of a process may take of its memory and of its sinks (I7): a sink that is slow or away holds
//! up what goes to it, and nothing that goes to another.

use std::collections::BTreeMap;
use std::sync::Arc;

use livecosmos_state::TableName;

use super::fills::Fills;
use super::{PATIENCE_FOREVER, PATIENCE_ONCE};
use crate::config::TableConfig;
use crate::progress::Progress;
use crate::sink::{Flow, Flows, Settings};
use crate::uploader::{Encoders, Memory, Shared};

/// The limits of each table.
#[derive(Debug)]
pub(super) struct Budgets {
    flows: Flows,
    tables: BTreeMap<TableName, Shared>,
}

/// Tables that are held up together: by a sink of one name, on one server.
struct Group<'a> {
    tables: Vec<(&'a TableConfig, Arc<Flow>)>,
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
        let mut groups: Vec<Group<'_>> = Vec::new();
        for table in &*tables {
            let member = (table, flows.to(&table.sink, table.flow_limits(patience)));
            match groups.iter_mut().find(|group| group.takes(table)) {
                Some(group) => group.tables.push(member),
                None => groups.push(Group { tables: vec![member] }),
            }
        }
        let part = half / groups.len().max(1);
        let encoders = Encoders::default();
        let limits = groups.iter().flat_map(|group| group.limits(part, &encoders)).collect();
        Self { flows, tables: limits }
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

    /// What `table` shares with others, with signs of life of its own.
    pub(super) fn of(&self, table: &TableName, progress: Progress) -> Shared {
        self.tables[table].with_signs(progress)
    }
}

impl Group<'_> {
    /// Whether a table is held up by what holds up those in it. Folders are all on this machine.
    fn takes(&self, table: &TableConfig) -> bool {
        self.tables.iter().any(|(known, _)| {
            let is_same_place = match (&known.sink, &table.sink) {
                (Settings::Local(_), Settings::Local(_)) => true,
                (one, other) => one.is_same_server(other),
            };
            known.table.sink() == table.table.sink() && is_same_place
        })
    }

    fn limits(&self, memory_bytes_max: usize, encoders: &Encoders) -> Vec<(TableName, Shared)> {
        let mut ways: Vec<Arc<Flow>> = Vec::new();
        for (_, flow) in &self.tables {
            if !ways.iter().any(|way| Arc::ptr_eq(way, flow)) {
                ways.push(Arc::clone(flow));
            }
        }
        let memory = Arc::new(Memory::new(memory_bytes_max, ways));
        let shared = |flow: &Arc<Flow>| {
            Shared::new(Arc::clone(flow), Arc::clone(&memory), encoders.clone(), Progress::default())
        };
        self.tables.iter().map(|(table, flow)| (table.table.clone(), shared(flow))).collect()
    }
}
