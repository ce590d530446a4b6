//! What a history must have come to.

use std::collections::BTreeMap;

use livecosmos::sink::Object;

use crate::history::History;
use crate::table::site_id;

/// A row in one version: its site, its number if rows have one, and its value.
type Version = (String, i64, u32);

impl History {
    /// Every row is stored once: of one that changed, its last version once and no version twice; or, where
    /// changes are not sent, one of its versions.
    pub(crate) fn judge(&mut self) -> Result<(), String> {
        let (mut due, mut stored) = (self.due(), self.stored());
        self.tally.add("rows due", due.values().map(|count| *count as u64).sum());
        if self.kind.sends_updates() {
            // One that was replaced before it was seen, or after.
            stored.retain(|row, count| due.contains_key(row) || *count > 1 || !self.changed.contains(&row.1));
        } else {
            (due, stored) = (self.without_versions(due), self.without_versions(stored));
        }
        self.judge_partitions()?;
        let count = |rows: &BTreeMap<Version, usize>, row: &Version| rows.get(row).copied().unwrap_or(0);
        let lost: Vec<_> = due.iter().filter(|(row, due)| count(&stored, row) < **due).collect();
        let doubled: Vec<_> = stored.iter().filter(|(row, stored)| **stored > count(&due, row)).collect();
        if lost.is_empty() && doubled.is_empty() {
            return Ok(());
        }
        let message = format!("lost (site, id, value): {lost:?}; doubled: {doubled:?}");
        Err(self.told(&message))
    }

    /// Every row lies in the part of time that its key names.
    fn judge_partitions(&mut self) -> Result<(), String> {
        let Some(partition) = self.kind.template().partition() else { return Ok(()) };
        let is_apart = |object: &Object| {
            let contents = &object.facts.contents;
            contents.first_data.is_some_and(|first| !partition.span(first).holds(object.facts.last_data))
        };
        let apart = self.shelf.objects().iter().find(|(_, it)| is_apart(it)).map(|(key, _)| key.clone());
        let Some(key) = apart else { return Ok(()) };
        Err(self.told(&format!("{key} reaches over a border")))
    }

    fn due(&self) -> BTreeMap<Version, usize> {
        let mut due = BTreeMap::new();
        for row in &*self.table.0.lock().expect("no reader panics") {
            let id = if self.kind.has_tie { row.id } else { 0 };
            *due.entry((site_id(row.site).to_string(), id, row.value)).or_default() += 1;
        }
        due
    }

    fn stored(&self) -> BTreeMap<Version, usize> {
        let mut stored = BTreeMap::new();
        for object in self.shelf.objects().values() {
            for line in std::str::from_utf8(&object.bytes).expect("JSON is UTF-8").lines() {
                let row: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
                let site = row["SITE"].as_str().expect("a site").to_owned();
                let value = u32::try_from(row["VALUE"].as_u64().expect("a number")).expect("20 bits");
                let id = if self.kind.has_tie { row["ID"].as_i64().expect("a number") } else { 0 };
                *stored.entry((site, id, value)).or_default() += 1;
            }
        }
        stored
    }

    /// The same with all versions of a row that changed taken for one.
    fn without_versions(&self, rows: BTreeMap<Version, usize>) -> BTreeMap<Version, usize> {
        let mut without = BTreeMap::new();
        for ((site, id, value), count) in rows {
            let value = if self.changed.contains(&id) { 0 } else { value };
            *without.entry((site, id, value)).or_default() += count;
        }
        without
    }

    pub(crate) fn told(&mut self, message: &str) -> String {
        self.log.extend(self.shelf.take_log());
        let objects: Vec<String> = self
            .shelf
            .objects()
            .iter()
            .map(|(key, object)| {
                let facts = &object.facts;
                let next = facts.next.as_ref().map(|next| format!(", next {next}")).unwrap_or_default();
                format!("  {key}: {} rows, {} to {}{next}", facts.rows, facts.from, facts.to)
            })
            .collect();
        format!("{message}\n{:?}\n{}\nobjects:\n{}", self.kind, self.log.join("\n"), objects.join("\n"))
    }
}
