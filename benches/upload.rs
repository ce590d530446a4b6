//! What the main job costs: rows/s and MB/s end to end, the share of each stage, and the limits of this
//! machine beside them, all in one run.
//!
//! The table is wide: 149 columns, 200,000 rows of 50 sites (`LIVECOSMOS_BENCH_ROWS` for another
//! number). MB are 10^6 bytes of the source file. `cargo bench --bench upload -- formats` measures the formats
//! alone; `limits`, `stages` and `end-to-end` are the other parts.
#![expect(clippy::print_stdout, reason = "its table is for people")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livecosmos::column_type::ColumnType;
use livecosmos::payload::cr1000x::Program;
use livecosmos::payload::{Compression, Format};
use livecosmos::rows::{Batch, Kind, Rows, Schema};
use livecosmos::sample::Sample;
use livecosmos::source::csv::{self, CsvSource};
use livecosmos::source::{
    FileOrigin, Intake, Limits, Reject, Resume, SiteRule, Source as _, Start, Stopped, TableShape, TimeReader,
};
use livecosmos_state::{SiteId, SourceFile, TableName, Time};
use support::daemon::{Workdir, workdir};
use support::{objects, s3s};

const SITES: u32 = 50;
const TABLE: &str = "LEVEL1_SOILMET_30MIN";
const MB: f64 = 1e6;
/// Of which the best is told: others work on the machine too.
const RUNS: usize = 3;

fn main() {
    // `cargo test` runs benches too, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rows =
        std::env::var("LIVECOSMOS_BENCH_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let workdir = workdir("");
    let source = workdir.path(&format!("{TABLE}.csv"));
    let sample = Sample { sites: SITES, rows_per_site: rows / SITES, seed: 1 };
    sample
        .write_csv(&mut std::io::BufWriter::new(File::create(&source).expect("room")))
        .expect("room for the table");
    let table = Table { rows: f64::from(rows), mb: file_mb(&source) };
    println!("{rows} rows, {:.0} MB as CSV\n", table.mb);

    if is_wanted("limits") {
        println!("limits of this machine");
        limits(&table, &source);
    }
    if is_wanted("stages") {
        println!("\nstages, one after another, on one thread");
        stages(&table, &source);
    }
    if is_wanted("formats") {
        println!("\nencoding on one thread, the best of {RUNS} runs");
        formats(&table, &read_all(&source).0);
    }
    if is_wanted("end-to-end") {
        println!("\nend to end: livecosmos --once --fallback all");
        end_to_end(&table, &workdir);
    }
}

/// Whether this part was asked for, or none was.
fn is_wanted(part: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

struct Table {
    rows: f64,
    mb: f64,
}

impl Table {
    fn say(&self, what: &str, took: Duration, note: &str) {
        let s = took.as_secs_f64();
        println!("  {what:<28} {s:7.2} s {:9.0} rows/s {:7.0} MB/s  {note}", self.rows / s, self.mb / s);
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn file_mb(path: &Path) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a size to be shown")]
    let bytes = std::fs::metadata(path).expect("the file is there").len() as f64;
    bytes / MB
}

fn limits(table: &Table, source: &Path) {
    let ((), took) = timed(|| {
        let mut file = File::open(source).expect("the table");
        let mut buffer = vec![0; 1 << 20];
        while file.read(&mut buffer).expect("readable") > 0 {}
    });
    table.say("read the file", took, "");
    let (records, took) = timed(|| parse_alone(source));
    table.say("csv-core alone", took, &format!("{records} records"));
}

fn parse_alone(source: &Path) -> u64 {
    let (mut reader, mut fields, mut ends) = (csv_core::Reader::new(), vec![0; 1 << 16], vec![0; 256]);
    let (mut records, bytes) = (0, std::fs::read(source).expect("the table"));
    let (mut input, mut used, mut ended) = (&bytes[..], 0, 0);
    loop {
        let (result, read, wrote, ended_now) =
            reader.read_record(input, &mut fields[used..], &mut ends[ended..]);
        (input, used, ended) = (&input[read..], used + wrote, ended + ended_now);
        match result {
            csv_core::ReadRecordResult::Record => (records, used, ended) = (records + 1, 0, 0),
            csv_core::ReadRecordResult::End => return records,
            _ => {}
        }
    }
}

fn stages(table: &Table, source: &Path) {
    let (batches, scan) = read_all(source);
    table.say("source: scan, rows", scan, &format!("{} batches", batches.len()));
    let mut parts = vec![("source", scan)];
    for (name, compression) in [
        ("ndjson, SHA-256", Compression::None),
        ("ndjson, SHA-256, gzip", Compression::Gzip),
        ("ndjson, SHA-256, zstd", Compression::Zstd),
    ] {
        let (bytes, took) = timed(|| encode_all(&batches, &Format::Ndjson, compression));
        table.say(name, took, &format!("{:.0} MB out", bytes / MB));
        parts.push((name, took));
    }
    let total = (parts[0].1 + parts[1].1).as_secs_f64();
    println!(
        "  of source + ndjson: source {:.0} %, ndjson {:.0} %",
        100.0 * scan.as_secs_f64() / total,
        100.0 * parts[1].1.as_secs_f64() / total
    );
    let total = (parts[0].1 + parts[2].1).as_secs_f64();
    println!(
        "  of source + ndjson + gzip: source {:.0} %, ndjson {:.0} %, gzip {:.0} %",
        100.0 * scan.as_secs_f64() / total,
        100.0 * parts[1].1.as_secs_f64() / total,
        100.0 * (parts[2].1.saturating_sub(parts[1].1)).as_secs_f64() / total
    );
}

/// The source's rows, and how long that took.
fn read_all(source: &Path) -> (Vec<Batch>, Duration) {
    let mut intake = Keep::default();
    let mut csv = CsvSource::open(csv::Settings { path: source.to_owned(), delimiter: b',' }, shape())
        .expect("a source");
    let (pass, took) = timed(|| csv.pass(&start(), &mut intake));
    pass.expect("a pass");
    (intake.0, took)
}

/// Every format with every compression it takes, beside ndjson without. A CSV file has no types: those of the
/// second Parquet are declared.
fn formats(table: &Table, batches: &[Batch]) {
    let typed: Vec<Batch> = batches.iter().map(with_types).collect();
    // The first run of all finds memory that was never touched.
    let _ = encode_all(batches, &Format::Ndjson, Compression::None);
    let mut ndjson = None;
    for (name, format, batches) in [
        ("ndjson", Format::Ndjson, batches),
        ("json", Format::Json, batches),
        ("csv", Format::Csv, batches),
        ("cr1000x", Format::Cr1000x(Program::default()), batches),
        ("parquet, all texts", Format::Parquet, batches),
        ("parquet, typed", Format::Parquet, &typed),
    ] {
        for (ending, compression) in
            [("", Compression::None), (", gzip", Compression::Gzip), (", zstd", Compression::Zstd)]
        {
            if format == Format::Parquet && compression != Compression::None {
                continue;
            }
            let runs = (0..RUNS).map(|_| timed(|| encode_all(batches, &format, compression)));
            let (bytes, took) = runs.min_by_key(|(_, took)| *took).expect("a run");
            let ndjson = *ndjson.get_or_insert(took);
            let (row_bytes, ratio) = (bytes / table.rows, took.as_secs_f64() / ndjson.as_secs_f64());
            let note = format!("{row_bytes:5.0} bytes a row, {ratio:.2} times the time of ndjson");
            table.say(&format!("{name}{ending}"), took, &note);
        }
    }
}

/// The same rows, with doubles where the first row has numbers.
fn with_types(batch: &Batch) -> Batch {
    let untyped = batch.rows.schema();
    let kinds = batch.rows.values(0).map(|value| value.kind);
    let types = kinds.zip(&untyped.types).map(|(kind, known)| match kind {
        Kind::Number => ColumnType::Double,
        _ => *known,
    });
    let mut rows = Rows::new(Arc::new(Schema { types: types.collect(), ..(**untyped).clone() }));
    for (row, time) in batch.rows.times().iter().enumerate() {
        batch.rows.values(row).for_each(|value| rows.push(value.kind, value.text));
        rows.end_row(*time);
    }
    Batch { rows, ..batch.clone() }
}

fn encode_all(batches: &[Batch], format: &Format, compression: Compression) -> f64 {
    let encoded = batches.iter().map(|batch| format.encode(batch, compression).expect("encodes").bytes.len());
    #[expect(clippy::cast_precision_loss, reason = "a size to be shown")]
    let bytes = encoded.sum::<usize>() as f64;
    bytes
}

fn end_to_end(table: &Table, workdir: &Workdir) {
    for compression in ["none", "gzip"] {
        let url = format!("file://./stored-{compression}");
        let (took, rss_mib) =
            run(workdir, &format!("file-{compression}"), &config(&url, "", compression), None);
        table.say(&format!("folder, {compression}"), took, &format!("peak RSS {rss_mib} MiB"));
        let stored = objects::in_folder(&workdir.path(&format!("stored-{compression}")));
        let ((), took) = timed(|| write_alone(&workdir.path("alone"), &stored));
        table.say("  the same bytes alone", took, &format!("{} files, fsync each", stored.len()));

        let server = s3s::start();
        let section = format!(
            "[sink.s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\npath_style = true\n",
            server.endpoint()
        );
        let config = config(&format!("s3://{}/raw", server.bucket()), &section, compression);
        let (took, rss_mib) = run(workdir, &format!("s3-{compression}"), &config, Some(&server));
        table.say(&format!("S3 (s3s-fs), {compression}"), took, &format!("peak RSS {rss_mib} MiB"));
        let ((), took) = timed(|| put_alone(&server, &stored));
        table.say("  the same puts alone", took, "2 at once");
    }
}

fn config(url: &str, section: &str, compression: &str) -> String {
    format!(
        "[source]\nkind = \"csv\"\npath = \"{{table}}.csv\"\n[sink]\nurl = \"{url}\"\n{section}\
         [upload]\nformat = \"ndjson\"\ncompression = \"{compression}\"\n[poll]\nfallback = \"all\"\n\
         [tables.{TABLE}]\nsite_column = \"SITE_ID\"\ntime_column = \"DATE_TIME\"\n"
    )
}

/// Runs the binary to its end; gives its time and the peak of its memory.
fn run(workdir: &Workdir, name: &str, config: &str, server: Option<&s3s::S3s>) -> (Duration, u64) {
    let file = format!("{name}.toml");
    workdir.write(&file, config);
    let command = support::daemon::Livecosmos::new(workdir.folder());
    let command = command
        .arg(workdir.path(&file))
        .table(TABLE)
        .arg("--once")
        .arg("--state-dir")
        .arg(workdir.path(&format!("state-{name}")));
    let command = match server {
        Some(server) => command.credentials(server),
        None => command,
    };
    let begun = Instant::now();
    let mut running = command.spawn();
    let mut peak_kib = 0;
    while running.is_running() {
        peak_kib = peak_kib.max(peak_rss_kib(running.pid()));
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = begun.elapsed();
    let _ = running.wait().expect_code(0);
    (took, peak_kib / 1024)
}

fn peak_rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

fn write_alone(folder: &Path, objects: &BTreeMap<String, Vec<u8>>) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (number, bytes) in objects.values().enumerate() {
        let mut file = File::create(folder.join(number.to_string())).expect("a file");
        file.write_all(bytes).expect("room");
        file.sync_all().expect("durable");
    }
}

fn put_alone(server: &s3s::S3s, objects: &BTreeMap<String, Vec<u8>>) {
    let (client, objects) = (server.client(), objects.iter().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for half in objects.chunks(objects.len().div_ceil(2)) {
            scope.spawn(move || {
                for (key, bytes) in half {
                    assert_eq!(client.put_if_absent(&format!("alone/{key}"), bytes, &[]), 200);
                }
            });
        }
    });
}

/// Keeps what a source gives.
#[derive(Default)]
struct Keep(Vec<Batch>);

impl Intake for Keep {
    fn resume(&mut self, _: &SiteId) -> Result<Resume, Stopped> {
        Ok(Resume::from_the_start())
    }
    fn register(&mut self, _: SourceFile, _: FileOrigin) -> Result<(), Stopped> {
        Ok(())
    }
    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        self.0.push(batch);
        Ok(())
    }
    fn checkpoint(&mut self, _: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }
    fn reject(&mut self, reject: Reject) -> Result<(), Stopped> {
        panic!("{reject:?}")
    }
    fn stopped(&self) -> bool {
        false
    }
}

fn start() -> Start {
    let now = Time::new(1_800_000_000, 0).expect("a time");
    Start {
        now,
        files: Vec::new(),
        known: BTreeSet::new(),
        only: None,
        first_run: true,
        behind: false,
        is_bounded: false,
    }
}

fn shape() -> TableShape {
    TableShape {
        table: TableName::parse(TABLE).expect("a name"),
        site: SiteRule::Column("SITE_ID".to_owned()),
        time_column: "DATE_TIME".to_owned(),
        tie_column: None,
        time: TimeReader::utc(),
        null_values: ["", "NA", "NAN"].map(str::to_owned).to_vec(),
        text_columns: BTreeSet::new(),
        column_types: BTreeMap::new(),
        sites: None,
        future_tolerance_s: 3600,
        settle_s: 0,
        limits: Limits {
            batch_rows_max: 10_000,
            batch_bytes_max: 8 << 20,
            group_bytes_max: 16 << 20,
            partition: None,
        },
    }
}
