//! What one state says that another does not: old and new, side by side.

use std::collections::BTreeSet;

use livecosmos_state::{Chain, ChainName, Fill, FillKind, Intent, Site, SourceFile, State, Tally, Window};
use serde::Serialize;

/// What stands for something that is not there.
const NONE: &str = "-";

/// One thing that differs.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// The site it is about; none for the table as a whole.
    site: Option<String>,
    what: String,
    old: String,
    new: String,
}

impl Difference {
    /// For people.
    pub(super) fn row(&self) -> [String; 4] {
        let site = self.site.clone().unwrap_or_else(|| NONE.to_owned());
        [site, self.what.clone(), self.old.clone(), self.new.clone()]
    }
}

/// All that differs, the table before its sites.
pub(super) fn differences(old: &State, new: &State) -> Vec<Difference> {
    let mut found = Found { site: None, differences: Vec::new() };
    found.compare("source", Some(&old.source), Some(&new.source), |source| (*source).clone());
    found.compare("started", old.started, new.started, ToString::to_string);
    found.compare("last run", old.last_run, new.last_run, ToString::to_string);
    found.compare("floor", old.floor, new.floor, ToString::to_string);
    found.compare("ledger settings", Some(&old.ledger_config), Some(&new.ledger_config), |it| (*it).clone());
    let files: BTreeSet<_> = old.files.iter().chain(&new.files).map(|file| file.file).collect();
    for id in files {
        let of = |state: &'_ State| state.files.iter().find(|file| file.file == id).cloned();
        found.compare(&format!("file {id}"), of(old), of(new), file);
    }
    let sites: BTreeSet<_> = old.sites.keys().chain(new.sites.keys()).collect();
    for id in sites {
        found.site = Some(id.to_string());
        found.site(old.sites.get(id), new.sites.get(id));
    }
    found.differences
}

struct Found {
    site: Option<String>,
    differences: Vec<Difference>,
}

impl Found {
    fn compare<T: PartialEq>(
        &mut self,
        what: &str,
        old: Option<T>,
        new: Option<T>,
        show: impl Fn(&T) -> String,
    ) {
        if old == new {
            return;
        }
        let shown = |value: Option<T>| value.map_or_else(|| NONE.to_owned(), |value| show(&value));
        let (old, mut new) = (shown(old), shown(new));
        if old == new {
            // It differs in what is too long to be shown.
            new.push_str(", others");
        }
        self.differences.push(Difference { site: self.site.clone(), what: what.to_owned(), old, new });
    }

    fn site(&mut self, old: Option<&Site>, new: Option<&Site>) {
        if old.is_none() || new.is_none() {
            self.compare("site", old.map(|_| "known"), new.map(|_| "known"), |known| (*known).to_owned());
        }
        let (empty, other) = (Site::default(), Site::default());
        let (old, new) = (old.unwrap_or(&empty), new.unwrap_or(&other));
        self.compare("watermark", old.last_data, new.last_data, ToString::to_string);
        self.compare("floor", old.floor, new.floor, ToString::to_string);
        for (what, old, new) in [
            ("live", &old.live, &new.live),
            ("late", &old.late, &new.late),
            ("requeue", &old.requeue, &new.requeue),
        ] {
            self.compare(what, Some(old), Some(new), |chain| self::chain(chain));
        }
        let ahead = |site: &Site| site.ahead.iter().map(|at| format!("{}:{}", at.file, at.offset)).collect();
        self.compare("ahead", Some(ahead(old)), Some(ahead(new)), |places: &Vec<String>| places.join(" "));
        self.compare("ledger", Some(&old.ledger), Some(&new.ledger), |ledger| {
            format!("{} rows", ledger.len())
        });
        self.compare("ledger from", old.ledger_from, new.ledger_from, ToString::to_string);
        self.compare("sent", Some(old.sent), Some(new.sent), |Tally { rows, late, resent }| {
            format!("{rows} rows, {late} late, {resent} resent")
        });
        let fills: BTreeSet<&ChainName> = old.fills.keys().chain(new.fills.keys()).collect();
        for name in fills {
            self.compare(&format!("fill {name}"), old.fills.get(name), new.fills.get(name), |known| {
                fill(known)
            });
        }
    }
}

fn file(file: &SourceFile) -> String {
    let SourceFile { path, covered, floor_until, .. } = file;
    let floor = if *floor_until > 0 { format!(", floor to {floor_until}") } else { String::new() };
    format!("{path} to {covered}{floor}")
}

fn chain(chain: &Chain) -> String {
    let Chain { seq, cursor, passed, pending } = chain;
    let passed = passed.as_ref().map_or_else(String::new, |passed| format!(", read to {passed}"));
    let pending =
        pending.as_ref().map_or_else(String::new, |Intent { rows, .. }| format!(", {rows} rows pending"));
    format!("{seq} at {cursor}{passed}{pending}")
}

/// A fill in a line: what it sends, and how far it is.
pub(super) fn fill(fill: &Fill) -> String {
    let Fill { kind, after, until, window: Window { first, end }, chain, .. } = fill;
    let kind = fill_kind(*kind);
    let first = first.map_or_else(String::new, |first| format!(", times from {first}"));
    let end = end.map_or_else(String::new, |end| format!(", times before {end}"));
    format!("{kind} after {after} until {until}{first}{end}: {}", self::chain(chain))
}

/// What a fill is for, in a word.
pub(in crate::cli) fn fill_kind(kind: FillKind) -> &'static str {
    match kind {
        FillKind::CatchUp => "catch-up",
        FillKind::Backfill => "backfill",
        FillKind::Repair => "repair",
        FillKind::Resend => "resend",
    }
}
