//! `livecosmos check`: tries a configuration before it goes live, and says which promise holds.

mod reading;

use std::path::Path;

use livecosmos_state::{Origin, inspect};
use serde::Serialize;

use super::args::{CommonArgs, Output};
use super::print::{self, Failure};
use super::state_dir;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, SourceSettings, TableConfig, Upload};
use crate::exit::Exit;
use crate::key::KeyTemplate;
use crate::payload::Format;
use crate::sink::mqtt::{FactsIn, MqttSink};
use crate::sink::{self, Guard, Probed, Settings, Sink as _, SinkError};
use crate::source::Plan;

/// Version of the JSON below.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Checked {
    schema: u32,
    tables: Vec<CheckedTable>,
}

#[derive(Serialize)]
struct CheckedTable {
    table: String,
    findings: Vec<Finding>,
}

/// What was found out about one part of a table's way.
#[derive(Serialize)]
struct Finding {
    part: &'static str,
    ok: bool,
    text: String,
    #[serde(skip)]
    exit: Exit,
}

impl Finding {
    fn good(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, ok: true, text: text.into(), exit: Exit::Done }
    }

    fn bad(part: &'static str, exit: Exit, error: &impl ToString) -> Self {
        Self { part, ok: false, text: error.to_string(), exit }
    }
}

/// Checks every table of the configuration at `path`.
pub(super) fn run(path: &Path, offline: bool, common: &CommonArgs) -> Result<Exit, Failure> {
    let config = Config::load(path)?;
    let state_dir = state_dir::resolve(common.state_dir.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(Exit::Unexpected, format!("cannot start threads: {error}")))?;

    let tables: Vec<CheckedTable> = config
        .tables()
        .map(|table| {
            let mut findings = Vec::new();
            if offline {
                findings.push(Finding::good("source", format!("{}; not looked at", table.source.describe())));
                findings.push(Finding::good("format", describe_format(table)));
                findings.push(Finding::good("sink", format!("{}; not looked at", describe(&table.sink))));
            } else {
                findings.extend(check_source(table));
                findings.push(Finding::good("format", describe_format(table)));
                findings.extend(runtime.block_on(check_sink(&table.sink)));
            }
            findings.push(check_key(&table.upload.key));
            findings.push(check_state(&state_dir, table));
            CheckedTable { table: table.table.to_string(), findings }
        })
        .collect();
    let exit = worst(&tables);
    show(tables, common.output)?;
    Ok(exit)
}

fn show(tables: Vec<CheckedTable>, output: Output) -> Result<Exit, Failure> {
    for finding in tables.iter().flat_map(|table| &table.findings).filter(|finding| !finding.ok) {
        Failure::new(finding.exit, &finding.text).show();
    }
    if output == Output::Json {
        return print::json(&Checked { schema: SCHEMA, tables });
    }
    let rows = tables.into_iter().flat_map(|CheckedTable { table, findings }| {
        findings.into_iter().map(move |finding| {
            let text = if finding.ok { finding.text } else { "failed, see above".to_owned() };
            [table.clone(), finding.part.to_owned(), text]
        })
    });
    print::table(["TABLE", "PART", "FINDING"], rows)
}

/// What the operator must mend first: access before reach, and both before nothing.
fn worst(tables: &[CheckedTable]) -> Exit {
    let exits: Vec<Exit> =
        tables.iter().flat_map(|table| &table.findings).map(|finding| finding.exit).collect();
    let order = [Exit::StateCorrupt, Exit::StateUnwritable, Exit::Config, Exit::Denied, Exit::Unreachable];
    let worst = order.into_iter().find(|exit| exits.contains(exit));
    worst.or_else(|| exits.into_iter().find(|exit| *exit != Exit::Done)).unwrap_or(Exit::Done)
}

fn check_source(table: &TableConfig) -> Vec<Finding> {
    let seen = match reading::first_rows(table, SystemClock.now()) {
        Ok(seen) => Finding::good("source", format!("{}: {seen}", table.source.describe())),
        Err(error) => return vec![Finding::bad("source", Exit::from(&error), &error)],
    };
    let plan = table.source.open(table.shape.clone()).and_then(|mut source| source.explain());
    let plan = match plan {
        Ok(None) => None,
        Ok(Some(Plan::Index(name))) => {
            Some(Finding::good("plan", format!("new rows are found by index {name}")))
        }
        Ok(Some(Plan::Costly(advice))) => Some(Finding::good("plan", format!("warning: {advice}"))),
        Err(error) => Some(Finding::bad("plan", Exit::from(&error), &error)),
    };
    std::iter::once(seen).chain(plan).collect()
}

async fn check_sink(settings: &Settings) -> Vec<Finding> {
    match probe(settings).await {
        Ok((place, Probed { guard, notices })) => {
            let promise = match (settings, guard) {
                (Settings::Memory, _) => "none: what is stored is gone when the process ends",
                (Settings::Stdout, _) => "every row at least once: what is written counts as stored",
                (_, Guard::CreateIfAbsent) => {
                    "every row once; of two writers at once, the sink lets one through"
                }
                (_, Guard::LookFirst) => {
                    "every row once from one writer; this sink does not keep two writers at once apart"
                }
                (Settings::Mqtt(mqtt), _) => mqtt_promise(mqtt.facts),
                (_, Guard::Receiver) => {
                    "every row once if the receiver honours Idempotency-Key (docs/http-endpoint.md), else at least once"
                }
            };
            let found = [Finding::good("sink", place), Finding::good("promise", promise)];
            let notices =
                notices.into_iter().map(|notice| Finding::good("kept", format!("warning: {notice}")));
            found.into_iter().chain(notices).collect()
        }
        Err(error) => vec![Finding::bad("sink", Exit::from(&error), &error)],
    }
}

async fn probe(settings: &Settings) -> Result<(String, Probed), SinkError> {
    if let Settings::Mqtt(settings) = settings {
        let sink = MqttSink::open(&settings.for_check())?;
        let found = sink.look().await?;
        sink.close().await;
        return Ok((found, Guard::Receiver.into()));
    }
    let sink = sink::open(settings).await?;
    let probed = sink.probe().await?;
    Ok((sink.describe().to_owned(), probed))
}

fn mqtt_promise(facts: FactsIn) -> &'static str {
    match facts {
        FactsIn::Properties | FactsIn::Line => {
            "every row once if the receiver subscribes with a session that stays and honours idempotency-key \
             (docs/mqtt.md), else at least once"
        }
        FactsIn::None => {
            "every row at least once: messages carry no key, a receiver tells a repetition by its topic and digest \
             (docs/mqtt.md)"
        }
    }
}

/// What objects are, and what was declared of their columns.
fn describe_format(table: &TableConfig) -> String {
    let Upload { format, compression, .. } = &table.upload;
    let named = match format {
        Format::Cr1000x(_) => "cr1000x",
        Format::Ndjson => "ndjson",
        Format::Json => "json",
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    };
    let extension = format!("{}{}", format.extension(), compression.extension());
    let untyped = match (format, &table.source) {
        (Format::Parquet, SourceSettings::Csv(_)) => {
            let count = table.shape.column_types.len();
            format!(
                "; a file has no types: all but the time and {count} columns declared under columns are texts"
            )
        }
        _ => String::new(),
    };
    format!("{named}, keys end in {extension}{untyped}")
}

/// The sink as configured, where it is not opened.
fn describe(settings: &Settings) -> String {
    match settings {
        Settings::Local(folder) => format!("file://{}", folder.display()),
        Settings::Memory => "memory:".to_owned(),
        Settings::S3(s3) if s3.prefix.is_empty() => format!("s3://{}", s3.bucket),
        Settings::S3(s3) => format!("s3://{}/{}", s3.bucket, s3.prefix),
        Settings::Gcs(gcs) => gcs.describe(),
        Settings::Azure(azure) => azure.describe(),
        Settings::Http(http) => http.describe(),
        Settings::Mqtt(mqtt) => mqtt.describe(),
        Settings::Stdout => "stdout".to_owned(),
    }
}

/// Which promise the key template keeps. It holds as far as that of the sink.
fn check_key(template: &KeyTemplate) -> Finding {
    let name = template.preset().map(|name| format!(" ({name})")).unwrap_or_default();
    let zone = template.partition().map(|_| "; dates and hours are UTC").unwrap_or_default();
    Finding::good("key", format!("{template}{name}: {}{zone}", template.promise()))
}

fn check_state(dir: &Path, table: &TableConfig) -> Finding {
    let inspection = inspect(dir, &table.table);
    let place = inspection.primary_path.display();
    if let Some(whole) = inspection.whole().filter(|whole| !is_same_source(&whole.state.source, table)) {
        let error = format!(
            "{place} belongs to source '{}', not to '{}'; set `id` under [source] if they are the same, else choose another --state-dir",
            whole.state.source, table.source_id
        );
        return Finding::bad("state", Exit::Config, &error);
    }
    match (&inspection.load, inspection.whole()) {
        (Err(error), _) => Finding::bad("state", Exit::from(error), error),
        (Ok(Origin::New), _) => match unwritable(dir) {
            Some(error) => Finding::bad("state", Exit::StateUnwritable, &error),
            None => Finding::good("state", format!("{place}: none yet")),
        },
        (Ok(_), whole) => {
            let (generation, sites) =
                whole.map_or((0, 0), |whole| (whole.generation, whole.state.sites.len()));
            Finding::good("state", format!("{place}: generation {generation}, {sites} sites"))
        }
    }
}

fn is_same_source(of_state: &str, table: &TableConfig) -> bool {
    of_state.is_empty() || of_state == table.source_id
}

/// Why no state could be made in `dir`; nothing is made to find it out.
fn unwritable(dir: &Path) -> Option<String> {
    use rustix::fs::{Access, access};
    let nearest = dir.ancestors().find(|ancestor| ancestor.exists())?;
    let error = access(nearest, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!(
        "state directory {} cannot be written ({error}); give this user access to it, or choose another --state-dir",
        nearest.display()
    ))
}
