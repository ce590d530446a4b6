//! What an audit found.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use livecosmos_state::{ChainName, Cursor, SiteId, Time};

use super::chain::{Follower, Span, order};
use super::object::Looked;
use crate::sink::Facts;

/// Findings kept; the rest is counted.
const FINDINGS_MAX: usize = 1000;

/// All that an audit of a table found.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong, the first thousand.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_total: u64,
    /// Gaps that would be findings, but that a repair or backfill of the site has rows of their span.
    pub mended: Vec<Finding>,
    gaps: Vec<Gap>,
    followers: BTreeMap<(SiteId, ChainName), Follower>,
    holes: Vec<Hole>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of what kind.
    pub trouble: Trouble,
    /// Whose object it is, or among whose objects it stands.
    pub site: SiteId,
    /// The chain, where it concerns one.
    pub chain: Option<ChainName>,
    /// The key at which it was found.
    pub key: String,
    /// In words.
    pub what: String,
}

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It was not stored by livecosmos.
    Foreign,
    /// It is an object of another place.
    Misplaced,
    /// Its bytes are not those that were stored.
    Damaged,
    /// Its bytes are those that were stored, and hold no rows that can be read.
    Unreadable,
    /// It holds another number of rows than it says.
    Rows,
    /// It holds other times than it says.
    Times,
    /// Objects between two others are not there.
    Missing,
    /// An object is there twice.
    Doubled,
    /// It begins behind the end of the object before it.
    Gap,
    /// It begins before the end of the object before it.
    Overlap,
}

/// One chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSummary {
    /// Whose.
    pub site: SiteId,
    /// Which.
    pub chain: ChainName,
    /// The first object that is there; those before it, if any, have expired.
    pub first_seq: u64,
    /// The last object.
    pub last_seq: u64,
    /// Objects.
    pub objects: u64,
    /// Rows, as the objects say.
    pub rows: u64,
    /// Bytes as stored.
    pub stored_bytes: u64,
    /// The earliest time.
    pub first_data: Option<Time>,
    /// The newest time.
    pub last_data: Option<Time>,
    /// Its rows were sent before, and sent again for an operator.
    pub is_resend: bool,
}

/// Rows that a live chain left to a fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoleSummary {
    /// Whose.
    pub site: SiteId,
    /// The chain that fills it.
    pub chain: ChainName,
    /// The object of the live chain behind which it lies.
    pub seq: u64,
    /// It begins behind this place,
    pub after: Cursor,
    /// and ends with this one.
    pub until: Cursor,
    /// So far it is filled, by what the chain's objects say; `None` where there is none.
    pub filled_to: Option<Cursor>,
}

/// A finding that a repair may take away.
#[derive(Debug)]
struct Gap {
    /// Its place among the findings.
    finding: usize,
    site: SiteId,
    span: Span,
    is_mended: bool,
}

impl HoleSummary {
    /// Whether it ends where it begins, or before.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        order(&self.after, &self.until).is_some_and(Ordering::is_ge)
    }

    /// Whether the objects of the fill reach its end. Where they do not, the fill may be under way, or
    /// there may be no more rows: the sink cannot tell.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        let reached = self.filled_to.as_ref().and_then(|to| order(to, &self.until));
        reached.is_some_and(Ordering::is_ge)
    }
}

#[derive(Debug)]
struct Hole {
    site: SiteId,
    chain: ChainName,
    seq: u64,
    after: Cursor,
    until: Cursor,
    /// Of the object that left it.
    key: String,
}

impl Report {
    /// Adds what was found under the next key.
    pub(super) fn add(&mut self, looked: Looked) {
        let Looked { place, key, facts, stored_bytes, first_data, findings } = looked;
        for finding in findings {
            self.find(finding);
        }
        let Some(place) = place else { return };
        let (site, chain) = (place.site, place.chain);
        let follower = self.followers.entry((site.clone(), chain.clone())).or_default();
        let (trouble, span) = match &facts {
            Some(facts) => follower
                .follow(facts, stored_bytes, first_data)
                .map_or((None, None), |(trouble, what, span)| (Some((trouble, what)), Some(span))),
            None => (follower.pass_over(place.seq), None),
        };
        if let Some(facts) = facts {
            self.mend(&facts, first_data);
            self.holes.extend(Hole::left_by(&facts, &key));
        }
        let Some((trouble, what)) = trouble else { return };
        let may_be_mended = matches!(trouble, Trouble::Missing | Trouble::Gap);
        if let Some(span) = span.filter(|_| may_be_mended && self.findings.len() < FINDINGS_MAX) {
            let (finding, site) = (self.findings.len(), site.clone());
            self.gaps.push(Gap { finding, site, span, is_mended: false });
        }
        self.find(Finding { trouble, site, chain: Some(chain), key, what });
    }

    /// Marks the gaps in other chains that this object has rows of. A chain that repairs is named, and so
    /// listed, behind the live one.
    fn mend(&mut self, facts: &Facts, first_data: Option<Time>) {
        if !["repair-", "backfill-"].iter().any(|kind| facts.chain.as_str().starts_with(kind)) {
            return;
        }
        for gap in self.gaps.iter_mut().filter(|gap| gap.site == facts.site && !gap.is_mended) {
            let is_of_another = self.findings[gap.finding].chain.as_ref() != Some(&facts.chain);
            gap.is_mended = is_of_another && gap.span.meets(facts, first_data);
        }
    }

    /// Takes the gaps that are mended out of the findings.
    fn set_mended_apart(&mut self) {
        for gap in self.gaps.drain(..).rev().filter(|gap| gap.is_mended) {
            self.mended.push(self.findings.remove(gap.finding));
            self.findings_total -= 1;
        }
        self.mended.reverse();
    }

    /// Compares what live chains left out with the chains that fill it.
    pub(super) fn conclude(&mut self) {
        self.set_mended_apart();
        let mut findings = Vec::new();
        for hole in &self.holes {
            let Some(follower) = self.followers.get(&(hole.site.clone(), hole.chain.clone())) else {
                continue;
            };
            let begins = follower.begins.as_ref().filter(|begin| begin.seq == 0 && begin.from != hole.after);
            if let Some(begin) = begins {
                let what = format!(
                    "it leaves out what follows {}, and chain {} begins at {}",
                    hole.after, hole.chain, begin.from
                );
                findings.push(hole.finding(Trouble::Gap, what));
            }
            let beyond = follower.to.as_ref().filter(|to| order(to, &hole.until) == Some(Ordering::Greater));
            if let Some(to) = beyond {
                let what = format!(
                    "it leaves out what comes up to {}, and chain {} reaches {to}",
                    hole.until, hole.chain
                );
                findings.push(hole.finding(Trouble::Overlap, what));
            }
        }
        for finding in findings {
            self.find(finding);
        }
    }

    /// Every chain, by site and name.
    pub fn chains(&self) -> impl Iterator<Item = ChainSummary> + '_ {
        self.followers.iter().filter_map(|((site, chain), follower)| {
            Some(ChainSummary {
                site: site.clone(),
                chain: chain.clone(),
                first_seq: follower.begins.as_ref()?.seq,
                last_seq: follower.last_seq,
                objects: follower.objects,
                rows: follower.rows,
                stored_bytes: follower.stored_bytes,
                first_data: follower.first_data,
                last_data: follower.last_data,
                is_resend: follower.is_resend,
            })
        })
    }

    /// What live chains left to fills.
    pub fn holes(&self) -> impl Iterator<Item = HoleSummary> + '_ {
        self.holes.iter().map(|hole| {
            let follower = self.followers.get(&(hole.site.clone(), hole.chain.clone()));
            HoleSummary {
                site: hole.site.clone(),
                chain: hole.chain.clone(),
                seq: hole.seq,
                after: hole.after.clone(),
                until: hole.until.clone(),
                filled_to: follower.and_then(|follower| follower.to.clone()),
            }
        })
    }

    fn find(&mut self, finding: Finding) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

impl Hole {
    /// What an object of a live chain left out. The last one of a fill says where its hole ends in the same
    /// place, and leaves nothing.
    fn left_by(facts: &Facts, key: &str) -> Option<Self> {
        if facts.chain != ChainName::LIVE {
            return None;
        }
        Some(Self {
            site: facts.site.clone(),
            chain: ChainName::catch_up(facts.seq),
            seq: facts.seq,
            after: facts.to.clone(),
            until: facts.next.clone()?,
            key: key.to_owned(),
        })
    }

    fn finding(&self, trouble: Trouble, what: String) -> Finding {
        let (site, chain) = (self.site.clone(), Some(ChainName::LIVE));
        Finding { trouble, site, chain, key: self.key.clone(), what }
    }
}
