//! A dry run: the same pass, with nothing changed anywhere and nothing created.

use std::collections::BTreeMap;
use std::sync::Arc;

use livecosmos_state::{ChainName, Cursor, SiteId, SourceFile, State, Time};
use tokio::runtime::Handle;

use super::adopt::Chain;
use super::change::{Change, Position};
use super::{PassError, Settings, SiteError};
use crate::key::{Content, Named};
use crate::rows::Batch;
use crate::sink::Sink;
use crate::source::{FileOrigin, Intake, Reject, Resume, Source, SourceError, Start, Stopped};
use crate::stop::Stop;

/// Keys shown of a site; the rest is counted.
const KEYS_SHOWN_MAX: usize = 1000;

/// What a run would do, found out without doing it.
pub struct Rehearsal {
    settings: Settings,
    sink: Arc<dyn Sink>,
    stop: Stop,
    state: State,
    now: Time,
    runtime: Handle,
    plans: BTreeMap<SiteId, SitePlan>,
    rejected_rows: u64,
    notices: Vec<String>,
    error: Option<PassError>,
}

/// What would be stored for one site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SitePlan {
    /// Its watermark now.
    pub watermark: Option<Time>,
    /// Number of the next object.
    pub seq: u64,
    /// Objects that would be stored.
    pub objects: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes as they would be stored.
    pub stored_bytes: u64,
    /// Earliest time among the rows.
    pub first: Option<Time>,
    /// Latest time among the rows.
    pub last: Option<Time>,
    /// Their keys, the first thousand.
    pub keys: Vec<String>,
    /// Where the last of them ends.
    to: Option<Cursor>,
}

/// What a dry run found.
#[derive(Debug, Default)]
pub struct Plan {
    /// Per site.
    pub sites: BTreeMap<SiteId, SitePlan>,
    /// Rows that would go into quarantine.
    pub rejected_rows: u64,
    /// Rows held back because their time lies in the future.
    pub future_rows: u64,
    /// What the source has to say.
    pub notices: Vec<String>,
}

impl Rehearsal {
    /// Prepares a dry run from a copy of the state.
    #[must_use]
    pub fn new(settings: Settings, sink: Arc<dyn Sink>, stop: Stop, mut state: State, now: Time) -> Self {
        if state.started.is_none() {
            let (source, floor) = (settings.source_id.clone(), settings.fallback.floor(now));
            Change::Begun { source, now, floor }.apply(&mut state);
        }
        let runtime = Handle::current();
        Self {
            settings,
            sink,
            stop,
            state,
            now,
            runtime,
            plans: BTreeMap::new(),
            rejected_rows: 0,
            notices: Vec::new(),
            error: None,
        }
    }

    /// Makes the pass. Blocks: call it on a thread for blocking work.
    ///
    /// # Errors
    /// As a real pass, as far as it would get.
    pub fn run(
        mut self,
        source: &mut dyn Source,
        only: Option<&std::collections::BTreeSet<SiteId>>,
    ) -> Result<Plan, PassError> {
        let start = Start {
            now: self.now,
            files: self.state.files.clone(),
            known: self.state.sites.keys().cloned().collect(),
            only: only.cloned(),
            first_run: self.state.last_run.is_none(),
            behind: false,
            is_bounded: false,
        };
        let pass = match (source.pass(&start, &mut self), self.error.take()) {
            (_, Some(error)) => return Err(error),
            (Err(error), None) => return Err(error.into()),
            (Ok(pass), None) => pass,
        };
        Ok(Plan {
            sites: self.plans,
            rejected_rows: self.rejected_rows,
            future_rows: pass.future_rows,
            notices: self.notices.into_iter().chain(pass.notices).collect(),
        })
    }

    /// Where the site stands, by the sink's word where state and sink differ.
    fn position(&self, site: &SiteId) -> Result<Position, SiteError> {
        let known = self.state.sites.get(site).and_then(|site| Position::of(site, &ChainName::LIVE));
        let live = ChainName::LIVE;
        let chain = Chain {
            name: &live,
            sink: &*self.sink,
            key: &self.settings.key,
            table: &self.settings.table,
            site,
            retry: &self.settings.retry,
            stop: &self.stop,
            pending: self.pending(site),
        };
        let from = known.clone().unwrap_or_else(|| Position::start(None));
        let found = self.runtime.block_on(chain.catch_up(from, None))?.position;
        if known.is_some() || found.seq > 0 {
            return Ok(found);
        }
        Ok(Position::start(self.settings.fallback.first_floor(&self.state, self.now)))
    }

    fn pending(&self, site: &SiteId) -> Option<String> {
        Some(self.state.sites.get(site)?.live.pending.as_ref()?.key.clone())
    }

    fn fail(&mut self, error: SiteError) -> Stopped {
        if let SiteError::Sink(error) = error {
            self.error = Some(PassError::Sink(error));
        } else {
            self.error = Some(PassError::Source(SourceError::Unavailable(error.to_string())));
        }
        Stopped
    }
}

impl Intake for Rehearsal {
    fn resume(&mut self, site: &SiteId) -> Result<Resume, Stopped> {
        let position = match self.position(site) {
            Ok(position) => position,
            Err(SiteError::Inconsistent(what)) => {
                self.notices.push(what);
                return Ok(Position::start(None).resume(true));
            }
            Err(error) => return Err(self.fail(error)),
        };
        let plan = SitePlan { watermark: position.last_data, seq: position.seq, ..SitePlan::default() };
        self.plans.insert(site.clone(), plan);
        Change::Admitted { site: site.clone(), position }.apply(&mut self.state);
        let position = self.state.sites.get(site).and_then(|site| Position::of(site, &ChainName::LIVE));
        Ok(position.unwrap_or_else(|| Position::start(None)).resume(false))
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        Change::Registered { file, origin }.apply(&mut self.state);
        Ok(())
    }

    fn batch(&mut self, batch: Batch) -> Result<(), Stopped> {
        let (format, compression) = (&self.settings.format, self.settings.compression);
        let encoded = format.encode(&batch, compression).map_err(|error| {
            self.fail(SiteError::Encode { site: batch.site.clone(), reason: error.to_string() })
        })?;
        let extension = format!("{}{}", self.settings.format.extension(), compression.extension());
        let plan = self.plans.entry(batch.site.clone()).or_default();
        let (first, last) = batch.time_range().unzip();
        let seq = plan.seq + plan.objects;
        if plan.keys.len() < KEYS_SHOWN_MAX {
            let live = ChainName::LIVE;
            let known = self.state.sites.get(&batch.site).map_or(&Cursor::Start, |site| &site.live.cursor);
            let (from, range) = (plan.to.as_ref().unwrap_or(known), batch.time_range());
            let content = range.map(|(first, last)| Content {
                from,
                to: &batch.to,
                first,
                last,
                bytes: &encoded.bytes,
            });
            let (site, table, ext) = (&batch.site, &self.settings.table, extension.as_str());
            let named = Named { site, table, chain: &live, seq, ext, content };
            plan.keys.push(self.settings.key.key_of(&named));
        }
        plan.to = Some(batch.to.clone());
        plan.objects += 1;
        plan.rows += batch.rows.len() as u64;
        plan.stored_bytes += encoded.bytes.len() as u64;
        plan.first = plan.first.into_iter().chain(first).min();
        plan.last = plan.last.max(last);
        Ok(())
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Ok(())
    }

    fn reject(&mut self, _reject: Reject) -> Result<(), Stopped> {
        self.rejected_rows += 1;
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.is_requested()
    }
}
