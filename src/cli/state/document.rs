//! A state as one JSON document, complete: what `state export` prints and `state import` reads.
//!
//! Times and cursors are spelled as everywhere else, hashes as hex digits, so that a 64-bit hash
//! survives programs that count with floating-point numbers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use livecosmos_state::{
    Chain, ChainName, FileId, FilePosition, Fill, FillKind, Fingerprint, Intent, Ledger, Site, SiteId,
    SourceFile, State, TableName, Tally, Time, Whole, Window,
};
use serde::{Deserialize, Serialize};

use crate::sink::hex;

/// Version of the document.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    schema: u32,
    table: String,
    source: String,
    /// Whose state it was, and which: for people. What is imported belongs to the instance it is imported to.
    #[serde(default)]
    instance: String,
    #[serde(default)]
    generation: u64,
    started: Option<String>,
    last_run: Option<String>,
    floor: Option<String>,
    ledger_config: String,
    sites: BTreeMap<String, SiteDocument>,
    files: Vec<FileDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteDocument {
    last_data: Option<String>,
    floor: Option<String>,
    live: ChainDocument,
    ahead: Vec<PlaceDocument>,
    late: ChainDocument,
    requeue: ChainDocument,
    /// By the hour in which they begin: 16 hex digits that name a row, and 8 of its version.
    ledger: BTreeMap<String, Vec<String>>,
    ledger_from: Option<String>,
    fills: BTreeMap<String, FillDocument>,
    /// Documents of older releases have none.
    #[serde(default)]
    sent: SentDocument,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentDocument {
    rows: u64,
    late: u64,
    resent: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainDocument {
    seq: u64,
    cursor: String,
    passed: Option<String>,
    pending: Option<IntentDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentDocument {
    seq: u64,
    from: String,
    to: String,
    next: Option<String>,
    key: String,
    rows: u64,
    last_data: String,
    sha256: String,
    since: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FillDocument {
    kind: KindDocument,
    since: String,
    after: String,
    until: String,
    first: Option<String>,
    end: Option<String>,
    chain: ChainDocument,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindDocument {
    CatchUp,
    Backfill,
    Repair,
    Resend,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceDocument {
    file: String,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDocument {
    path: String,
    file: String,
    covered: u64,
    check: String,
    floor_until: u64,
}

impl Document {
    /// All that is in a state file.
    pub(super) fn of(whole: &Whole) -> Self {
        let State { table, source, started, last_run, floor, ledger_config, sites, files } = &whole.state;
        Self {
            schema: SCHEMA,
            table: table.to_string(),
            source: source.clone(),
            instance: hex(&whole.instance),
            generation: whole.generation,
            started: text(started.as_ref()),
            last_run: text(last_run.as_ref()),
            floor: text(floor.as_ref()),
            ledger_config: ledger_config.clone(),
            sites: sites.iter().map(|(id, site)| (id.to_string(), SiteDocument::of(site))).collect(),
            files: files.iter().map(FileDocument::of).collect(),
        }
    }

    /// The state it says, with every value checked.
    ///
    /// # Errors
    /// The first value that is wrong: where it stands, what it is, and what may stand there.
    pub(super) fn into_state(self) -> Result<State, String> {
        if self.schema != SCHEMA {
            return Err(format!(
                "it has schema {}, and this release reads schema {SCHEMA}; export it with the same release",
                self.schema
            ));
        }
        let mut state = State::new(TableName::parse(&self.table).map_err(words)?, self.source);
        state.started = read_any("started", self.started)?;
        state.last_run = read_any("last_run", self.last_run)?;
        state.floor = read_any("floor", self.floor)?;
        state.ledger_config = self.ledger_config;
        for (id, site) in self.sites {
            let id = SiteId::parse(&id).map_err(words)?;
            let site = site.into_site().map_err(|error| format!("sites.{id}.{error}"))?;
            state.sites.insert(id, site);
        }
        let files = self.files.into_iter().enumerate();
        let files = files
            .map(|(n, file)| file.into_file().map_err(|error| format!("files[{n}].{error}")))
            .collect::<Result<_, _>>()?;
        state.files = files;
        Ok(state)
    }
}

impl SiteDocument {
    fn of(site: &Site) -> Self {
        let Site { last_data, floor, live, ahead, late, requeue, ledger, ledger_from, fills, sent } = site;
        let Tally { rows, late: sent_late, resent } = *sent;
        let place = |at: &FilePosition| PlaceDocument { file: at.file.to_string(), offset: at.offset };
        Self {
            last_data: text(last_data.as_ref()),
            floor: text(floor.as_ref()),
            live: ChainDocument::of(live),
            ahead: ahead.iter().map(place).collect(),
            late: ChainDocument::of(late),
            requeue: ChainDocument::of(requeue),
            ledger: ledger
                .hours()
                .map(|(begins, rows)| (begins.to_string(), rows.map(spell).collect()))
                .collect(),
            ledger_from: text(ledger_from.as_ref()),
            fills: fills.iter().map(|(name, fill)| (name.to_string(), FillDocument::of(fill))).collect(),
            sent: SentDocument { rows, late: sent_late, resent },
        }
    }

    fn into_site(self) -> Result<Site, String> {
        let place = |at: PlaceDocument| {
            Ok::<_, String>(FilePosition { file: FileId(number("ahead.file", &at.file)?), offset: at.offset })
        };
        let mut fills = BTreeMap::new();
        for (name, fill) in self.fills {
            let name = ChainName::parse(&name).map_err(|error| format!("fills: {error}"))?;
            if [ChainName::LIVE, ChainName::LATE, ChainName::REQUEUE].contains(&name) {
                return Err(format!("fills: '{name}' is the name of another chain; give the fill its own"));
            }
            let fill = fill.into_fill().map_err(|error| format!("fills.{name}.{error}"))?;
            fills.insert(name, fill);
        }
        Ok(Site {
            last_data: read_any("last_data", self.last_data)?,
            floor: read_any("floor", self.floor)?,
            live: self.live.into_chain().map_err(|error| format!("live.{error}"))?,
            ahead: self.ahead.into_iter().map(place).collect::<Result<_, _>>()?,
            late: self.late.into_chain().map_err(|error| format!("late.{error}"))?,
            requeue: self.requeue.into_chain().map_err(|error| format!("requeue.{error}"))?,
            ledger: ledger(&self.ledger)?,
            ledger_from: read_any("ledger_from", self.ledger_from)?,
            fills,
            sent: Tally { rows: self.sent.rows, late: self.sent.late, resent: self.sent.resent },
        })
    }
}

impl ChainDocument {
    fn of(chain: &Chain) -> Self {
        let Chain { seq, cursor, passed, pending } = chain;
        Self {
            seq: *seq,
            cursor: cursor.to_string(),
            passed: text(passed.as_ref()),
            pending: pending.as_ref().map(IntentDocument::of),
        }
    }

    fn into_chain(self) -> Result<Chain, String> {
        let pending = self.pending.map(IntentDocument::into_intent).transpose();
        Ok(Chain {
            seq: self.seq,
            cursor: read("cursor", &self.cursor)?,
            passed: read_any("passed", self.passed)?,
            pending: pending.map_err(|error| format!("pending.{error}"))?,
        })
    }
}

impl IntentDocument {
    fn of(intent: &Intent) -> Self {
        let Intent { seq, from, to, next, key, rows, last_data, digest, since } = intent;
        Self {
            seq: *seq,
            from: from.to_string(),
            to: to.to_string(),
            next: text(next.as_ref()),
            key: key.clone(),
            rows: *rows,
            last_data: last_data.to_string(),
            sha256: hex(digest),
            since: since.to_string(),
        }
    }

    fn into_intent(self) -> Result<Intent, String> {
        Ok(Intent {
            seq: self.seq,
            from: read("from", &self.from)?,
            to: read("to", &self.to)?,
            next: read_any("next", self.next)?,
            key: self.key,
            rows: self.rows,
            last_data: read("last_data", &self.last_data)?,
            digest: digest(&self.sha256)?,
            since: read("since", &self.since)?,
        })
    }
}

impl FillDocument {
    fn of(fill: &Fill) -> Self {
        let Fill { kind, since, after, until, window: Window { first, end }, chain } = fill;
        let kind = match kind {
            FillKind::CatchUp => KindDocument::CatchUp,
            FillKind::Backfill => KindDocument::Backfill,
            FillKind::Repair => KindDocument::Repair,
            FillKind::Resend => KindDocument::Resend,
        };
        Self {
            kind,
            since: since.to_string(),
            after: after.to_string(),
            until: until.to_string(),
            first: text(first.as_ref()),
            end: text(end.as_ref()),
            chain: ChainDocument::of(chain),
        }
    }

    fn into_fill(self) -> Result<Fill, String> {
        let kind = match self.kind {
            KindDocument::CatchUp => FillKind::CatchUp,
            KindDocument::Backfill => FillKind::Backfill,
            KindDocument::Repair => FillKind::Repair,
            KindDocument::Resend => FillKind::Resend,
        };
        Ok(Fill {
            kind,
            since: read("since", &self.since)?,
            after: read("after", &self.after)?,
            until: read("until", &self.until)?,
            window: Window { first: read_any("first", self.first)?, end: read_any("end", self.end)? },
            chain: self.chain.into_chain().map_err(|error| format!("chain.{error}"))?,
        })
    }
}

impl FileDocument {
    fn of(file: &SourceFile) -> Self {
        let SourceFile { path, file, covered, check, floor_until } = file;
        let check = format!("{check:016x}");
        Self {
            path: path.clone(),
            file: file.to_string(),
            covered: *covered,
            check,
            floor_until: *floor_until,
        }
    }

    fn into_file(self) -> Result<SourceFile, String> {
        Ok(SourceFile {
            path: self.path,
            file: FileId(number("file", &self.file)?),
            covered: self.covered,
            check: number("check", &self.check)?,
            floor_until: self.floor_until,
        })
    }
}

fn spell(fingerprint: Fingerprint) -> String {
    format!("{:016x}{:08x}", fingerprint.row, fingerprint.version)
}

fn ledger(hours: &BTreeMap<String, Vec<String>>) -> Result<Ledger, String> {
    let mut ledger = Ledger::default();
    for (begins, rows) in hours {
        let begins: Time = read("ledger", begins)?;
        for row in rows {
            let refused = || format!("ledger.{begins}: '{row}' is no fingerprint; use 24 hex digits");
            let (name, version) = row.split_at_checked(16).filter(|_| is_hex(row, 24)).ok_or_else(refused)?;
            let fingerprint = Fingerprint {
                row: u64::from_str_radix(name, 16).map_err(|_| refused())?,
                version: u32::from_str_radix(version, 16).map_err(|_| refused())?,
            };
            ledger.insert(begins, fingerprint);
        }
    }
    Ok(ledger)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn number(field: &str, text: &str) -> Result<u64, String> {
    let read = if is_hex(text, 16) { u64::from_str_radix(text, 16).ok() } else { None };
    read.ok_or_else(|| format!("{field}: '{text}' is no hash; use 16 hex digits"))
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    let refused = || format!("sha256: '{text}' is no SHA-256; use 64 hex digits");
    if !is_hex(text, 64) {
        return Err(refused());
    }
    let mut digest = [0; 32];
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    }
    Ok(digest)
}

fn text(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn read<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("{field}: {error}"))
}

fn read_any<T: FromStr<Err: Display>>(field: &str, text: Option<String>) -> Result<Option<T>, String> {
    text.map(|text| read(field, &text)).transpose()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn words(error: impl ToString) -> String {
    error.to_string()
}
