//! Objects in a bucket of S3, or of a server that speaks its protocol.
//!
//! The SDK makes one attempt per call: retries are the uploader's, with one back-off for all sinks, and
//! each is signed anew. The facts of an object are its user metadata (`x-amz-meta-livecosmos-…`).
//!
//! Objects above a threshold go in parts (`parts.rs`).
//!
//! S3 answers 412 to a put with `If-None-Match: *` on a taken key. Some servers ignore that header and
//! overwrite, so [`Sink::probe`] tries it once, and where it does not hold each put looks first.

/// A request of `sink`: what all of them say, which bucket, whose it must be, and who pays.
macro_rules! ask {
    ($sink:expr, $operation:ident) => {
        $sink
            .client
            .$operation()
            .bucket(&$sink.bucket)
            .set_request_payer($sink.payer.clone())
            .set_expected_bucket_owner($sink.owner.clone())
    };
}

mod answer;
mod checks;
mod client;
mod error;
mod keeping;
mod kept;
mod paced;
mod parts;
mod rights;
mod steady;
mod trust;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, RequestPayer};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::settings::{Checksum, S3Settings};
use super::{Facts, Guard, Object, Pace, Probed, PutOutcome, Sink, SinkError, key};
use crate::clock::{Clock, SystemClock};
use checks::{Echo, WholeList};
use client::Timeouts;
use error::{Place, is_damage, is_no_such_key, status};
pub use keeping::{Encryption, Keeping, Lock, LockMode, StorageClass, Tags};
use paced::Paced;
pub use parts::PART_BYTES_MIN;
use rights::Right;

/// A bucket, or what is below a prefix of one.
pub struct S3Sink {
    client: Client,
    bucket: String,
    /// Empty, or ends with a slash.
    prefix: String,
    checksum: Option<ChecksumAlgorithm>,
    keeping: Keeping,
    /// Who pays for what is asked for, if not the bucket's owner.
    payer: Option<RequestPayer>,
    /// The account that the bucket must belong to.
    owner: Option<String>,
    /// From which a lock's end is reckoned.
    clock: Arc<dyn Clock>,
    look_first: AtomicBool,
    /// Larger objects go in parts, of this size.
    in_parts_above_bytes: usize,
    part_bytes: usize,
    /// Whether the server puts parts together only where there is no object yet; tried with the first.
    parts_guarded: OnceCell<bool>,
    broken: parts::Broken,
    timeouts: Timeouts,
    /// What is wrong with an object that the server stored other than it was sent. Nothing is done after
    /// it: the next look would take that object for ours.
    damage: OnceLock<SinkError>,
    place: Place,
}

impl S3Sink {
    /// Finds region and credentials' sources; sends nothing to the bucket yet.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where no region is known or the endpoint cannot be used.
    pub async fn open(settings: &S3Settings) -> Result<Self, SinkError> {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        Self::open_with(settings, loader, Arc::new(SystemClock)).await
    }

    /// As [`S3Sink::open`], with credentials and files from `loader` and the time of `clock` instead of this
    /// machine's.
    ///
    /// # Errors
    /// As [`S3Sink::open`].
    pub async fn open_with(
        settings: &S3Settings,
        loader: ConfigLoader,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SinkError> {
        let connected = client::connect(settings, loader, Arc::clone(&clock)).await?;
        let slash = if settings.prefix.is_empty() { "" } else { "/" };
        Ok(Self {
            client: connected.client,
            bucket: settings.bucket.clone(),
            prefix: format!("{}{slash}", settings.prefix),
            checksum: algorithm(settings.checksum),
            keeping: settings.keeping.clone(),
            payer: settings.requester_pays.then_some(RequestPayer::Requester),
            owner: settings.bucket_owner.clone(),
            clock,
            look_first: AtomicBool::new(false),
            in_parts_above_bytes: settings.multipart_threshold_bytes,
            part_bytes: settings.part_bytes,
            parts_guarded: OnceCell::new(),
            broken: parts::Broken::default(),
            timeouts: connected.timeouts,
            damage: OnceLock::new(),
            place: connected.place,
        })
    }

    fn put_request(&self, key: &str, bytes: ByteStream) -> PutObjectFluentBuilder {
        let request = ask!(self, put_object)
            .key(format!("{}{key}", self.prefix))
            .if_none_match("*")
            .set_checksum_algorithm(self.checksum.clone())
            .body(bytes);
        self.keeping.ask(request, self.clock.now())
    }

    /// Sends one conditional put; what is there already is an outcome, not an error.
    async fn send(
        &self,
        key: &str,
        bytes: Bytes,
        request: PutObjectFluentBuilder,
        pace: Option<Pace>,
    ) -> Result<PutOutcome, SinkError> {
        let paced = pace.as_ref().map_or(Duration::ZERO, |pace| pace.left_for(bytes.len()));
        let patience = Config::builder().timeout_config(self.timeouts.of_put(bytes.len(), paced));
        let request = request.customize().interceptor(Echo::default()).config_override(patience);
        let request = match pace {
            Some(pace) => request.interceptor(Paced { bytes, pace }),
            None => request,
        };
        match request.send().await {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(error) if status(&error) == Some(412) => Ok(PutOutcome::Exists),
            Err(error) => {
                let explained =
                    self.place.explain(&format!("store '{}{key}'", self.prefix), Right::Write, &error);
                if is_damage(&error) {
                    self.damage.get_or_init(|| explained.clone());
                }
                Err(explained)
            }
        }
    }

    /// Fails once an object was damaged.
    fn check_undamaged(&self) -> Result<(), SinkError> {
        self.damage.get().cloned().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Sink for S3Sink {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        key::check(key)?;
        self.check_undamaged()?;
        if self.look_first.load(Ordering::Relaxed) && self.metadata(key).await?.is_some() {
            return Ok(PutOutcome::Exists);
        }
        if object.bytes.len() > self.in_parts_above_bytes {
            return self.put_in_parts(key, object).await;
        }
        let request = self
            .put_request(key, object.bytes.clone().into())
            .content_type(object.content_type)
            .set_content_encoding(object.content_encoding.map(str::to_owned))
            .set_metadata(Some(object.facts.to_metadata().into_iter().collect()));
        self.send(key, object.bytes.clone(), request, object.pace.clone()).await
    }

    /// A bucket that does not exist looks like an absent object here; [`Sink::probe`] tells.
    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        key::check(key)?;
        self.check_undamaged()?;
        let Some(metadata) = self.metadata(key).await? else { return Ok(None) };
        self.facts(key, metadata).map(Some)
    }

    /// As [`Sink::head`]; the SDK compares the bytes with the checksum that the server keeps.
    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        key::check(key)?;
        self.check_undamaged()?;
        let action = format!("read '{}{key}'", self.prefix);
        let request = ask!(self, get_object).key(format!("{}{key}", self.prefix));
        let found = match request.send().await {
            Ok(found) => found,
            Err(error) if is_no_such_key(&error) => return Ok(None),
            Err(error) => return Err(self.place.explain(&action, Right::Read, &error)),
        };
        let facts = self.facts(key, found.metadata.unwrap_or_default())?;
        let length = found.content_length;
        let bytes = usize::try_from(length.unwrap_or_default()).unwrap_or_default();
        let read = tokio::time::timeout(self.timeouts.of_body(bytes), found.body.collect()).await;
        let read = read.map_err(|_| self.place.explain_cut(&action, "it took too long"))?;
        let bytes = read.map_err(|error| match length {
            Some(_) => self.place.explain_body(&action, &error),
            // With no length to compare with, an answer that broke off looks like a damaged one.
            None => self.place.explain_cut(&action, "neither its length nor its checksum fits"),
        })?;
        Ok(Some((facts, bytes.into_bytes())))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let mut keys: Vec<String> = Vec::new();
        let mut page_after = None;
        let action = match format!("{}{prefix}", self.prefix) {
            all if all.is_empty() => "list keys".to_owned(),
            below => format!("list '{below}'"),
        };
        while keys.len() < keys_max {
            let request = ask!(self, list_objects_v2)
                .prefix(format!("{}{prefix}", self.prefix))
                .max_keys(i32::from(key::page(keys_max - keys.len())))
                .set_start_after(key::start_after(prefix, from).map(|key| format!("{}{key}", self.prefix)))
                .set_continuation_token(page_after);
            let page = request
                .customize()
                .interceptor(WholeList)
                .send()
                .await
                .map_err(|error| self.place.explain(&action, Right::List, &error))?;
            let found = page.contents().iter().filter_map(|object| object.key()?.strip_prefix(&self.prefix));
            keys.extend(found.filter(|key| *key >= from && !key::is_own(key)).map(str::to_owned));
            page_after = page.next_continuation_token().map(str::to_owned);
            if page_after.is_none() {
                break;
            }
        }
        // The head of a chain is found by this order, and directory buckets do not keep it.
        if !keys.is_sorted() {
            return Err(SinkError::Fatal(format!(
                "cannot {action} in {}: the server lists keys out of order; use a general purpose bucket",
                self.place
            )));
        }
        keys.truncate(keys_max);
        Ok(keys)
    }

    /// Lists before it writes: some servers make a bucket of any name that is written to, and without
    /// the right to list S3 answers 403 where [`Sink::head`] expects 404.
    async fn probe(&self) -> Result<Probed, SinkError> {
        self.list("", "", 1).await?;
        let key = self.keeping.probe_key();
        let try_it = async || {
            let request = self.put_request(&key, ByteStream::from_static(key::PROBE_BYTES));
            let sent = self.send(&key, Bytes::from_static(key::PROBE_BYTES), request, None).await;
            // Asked for what this one is refused for, a server takes no put.
            sent.map_err(|error| match error {
                SinkError::Refused(why) if self.keeping != Keeping::default() => SinkError::Fatal(why),
                error => error,
            })
        };
        // The first may have been there since an earlier start; the second must find something.
        let guarded = try_it().await? == PutOutcome::Exists || try_it().await? == PutOutcome::Exists;
        self.look_first.store(!guarded, Ordering::Relaxed);
        let guard = if guarded { Guard::CreateIfAbsent } else { Guard::LookFirst };
        Ok(Probed { guard, notices: self.not_kept(&format!("{}{key}", self.prefix)).await? })
    }

    fn describe(&self) -> &str {
        self.place.as_str()
    }
}

impl S3Sink {
    fn facts(&self, key: &str, metadata: HashMap<String, String>) -> Result<Facts, SinkError> {
        Facts::from_metadata(&metadata.into_iter().collect()).map_err(|error| {
            SinkError::Refused(format!("object '{}{key}' in {}: {error}", self.prefix, self.place))
        })
    }

    /// `full` is a key with the prefix.
    fn head_request(&self, full: &str) -> HeadObjectFluentBuilder {
        ask!(self, head_object).key(full)
    }

    /// User metadata of an object; `None` where there is no object.
    async fn metadata(&self, key: &str) -> Result<Option<HashMap<String, String>>, SinkError> {
        let full = format!("{}{key}", self.prefix);
        match self.head_request(&full).send().await {
            Ok(found) => Ok(Some(found.metadata.unwrap_or_default())),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.place.explain(&format!("look at '{full}'"), Right::Read, &error)),
        }
    }
}

impl fmt::Debug for S3Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("S3Sink").field(&self.place).finish()
    }
}

fn algorithm(checksum: Checksum) -> Option<ChecksumAlgorithm> {
    match checksum {
        Checksum::Crc64Nvme => Some(ChecksumAlgorithm::Crc64Nvme),
        Checksum::Crc32 => Some(ChecksumAlgorithm::Crc32),
        Checksum::Sha256 => Some(ChecksumAlgorithm::Sha256),
        Checksum::WhenRequired => None,
    }
}
