//! A state made from the sink alone: every site that has objects there, as a daemon with a lost state
//! would find it when it meets the site.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use livecosmos_state::{CommitError, SiteId, SourceFile};
use tokio::runtime::Handle;

use super::change::Change;
use super::{LiveUploader, PassError, Settings, SiteError, retry};
use crate::rows::Batch;
use crate::sink::SinkError;
use crate::source::{FileOrigin, Intake, Reject, Resume, Source, SourceError, Stopped};

/// Keys read in one listing.
const PAGE_KEYS: usize = 1000;
/// Sites followed to the ends of their chains at the same time.
const SITES_AT_ONCE: usize = 8;

impl LiveUploader {
    /// Begins the state, and puts in it every site that has objects in the sink. Returns the sites whose
    /// objects contradict themselves: they are left out.
    ///
    /// `files` is the source, where its state knows files: those that are there are put down as files
    /// of a first run, so that what the objects say of others is known to be of files that are gone.
    ///
    /// # Errors
    /// When the sink, the source or the state cannot be used.
    pub async fn rebuild(
        self: &Arc<Self>,
        files: Option<Box<dyn Source>>,
    ) -> Result<BTreeMap<SiteId, SiteError>, PassError> {
        let start = self.begin(self.now(), None).await?;
        if let Some(mut source) = files {
            let mut register =
                Register { uploader: Arc::clone(self), runtime: Handle::current(), error: None };
            let read = tokio::task::spawn_blocking(move || {
                let read = source.pass(&start, &mut register);
                (read, register.error)
            });
            match read.await.map_err(|error| PassError::Reader(error.to_string()))? {
                (_, Some(error)) => return Err(error.into()),
                (Err(error), None) if !matches!(error, SourceError::Stopped(_)) => return Err(error.into()),
                _ => {}
            }
        }
        let sites = self.sites_in_sink().await.map_err(fatal)?;
        let found = stream::iter(sites).map(|site| async move {
            let found = self.found_in_sink(&site).await;
            (site, found)
        });
        let mut failures = BTreeMap::new();
        let mut found = found.buffer_unordered(SITES_AT_ONCE);
        while let Some((site, found)) = found.next().await {
            match found {
                Ok(_) => {}
                Err(error @ (SiteError::Inconsistent(_) | SiteError::Sink(SinkError::Refused(_)))) => {
                    failures.insert(site, error);
                }
                Err(error) => return Err(fatal(error)),
            }
        }
        self.journal.flush().await?;
        Ok(failures)
    }

    /// Every site that has an object of this table in the sink, on any chain.
    async fn sites_in_sink(&self) -> Result<BTreeSet<SiteId>, SiteError> {
        let Settings { key: template, table, .. } = &self.settings;
        let prefix = template.common_prefix(table, None);
        let (mut sites, mut from) = (BTreeSet::new(), String::new());
        loop {
            let look = || async { self.sink.list(&prefix, &from, PAGE_KEYS).await };
            let keys = retry::until_settled(&self.settings.retry, &self.stop, look).await?;
            sites.extend(keys.iter().filter_map(|key| Some(template.marks_of(table, key)?.site)));
            match keys.last() {
                Some(last) if keys.len() == PAGE_KEYS => from = format!("{last}\0"),
                _ => return Ok(sites),
            }
        }
    }
}

fn fatal(error: SiteError) -> PassError {
    match error {
        SiteError::Sink(error) => PassError::Sink(error),
        SiteError::State(error) => PassError::State(error),
        SiteError::Stopped(stopped) => PassError::Source(stopped.into()),
        error => PassError::Source(SourceError::Unavailable(error.to_string())),
    }
}

/// Takes the files of a source, and none of their rows.
struct Register {
    uploader: Arc<LiveUploader>,
    runtime: Handle,
    error: Option<CommitError>,
}

impl Intake for Register {
    fn resume(&mut self, _site: &SiteId) -> Result<Resume, Stopped> {
        Err(Stopped)
    }

    fn register(&mut self, file: SourceFile, origin: FileOrigin) -> Result<(), Stopped> {
        let commit = self.uploader.journal.commit(Change::Registered { file, origin });
        self.runtime.block_on(commit).map(drop).map_err(|error| {
            self.error = Some(error);
            Stopped
        })
    }

    fn batch(&mut self, _batch: Batch) -> Result<(), Stopped> {
        Err(Stopped)
    }

    fn checkpoint(&mut self, _files: &[SourceFile]) -> Result<(), Stopped> {
        Err(Stopped)
    }

    fn reject(&mut self, _reject: Reject) -> Result<(), Stopped> {
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.uploader.stop.is_requested()
    }
}
