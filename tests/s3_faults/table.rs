//! The table of what was tried and what came of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Outcome;
use crate::matrix::{Case, FAULTS, Kind};

#[derive(Default)]
struct Line {
    cases: usize,
    rows_due: usize,
    lost: usize,
    doubled: usize,
    hangs: usize,
    panics: usize,
    exits: BTreeSet<Option<i32>>,
}

impl Line {
    fn add(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.rows_due += outcome.rows_due;
        self.lost += outcome.lost;
        self.doubled += outcome.doubled;
        self.hangs += usize::from(outcome.hung);
        self.panics += usize::from(outcome.panicked);
        self.exits.insert(outcome.exit);
    }

    fn text(&self, fault: &str, kind: &str) -> String {
        let exits: Vec<String> =
            self.exits.iter().map(|exit| exit.map_or("none".to_owned(), |code| code.to_string())).collect();
        let Self { cases, rows_due, lost, doubled, hangs, panics, .. } = self;
        format!(
            "{fault:<24}{kind:<12}{cases:>6}{rows_due:>8}{lost:>6}{doubled:>9}{hangs:>7}{panics:>8}  {}\n",
            exits.join(" ")
        )
    }
}

/// A line for each fault and kind of request, and one for all.
pub(crate) fn of(outcomes: &[(Case, Outcome)]) -> String {
    let mut lines: BTreeMap<(usize, Kind), Line> = BTreeMap::new();
    let mut all = Line::default();
    for (case, outcome) in outcomes {
        let place = FAULTS.iter().position(|(name, _)| *name == case.name).unwrap_or(FAULTS.len());
        lines.entry((place, case.kind)).or_default().add(outcome);
        all.add(outcome);
    }
    let mut text = format!(
        "{:<24}{:<12}{:>6}{:>8}{:>6}{:>9}{:>7}{:>8}  exit codes\n",
        "fault", "request", "cases", "rows", "lost", "doubled", "hangs", "panics"
    );
    for ((place, kind), line) in &lines {
        text.push_str(&line.text(FAULTS[*place].0, kind.name()));
    }
    text + &all.text("all", "")
}
