//! What came of all passes over a table, and how the process ends for it.

use std::collections::BTreeMap;

use livecosmos_state::SiteId;

use super::fills::Outcome;
use crate::exit::Exit;
use crate::quarantine::QuarantineError;
use crate::source::SourceError;
use crate::uploader::{PassError, PassReport, SiteError};

/// What came of all passes so far.
pub(super) struct Run {
    once: bool,
    passes: u64,
    objects: u64,
    /// Sites that failed in any pass, with the last reason.
    failures: BTreeMap<SiteId, SiteError>,
    /// Why late rows could not be looked for.
    late_error: Option<PassError>,
}

impl Run {
    /// No pass was made yet; whether there is to be one alone.
    pub(super) fn begin(once: bool) -> Self {
        Self { once, passes: 0, objects: 0, failures: BTreeMap::new(), late_error: None }
    }

    /// Of a one-shot run, what went wrong with late rows counts at its end.
    pub(super) fn end_late(&mut self, report: PassReport) {
        self.late_error = report.error.filter(|_| self.once);
    }

    pub(super) fn add(&mut self, report: &PassReport) {
        self.passes += 1;
        self.objects += report.totals.objects;
        if self.once {
            self.failures.extend(report.failures.iter().map(|(site, error)| (site.clone(), error.clone())));
        }
    }

    /// Whether this report is the last, and how the process should end.
    pub(super) fn ends(&self, report: &PassReport) -> Option<Exit> {
        match &report.error {
            // Only a new start mends these.
            Some(error @ (PassError::State(_) | PassError::Quarantine(QuarantineError::Broken { .. }))) => {
                Some(Exit::from(error))
            }
            // What does not fit at the first look never did; later it may be put right under us.
            Some(error @ PassError::Source(SourceError::Config(_))) if self.passes == 1 => {
                Some(Exit::from(error))
            }
            Some(error) if self.once && (report.concerns_all() || !report.again) => Some(Exit::from(error)),
            _ if !self.once || report.again => None,
            // A file that could not be read is a site, or several, that could not be sent.
            _ if !report.source.faults.is_empty() => Some(Exit::SitesFailed),
            _ => Some(self.exit_of_sites()),
        }
    }

    /// How a one-shot run ends whose fills came to this, and whose last pass found more wrong than sites.
    pub(super) fn ends_with(&mut self, fills: Outcome, found: Option<Exit>) -> Exit {
        self.objects += fills.objects;
        self.failures.extend(fills.failures);
        let error = fills.error.or(self.late_error.take()).map(|error| Exit::from(&error));
        error.or(found).unwrap_or_else(|| self.exit_of_sites())
    }

    /// All sites are well, or some failed; or the sink was simply away.
    fn exit_of_sites(&self) -> Exit {
        let away = |error: &SiteError| matches!(error, SiteError::Sink(error) if error.is_passing());
        if self.failures.is_empty() {
            Exit::Done
        } else if self.objects == 0 && self.failures.values().all(away) {
            Exit::Unreachable
        } else {
            Exit::SitesFailed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::SinkError;

    #[test]
    fn a_site_that_failed_in_any_pass_of_a_one_shot_run_is_told_by_the_exit_code() {
        let site = SiteId::parse("B").unwrap();
        let refused = SiteError::Sink(SinkError::Refused("no".into()));
        let first =
            PassReport { failures: BTreeMap::from([(site, refused)]), again: true, ..PassReport::default() };
        let mut run = Run::begin(true);
        run.add(&first);
        assert_eq!(run.ends(&first), None, "another site was moved: its rows are read at once");
        let second = PassReport::default();
        run.add(&second);
        assert_eq!(run.ends(&second), Some(Exit::SitesFailed));
    }
}
