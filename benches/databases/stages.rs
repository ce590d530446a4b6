//! The parts of a backlog's way, on one thread and without a sink: reading alone, and reading and encoding.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use livecosmos::payload::{Compression, Format};
use livecosmos::rows::Batch;
use livecosmos::source::{
    FileOrigin, Intake, Limits, Reject, Resume, SiteRule, Source, Start, Stopped, TableShape, TimeReader,
};
use livecosmos_state::{SiteId, SourceFile, TableName, Time};

/// Takes every batch, encodes it or not, and forgets it.
struct Taker {
    rows: usize,
    encodes: bool,
}

/// Reads all of table `met` with what `open` gives; how long that took.
pub(crate) fn read(open: impl Fn(TableShape) -> Box<dyn Source>, rows: u32, encodes: bool) -> Duration {
    let mut source = open(shape());
    let mut taker = Taker { rows: 0, encodes };
    let begun = Instant::now();
    source.pass(&start(), &mut taker).expect("a pass");
    let took = begun.elapsed();
    assert_eq!(taker.rows, rows as usize, "all rows are read");
    took
}

impl Intake for Taker {
    fn resume(&mut self, _: &SiteId) -> Result<Resume, Stopped> {
        Ok(Resume::from_the_start())
    }
    fn register(&mut self, _: SourceFile, _: FileOrigin) -> Result<(), Stopped> {
        Ok(())
    }
    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        self.rows += batch.rows.len();
        if self.encodes {
            let encoded = Format::Ndjson.encode(&batch, Compression::None).expect("encodes");
            std::hint::black_box(encoded);
        }
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
    Start {
        now: Time::new(1_800_000_000, 0).expect("a time"),
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
        table: TableName::parse("met").expect("a name"),
        site: SiteRule::Column("site_id".to_owned()),
        time_column: "date_time".to_owned(),
        tie_column: Some("id".to_owned()),
        time: TimeReader::utc(),
        null_values: ["", "NA", "NAN"].map(str::to_owned).to_vec(),
        text_columns: BTreeSet::new(),
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
