//! Rows taken back from quarantine: each is sent once, on the site's chain `requeue`, and leaves the
//! quarantine when an object holds it.
//!
//! The sink is asked first which of the rows it holds (I5). So whatever cut off an earlier try, and
//! whether the row was mended in the source and sent from there meanwhile, nothing is sent twice.

use std::collections::{HashMap, HashSet, VecDeque};

use aws_lc_rs::digest::{Context, SHA256};
use livecosmos_state::{Chain, ChainName, Cursor, Fill, FillKind, SiteId, Tie, Time, Window};

use super::{LiveUploader, Parcel, SiteError, Step};
use crate::clock::just_after;
use crate::key::Partition;
use crate::quarantine::{Entry, QuarantineError};
use crate::rows::{Batch, Schema};
use crate::sink::hex;
use crate::source::Sendable;

/// Rows in one object.
const BATCH_ROWS_MAX: usize = 1_000;
/// Of the digest of its rows' identities, so much names an object's end.
const NAME_BYTES: usize = 16;
/// How often a chain may turn out to be longer than was known.
const MOVES_MAX: usize = 8;

/// A row that waits in quarantine and can be sent.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its identity in quarantine.
    pub identity: String,
    /// The row.
    pub row: Sendable,
}

/// What became of the rows of a site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Rows that are stored now.
    pub rows: u64,
    /// Objects that hold them.
    pub objects: u64,
    /// Rows that the sink held already.
    pub stored_before: u64,
    /// Rows that the live chain or a fill will read by itself.
    pub left: u64,
    /// Rows that the sink refused again.
    pub refused: u64,
}

impl LiveUploader {
    /// Everything in quarantine.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn quarantined(&self) -> Result<Vec<Entry>, QuarantineError> {
        self.quarantine().entries()
    }

    /// Replaces entries of the quarantine, durably; `None` takes one out.
    ///
    /// # Errors
    /// When it cannot be written; it is then as it was.
    pub fn edit_quarantine(
        &self,
        edit: impl FnMut(Entry) -> Option<Entry>,
    ) -> Result<usize, QuarantineError> {
        self.quarantine().edit(edit)
    }

    /// Takes out the rows that the live chain has not passed: it reads them again, and were they sent
    /// this time, what is kept of them would be sent once more. To be called before anything is read.
    ///
    /// # Errors
    /// When the quarantine cannot be read or written.
    pub fn give_back_unread(&self) -> Result<(), QuarantineError> {
        let mut quarantine = self.quarantine();
        let ahead: HashSet<String> = self.journal.read(|state| {
            // A file that is gone is not read again: what is kept of it is all there is.
            let is_there = |entry: &Entry| match entry.place.as_deref().and_then(|it| it.parse().ok()) {
                Some(Cursor::File { file, .. }) => state
                    .files
                    .iter()
                    .any(|known| known.file == file && std::path::Path::new(&known.path).exists()),
                _ => true,
            };
            let entries = quarantine.entries()?.into_iter();
            let ahead = entries.filter(|entry| entry.lies_ahead(state) && is_there(entry));
            Ok::<_, QuarantineError>(ahead.map(|entry| entry.identity).collect())
        })?;
        if !ahead.is_empty() {
            quarantine.edit(|entry| (!ahead.contains(&entry.identity)).then_some(entry))?;
        }
        Ok(())
    }

    /// Sends the rows of one site that are in quarantine and not in the sink.
    ///
    /// # Errors
    /// As a site may fail; what was stored before it has left the quarantine.
    pub async fn requeue(
        &self,
        site: &SiteId,
        waiting: Vec<Waiting>,
        now: Time,
    ) -> Result<Requeued, SiteError> {
        let mut done = Requeued::default();
        if self.journal.read(|state| !state.sites.contains_key(site)) {
            self.admit(site, now).await?;
        }
        let mut waiting = self.without_unread(site, waiting, &mut done);
        for _ in 0..MOVES_MAX {
            self.confirm(site, &ChainName::REQUEUE).await?;
            waiting = self.without_stored(site, waiting, &mut done).await?;
            if self.send(site, &mut waiting, &mut done).await? {
                self.journal.flush().await?;
                return Ok(done);
            }
        }
        Err(SiteError::Inconsistent(format!(
            "site {site}: another writer stores on the chain {}; end it, and requeue again",
            ChainName::REQUEUE
        )))
    }

    /// Leaves out the rows that the live chain or a fill sends by itself when it comes to them.
    fn without_unread(&self, id: &SiteId, waiting: Vec<Waiting>, done: &mut Requeued) -> Vec<Waiting> {
        let (before, has_fills) = (waiting.len(), |site: &livecosmos_state::Site| !site.fills.is_empty());
        let kept: Vec<Waiting> = self.journal.read(|state| {
            let Some(site) = state.sites.get(id) else { return waiting };
            let reached = site.live.passed.as_ref().unwrap_or(&site.live.cursor);
            let is_ahead = |row: &Sendable| match (reached, &row.cursor) {
                (Cursor::Row { time, tie }, Cursor::Row { time: of_row, tie: tied }) => {
                    (of_row, tied) > (time, tie)
                }
                // Nothing is stored yet: a table is read from the floor on. Of a file, more may be done.
                (Cursor::Start, Cursor::Row { time, .. }) => {
                    state.files.is_empty() && site.floor.is_none_or(|floor| *time > floor)
                }
                _ => false,
            };
            waiting.into_iter().filter(|it| !has_fills(site) && !is_ahead(&it.row)).collect()
        });
        done.left += (before - kept.len()) as u64;
        kept
    }

    /// Leaves out the rows that some object of the site holds, and takes them out of quarantine.
    async fn without_stored(
        &self,
        site: &SiteId,
        waiting: Vec<Waiting>,
        done: &mut Requeued,
    ) -> Result<Vec<Waiting>, SiteError> {
        if !self.sink.can_be_read() {
            return self.without_told(site, waiting, done);
        }
        let times = waiting.iter().map(|it| it.row.time.time);
        let Some((first, last)) = times.clone().min().zip(times.max()) else { return Ok(waiting) };
        let window = Window { first: Some(first), end: Some(just_after(last)) };
        let until = Cursor::Row { time: last, tie: Tie::None };
        let (after, chain) = (Cursor::Start, Chain::new());
        let span = Fill { kind: FillKind::Repair, since: last, after, until, window, chain };
        let mut sieve = self.sieve_of_sink(site, &span, &[]).await?;
        let is_missing = |it: &Waiting| {
            let mut rows = it.row.rows();
            it.row.push_to(&mut rows);
            sieve.missing(&rows).into_iter().all(|is_missing| is_missing)
        };
        let (missing, stored): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(is_missing);
        done.stored_before += stored.len() as u64;
        self.take_out(&stored)?;
        Ok(missing)
    }

    /// Leaves out the row that the receiver said it holds: its name is where the chain ends.
    fn without_told(
        &self,
        site: &SiteId,
        waiting: Vec<Waiting>,
        done: &mut Requeued,
    ) -> Result<Vec<Waiting>, SiteError> {
        let end = self.position(site, &ChainName::REQUEUE).cursor;
        let is_missing = |it: &Waiting| to_batch(site, std::slice::from_ref(it)).to != end;
        let (missing, stored): (Vec<Waiting>, Vec<Waiting>) = waiting.into_iter().partition(is_missing);
        done.stored_before += stored.len() as u64;
        self.take_out(&stored)?;
        Ok(missing)
    }

    /// The rows as objects: each by itself where the receiver cannot be asked which it holds, the one whose
    /// fate is not known first.
    fn to_objects(&self, site: &SiteId, waiting: Vec<Waiting>) -> VecDeque<Vec<Waiting>> {
        if self.sink.can_be_read() {
            return in_objects(waiting, BATCH_ROWS_MAX, self.settings.key.partition()).into();
        }
        let mut objects = in_objects(waiting, 1, None);
        let tried = self.unanswered(site, &ChainName::REQUEUE).map(|intent| intent.to);
        objects.sort_by_key(|object| Some(to_batch(site, object).to) != tried);
        objects.into()
    }

    /// Sends the rows, object by object; false as soon as the sink held more than was known.
    async fn send(
        &self,
        site: &SiteId,
        waiting: &mut Vec<Waiting>,
        done: &mut Requeued,
    ) -> Result<bool, SiteError> {
        let mut parts = self.to_objects(site, std::mem::take(waiting));
        while let Some(part) = parts.pop_front() {
            let (batch, rows) = (to_batch(site, &part), part.len() as u64);
            let mut memory = self.borrow(&batch.rows).await?;
            let parcel = Parcel { chain: ChainName::REQUEUE, batch, next: None };
            let step = match self.store(parcel, &mut memory).await {
                Err(SiteError::NotTaken(words)) => {
                    done.refused += u64::from(part.len() == 1);
                    parts.extend(self.part(part, &words)?);
                    continue;
                }
                step => step?,
            };
            match step {
                Step::Stored { .. } | Step::Jumped { .. } => {
                    done.objects += 1;
                    done.rows += rows;
                    self.take_out(&part)?;
                }
                Step::Moved | Step::Refused { .. } => {
                    *waiting = std::iter::once(part).chain(parts).flatten().collect();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Of rows that the sink does not take together, halves; one that it does not take by itself stays, with
    /// the sink's words.
    fn part(&self, mut rows: Vec<Waiting>, words: &str) -> Result<Vec<Vec<Waiting>>, SiteError> {
        if rows.len() > 1 {
            let second = rows.split_off(rows.len() / 2);
            return Ok(vec![rows, second]);
        }
        let edited = self.quarantine().edit(|entry| {
            let is_it = rows.iter().any(|it| it.identity == entry.identity);
            Some(if is_it {
                Entry { reason: format!("the sink refused it: {words}"), ..entry }
            } else {
                entry
            })
        });
        edited.map(|_| Vec::new()).map_err(|error| SiteError::Quarantine(error.to_string()))
    }

    fn take_out(&self, rows: &[Waiting]) -> Result<(), SiteError> {
        if rows.is_empty() {
            return Ok(());
        }
        let gone: HashSet<&str> = rows.iter().map(|it| it.identity.as_str()).collect();
        let edited = self.quarantine().edit(|entry| (!gone.contains(&*entry.identity)).then_some(entry));
        edited.map(drop).map_err(|error| SiteError::Quarantine(error.to_string()))
    }
}

/// Rows of the same columns and partition, in their order of time, as many as one object holds.
fn in_objects(mut waiting: Vec<Waiting>, rows_max: usize, partition: Option<Partition>) -> Vec<Vec<Waiting>> {
    waiting.sort_by(|a, b| (a.row.time.time, &a.identity).cmp(&(b.row.time.time, &b.identity)));
    let mut by_columns: Vec<(Schema, Vec<Waiting>)> = Vec::new();
    let mut places: HashMap<Schema, usize> = HashMap::new();
    for it in waiting {
        let place = *places.entry(it.row.schema.clone()).or_insert_with(|| {
            by_columns.push((it.row.schema.clone(), Vec::new()));
            by_columns.len() - 1
        });
        by_columns[place].1.push(it);
    }
    by_columns
        .into_iter()
        .flat_map(|(_, rows)| {
            let is_together = |one: &Waiting, other: &Waiting| {
                partition.is_none_or(|it| it.span(one.row.time.time).holds(other.row.time.time))
            };
            let parts = rows.chunk_by(is_together).flat_map(|part| part.chunks(rows_max));
            parts.map(<[Waiting]>::to_vec).collect::<Vec<_>>()
        })
        .collect()
}

/// The rows, of which there is one at least, as one batch; where it ends follows from which rows they are.
fn to_batch(site: &SiteId, part: &[Waiting]) -> Batch {
    let mut rows = part[0].row.rows();
    let mut named = Context::new(&SHA256);
    for it in part {
        it.row.push_to(&mut rows);
        named.update(it.identity.as_bytes());
        named.update(b"\0");
    }
    let tie = Tie::Text(hex(&named.finish().as_ref()[..NAME_BYTES]));
    let newest = part.iter().map(|it| it.row.time.time).max().unwrap_or(Time::MIN);
    Batch {
        site: site.clone(),
        rows,
        to: Cursor::Row { time: newest, tie },
        is_cut: false,
        is_at_border: false,
        newest: None,
    }
}
