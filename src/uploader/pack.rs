//! A batch becomes an object: spelled, with its place in a chain and its key, and with what it says of itself.

use std::sync::Arc;

use livecosmos_state::{Cursor, FillKind, Intent, Time};

use super::change::{Position, Sent};
use super::memory::Loan;
use super::{LiveUploader, Parcel, SiteError};
use crate::key::{Content, Named};
use crate::payload::Encoded;
use crate::rows::Rows;
use crate::sink::{Contents, Facts, Object};
use crate::source::Stopped;

/// A batch as it is stored.
pub(super) struct Packed {
    pub(super) encoded: Encoded,
    /// Its rows, for the ledger.
    pub(super) rows: Sent,
}

impl LiveUploader {
    /// Borrows the memory that `rows` and their payload need.
    pub(super) async fn borrow(&self, rows: &Rows) -> Result<Loan, Stopped> {
        let bytes = rows.held_bytes() + rows.payload_bytes_expected();
        self.shared.memory.borrow(bytes, &self.shared.progress, &self.stop).await
    }

    /// Spells the batch on a thread for computing; gives it back for its facts.
    pub(super) async fn pack(&self, mut parcel: Parcel) -> Result<(Parcel, Packed), SiteError> {
        let _permit = self.shared.encoders.one().await;
        let (format, compression) = (self.settings.format.clone(), self.settings.compression);
        let clerk = self.clerk(&parcel.batch, &parcel.chain);
        let site = parcel.batch.site.clone();
        let expected_bytes = parcel.batch.rows.payload_bytes_expected();
        // What cannot be parted goes into quarantine if it is refused.
        let is_smallest = parcel.batch.rows.len() == 1 || self.rows_max(&site, &parcel.chain) == Some(1);
        let failed = |reason: String| SiteError::Encode { site: site.clone(), reason };
        let task = tokio::task::spawn_blocking(move || {
            let encoded = format.encode(&parcel.batch, compression);
            let rows = clerk.rows(&parcel.batch);
            if !is_smallest {
                parcel.batch.rows.release_values();
            }
            (parcel, encoded, rows)
        });
        let (parcel, encoded, rows) = task.await.map_err(|error| failed(error.to_string()))?;
        let encoded = encoded.map_err(|error| failed(error.to_string()))?;
        self.fit.note(encoded.bytes.len(), expected_bytes, self.sink.object_bytes_max());
        if encoded.misfits > 0 {
            tracing::warn!(table = %self.settings.table, %site, values = encoded.misfits,
                "values do not fit the types of their columns; they stand in the last column of the object: declare \
                 the columns as \"text\" under [columns], or mend the values");
        }
        Ok((parcel, Packed { encoded, rows }))
    }

    /// The intent that makes the batch the next object of its chain (I3).
    pub(super) async fn intend(&self, parcel: &Parcel, encoded: &Encoded) -> Result<Intent, SiteError> {
        let Parcel { chain, batch, next } = parcel;
        let Position { seq, cursor: from, .. } = self.position(&batch.site, chain);
        let range = batch.time_range();
        let last_data = range.map_or_else(|| front_of(&from), |(_, last)| last);
        let (first, last) = range.unwrap_or_else(|| (time_of(&from), time_of(&from)));
        let (ext, bytes) = (self.extension(), &*encoded.bytes);
        let content = Some(Content { from: &from, to: &batch.to, first, last, bytes });
        let (site, table) = (&batch.site, &self.settings.table);
        let named = Named { site, table, chain, seq, ext: &ext, content };
        let mut intent = Intent {
            seq,
            to: batch.to.clone(),
            next: next.clone(),
            key: self.settings.key.key_of(&named),
            rows: batch.rows.len() as u64,
            last_data,
            from: from.clone(),
            digest: encoded.digest,
            since: self.clock.now(),
        };
        if self.is_alike_elsewhere(site, chain, &intent).await? {
            intent.key = self.settings.key.key_apart(&named);
        }
        Ok(intent)
    }

    pub(super) fn object(
        &self,
        parcel: &Parcel,
        intent: &Intent,
        generation: u64,
        encoded: Encoded,
    ) -> Object {
        let Parcel { chain, batch, .. } = parcel;
        let facts = Facts {
            table: self.settings.table.without_sink(),
            site: batch.site.clone(),
            chain: chain.clone(),
            seq: intent.seq,
            from: intent.from.clone(),
            to: intent.to.clone(),
            next: intent.next.clone(),
            is_resend: self.kind_of(&batch.site, chain) == Some(FillKind::Resend),
            rows: intent.rows,
            last_data: intent.last_data,
            digest: intent.digest,
            config: self.settings.config_digest.clone(),
            instance: self.journal.instance().to_owned(),
            generation,
            contents: Contents::of(&batch.rows),
        };
        Object {
            bytes: encoded.bytes,
            content_type: self.settings.format.content_type(),
            content_encoding: self.settings.compression.content_encoding(),
            facts: Arc::new(facts),
            pace: None,
        }
    }

    pub(super) fn extension(&self) -> String {
        format!("{}{}", self.settings.format.extension(), self.settings.compression.extension())
    }
}

/// The time by which an object without rows is named: in a file there is none.
fn time_of(from: &Cursor) -> Time {
    match from {
        Cursor::Row { time, .. } => *time,
        Cursor::Start | Cursor::File { .. } => Time::new(0, 0).unwrap_or(Time::MIN),
    }
}

/// The time at which an object without rows stands.
fn front_of(cursor: &Cursor) -> Time {
    match cursor {
        Cursor::Row { time, .. } => *time,
        Cursor::Start | Cursor::File { .. } => Time::MIN,
    }
}
