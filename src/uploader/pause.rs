//! Sites that failed wait, each on its own, before they are tried again (I8).

use std::collections::HashMap;

use livecosmos_state::{SiteId, Time};

use crate::clock::shift;

/// After the first failure.
const PAUSE_S_MIN: i64 = 5;
/// However often a site failed.
const PAUSE_S_MAX: i64 = 600;

/// Which sites failed, and when each is due again.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    sites: HashMap<SiteId, Pause>,
    /// Rows were given up before they were stored: the source must go back to what is covered.
    behind: bool,
}

#[derive(Debug)]
struct Pause {
    failures: u32,
    since: Time,
    until: Time,
}

impl Pauses {
    /// A site failed at `now`.
    pub(super) fn fail(&mut self, site: &SiteId, now: Time) {
        let pause = self.sites.entry(site.clone()).or_insert(Pause { failures: 0, since: now, until: now });
        let wait_s = PAUSE_S_MIN.saturating_mul(1 << pause.failures.min(10)).min(PAUSE_S_MAX);
        pause.failures += 1;
        pause.until = shift(now, wait_s);
    }

    /// Rows of a pass were given up: a site was moved, or the source failed half-way.
    pub(super) fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// A pass begins: whether it must read again from what is covered, since rows were given up or a
    /// failed site is due for its next try.
    pub(super) fn begin(&mut self, now: Time) -> bool {
        let due = self.sites.values().any(|pause| pause.until <= now);
        std::mem::take(&mut self.behind) || due
    }

    /// Whether rows of `site` are passed over at `now`.
    pub(super) fn is_paused(&self, site: &SiteId, now: Time) -> bool {
        self.sites.get(site).is_some_and(|pause| pause.until > now)
    }

    /// When a site that has not been well since failed first.
    pub(super) fn failing_since(&self, site: &SiteId) -> Option<Time> {
        self.sites.get(site).map(|pause| pause.since)
    }

    /// A pass went through: sites that were due and did not fail again are well.
    pub(super) fn recover(&mut self, now: Time) {
        self.sites.retain(|_, pause| pause.until > now);
    }

    /// `site` went through.
    pub(super) fn is_well(&mut self, site: &SiteId) {
        self.sites.remove(site);
    }

    /// Whether every row read so far is stored.
    pub(super) fn is_clean(&self) -> bool {
        self.sites.is_empty() && !self.behind
    }
}
