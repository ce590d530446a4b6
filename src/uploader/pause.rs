//! Sites that failed wait, each on its own, before they are tried again (I8).
//!
//! They wait by the uptime: a clock that is set back by hours must not hold them up for as long.

use std::collections::HashMap;
use std::time::Duration;

use livecosmos_state::{SiteId, Time};

use crate::clock::Moment;

/// After the first failure.
const PAUSE_MIN: Duration = Duration::from_secs(5);
/// However often a site failed.
const PAUSE_MAX: Duration = Duration::from_mins(10);

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
    /// When it failed first.
    since: Time,
    /// An uptime.
    until: Duration,
}

impl Pauses {
    /// A site could not go on at `now`: for a reason of its own, or since the sink is away for all, for
    /// `wait` at least. Of that, no site has to wait longer than the sink is away.
    pub(super) fn note(&mut self, site: &SiteId, wait: Option<Duration>, now: Moment) {
        let Some(wait) = wait else { return self.fail(site, now) };
        let first = Pause { failures: 0, since: now.time, until: now.uptime };
        let pause = self.sites.entry(site.clone()).or_insert(first);
        pause.until = pause.until.max(now.uptime + wait);
    }

    /// A site failed at `now`.
    pub(super) fn fail(&mut self, site: &SiteId, now: Moment) {
        let first = Pause { failures: 0, since: now.time, until: now.uptime };
        let pause = self.sites.entry(site.clone()).or_insert(first);
        let wait = (PAUSE_MIN * (1 << pause.failures.min(10))).min(PAUSE_MAX);
        pause.failures += 1;
        pause.until = now.uptime + wait;
    }

    /// Rows of a pass were given up: a site was moved, or the source failed half-way.
    pub(super) fn fall_behind(&mut self) {
        self.behind = true;
    }

    /// A pass begins: whether it must read again from what is covered, since rows were given up or a
    /// failed site is due for its next try.
    pub(super) fn begin(&mut self, now: Moment) -> bool {
        let due = self.sites.values().any(|pause| pause.until <= now.uptime);
        std::mem::take(&mut self.behind) || due
    }

    /// Whether rows of `site` are passed over at `now`.
    pub(super) fn is_paused(&self, site: &SiteId, now: Moment) -> bool {
        self.sites.get(site).is_some_and(|pause| pause.until > now.uptime)
    }

    /// When a site that has not been well since failed first.
    pub(super) fn failing_since(&self, site: &SiteId) -> Option<Time> {
        self.sites.get(site).map(|pause| pause.since)
    }

    /// A pass went through: sites that were due and did not fail again are well.
    pub(super) fn recover(&mut self, now: Moment) {
        self.sites.retain(|_, pause| pause.until > now.uptime);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(uptime_s: u64) -> Moment {
        Moment { time: Time::MIN, uptime: Duration::from_secs(uptime_s) }
    }

    #[test]
    fn a_site_waits_as_long_as_the_sink_is_away_and_no_longer() {
        let (site, mut pauses) = (SiteId::parse("A").unwrap(), Pauses::default());
        for _ in 0..20 {
            pauses.note(&site, Some(Duration::from_secs(7)), at(1_000));
        }
        assert!(pauses.is_paused(&site, at(1_006)) && !pauses.is_paused(&site, at(1_007)));
        pauses.note(&site, None, at(1_007));
        assert!(!pauses.is_paused(&site, at(1_012)), "the first failure of its own");
    }

    #[test]
    fn a_site_that_keeps_failing_waits_longer_each_time_up_to_ten_minutes() {
        let (site, mut pauses) = (SiteId::parse("A").unwrap(), Pauses::default());
        for wait_s in [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600] {
            pauses.fail(&site, at(1_000));
            assert!(pauses.is_paused(&site, at(1_000 + wait_s - 1)), "{wait_s}");
            assert!(!pauses.is_paused(&site, at(1_000 + wait_s)), "{wait_s}");
        }
    }
}
