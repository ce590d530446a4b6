//! What the tests share: a table in a folder, stored in a folder, and states with every kind of value.

use std::collections::BTreeMap;
use std::path::Path;

use livecosmos_state::{
    Chain, ChainName, Cursor, FileId, FilePosition, Fill, FillKind, Fingerprint, Intent, Options, Site,
    SiteId, SourceFile, State, Store, TableName, Tie, Time, Window, inspect,
};

use crate::support::daemon::{self, Livecosmos, Output, Workdir};
use crate::support::objects::{self, StoredRow};

pub(crate) const TABLE: &str = "X";

const UPLOAD: &str = "
[sink]
url = \"file://./out\"
[upload]
format = \"ndjson\"
[poll]
fallback = \"all\"
interval = \"100ms\"
";

/// A folder with a CSV file as source of table `X`; its states say that their source is `src`.
pub(crate) fn csv() -> Workdir {
    let work = daemon::workdir(&format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\nid = \"src\"\n{UPLOAD}\
         [tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
    ));
    work.write("X.csv", "SITE_ID,DATE_TIME,TA\n");
    work
}

/// A folder with a database as source of table `X`.
pub(crate) fn sqlite(options: &str) -> Workdir {
    let work = daemon::workdir(&format!(
        "[source]\nkind = \"sqlite\"\npath = \"x.db\"\nid = \"src\"\n{UPLOAD}\
         [tables.X]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n{options}"
    ));
    let database = rusqlite::Connection::open(work.path("x.db")).unwrap();
    database
        .execute_batch("CREATE TABLE X (SITE_ID TEXT, DATE_TIME TEXT, TA TEXT); CREATE INDEX i ON X (SITE_ID, DATE_TIME);")
        .unwrap();
    work
}

/// Adds rows of site, time and value to the database.
pub(crate) fn insert(work: &Workdir, rows: &[(&str, &str, &str)]) {
    let database = rusqlite::Connection::open(work.path("x.db")).unwrap();
    for row in rows {
        database.execute("INSERT INTO X VALUES (?, ?, ?)", *row).unwrap();
    }
}

/// A command on the state of table `X`: `state COMMAND livecosmos.toml X WORDS…`
pub(crate) fn state(work: &Workdir, command: &str, words: &[&str]) -> Livecosmos {
    let line = Livecosmos::new(work.folder()).arg("state").arg(command).arg(work.config()).arg(TABLE);
    words.iter().fold(line, Livecosmos::arg).arg("--state-dir").arg(work.state_dir())
}

/// Stores what is due.
pub(crate) fn once(work: &Workdir) -> Output {
    work.livecosmos().table(TABLE).arg("--once").run().expect_code(0)
}

/// The values of column TA in every object, sorted.
pub(crate) fn stored(work: &Workdir) -> Vec<String> {
    let objects = objects::in_folder(&work.path("out"));
    let mut values: Vec<String> =
        objects::rows(&objects).iter().map(|row: &StoredRow| row.text("TA")).collect();
    values.sort();
    values
}

/// The state that a daemon would load.
pub(crate) fn loaded(dir: &Path) -> State {
    inspect(dir, &table()).whole().expect("a state").state.clone()
}

/// Makes `state` the state in `dir`, as a daemon would have left it.
pub(crate) fn leave(dir: &Path, state: &State) {
    let mut store = Store::open(&Options::default(), dir, &table()).unwrap().store;
    store.commit(|found| found.clone_from(state)).unwrap();
}

/// What was printed, without the folder and with two spaces between columns.
pub(crate) fn tidy(work: &Workdir, text: &str) -> String {
    let text = text.replace(&work.folder().display().to_string(), "[DIR]");
    let narrow = |line: &str| {
        let cells = line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim_start);
        cells.collect::<Vec<_>>().join("  ")
    };
    text.lines().map(narrow).collect::<Vec<_>>().join("\n")
}

pub(crate) fn table() -> TableName {
    TableName::parse(TABLE).unwrap()
}

pub(crate) fn site_id(text: &str) -> SiteId {
    SiteId::parse(text).unwrap()
}

pub(crate) fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// A state with every kind of value, and positions as the source of `work` has them.
pub(crate) fn rich_state(in_files: bool) -> State {
    let mut state = State::new(table(), "src");
    state.started = Some(time("2025-01-01T00:00:00Z"));
    state.last_run = Some(time("2025-01-02T00:00:00.123456789Z"));
    state.ledger_config = String::from("é \"1\"");
    state.floor = Some(time("-0044-03-15T00:00:00Z"));
    state.sites.insert(site_id("EMPTY"), Site::default());
    state.sites.insert(site_id("FULL-1_"), full_site(in_files));
    if in_files {
        let file = |path: &str, id| SourceFile {
            path: path.to_owned(),
            file: FileId(id),
            covered: 1 << 60,
            check: u64::MAX,
            floor_until: u64::MAX,
        };
        state.files = vec![file("/data/ä \"quoted\".csv", u64::MAX), file("/data/b.csv", 0)];
    }
    state
}

fn full_site(in_files: bool) -> Site {
    let at = |n: u64| {
        let time = Time::new(1_735_689_600 + i64::try_from(n).unwrap(), 7).unwrap();
        match (in_files, n % 3) {
            (true, _) => Cursor::File { file: FileId(u64::MAX), offset: n },
            (false, 0) => Cursor::Row { time, tie: Tie::None },
            (false, 1) => Cursor::Row { time, tie: Tie::Integer(i64::MIN) },
            (false, _) => Cursor::Row { time, tie: Tie::Text("é :%\n".to_owned()) },
        }
    };
    let pending = Intent {
        seq: u64::MAX,
        from: at(1),
        to: at(2),
        next: Some(at(3)),
        key: "FULL-1_/X/00000000000000000001.ndjson".to_owned(),
        rows: u64::MAX,
        last_data: time("2025-01-01T00:00:02Z"),
        digest: std::array::from_fn(|n| u8::try_from(n * 8).unwrap()),
        since: time("2025-01-01T00:00:03.5Z".replace(".5", ".500").as_str()),
    };
    let live = Chain { seq: u64::MAX, cursor: at(1), passed: Some(at(4)), pending: Some(pending) };
    let mut site = Site { last_data: Some(time("2025-01-01T00:00:01Z")), live, ..Site::default() };
    site.floor = Some(time("2024-12-31T23:59:59.999999999Z"));
    site.ahead = vec![FilePosition { file: FileId(1), offset: u64::MAX }];
    site.late = Chain { seq: 3, cursor: at(5), ..Chain::new() };
    site.requeue = Chain { seq: 4, cursor: at(6), ..Chain::new() };
    for (n, second) in [(0, -1), (u64::MAX, 0), (5, 3_600), (5, 3_601)] {
        let version = u32::try_from(n % 1_000).unwrap();
        site.ledger.insert(Time::new(second, 0).unwrap(), Fingerprint { row: n, version });
    }
    site.ledger_from = Some(time("1969-12-31T23:00:00Z"));
    site.fills = fills(&at);
    site
}

fn fills(at: &dyn Fn(u64) -> Cursor) -> BTreeMap<ChainName, Fill> {
    let kinds = [FillKind::CatchUp, FillKind::Backfill, FillKind::Repair, FillKind::Resend];
    let fill = |(n, kind): (u64, FillKind)| {
        let window = Window { first: (n > 0).then(|| time("2025-01-01T00:00:00Z")), end: None };
        let chain = Chain { seq: n, cursor: at(n), ..Chain::new() };
        let since = time("2025-01-01T00:00:00Z");
        let fill = Fill { kind, since, after: Cursor::Start, until: at(n + 1), window, chain };
        (ChainName::parse(&format!("fill-{n}")).unwrap(), fill)
    };
    (0..).zip(kinds).map(fill).collect()
}
