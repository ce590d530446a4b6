//! Large objects, which go in parts, so that no request is long and several share the way.
//!
//! Nothing is there until the last request puts the parts together, and that is the one that is conditional
//! (`If-None-Match: *`), as a put is. A put that is tried again goes on with the parts that arrived. What a crash
//! leaves of an upload nobody sees, but it is paid for: an upload of a key ends those that were begun of it before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use aws_smithy_checksums::ChecksumAlgorithm as Algorithm;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::S3Sink;
use super::checks::{CheckError, Echo};
use super::error::{Place, is_damage, status};
use super::paced::Paced;
use super::rights::Right;
use crate::base64;
use crate::sink::key::PROBE_BYTES;
use crate::sink::{Object, Pace, PutOutcome, SinkError};

/// S3 takes no smaller one, but for the last.
pub const PART_BYTES_MIN: usize = 5 << 20;
/// S3 takes no more of one object.
const PARTS_MAX: usize = 10_000;
/// What S3 says of an upload that was ended.
pub(super) const NO_SUCH_UPLOAD: &str = "NoSuchUpload";
/// Parts of one object on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// Uploads that broke off and are to be gone on with, by key: as many as puts that are tried again.
#[derive(Debug, Default)]
pub(super) struct Broken {
    uploads: Mutex<HashMap<String, Upload>>,
    /// Rights whose lack was told of.
    told: Mutex<BTreeSet<&'static str>>,
}

/// An upload that was begun.
#[derive(Debug)]
struct Upload {
    key: String,
    id: String,
    /// SHA-256 of the object.
    digest: [u8; 32],
    /// The parts that arrived, by number.
    arrived: Mutex<BTreeMap<i32, CompletedPart>>,
    /// The server does not know it any more.
    is_gone: AtomicBool,
}

impl Broken {
    /// The upload of this object, if there is one.
    fn take(&self, key: &str, digest: &[u8; 32]) -> Option<Upload> {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.remove(key).filter(|upload| upload.digest == *digest)
    }

    fn keep(&self, upload: Upload) {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(upload.key.clone(), upload);
    }

    /// Says, once, that parts may be left.
    fn tell(&self, place: &Place, right: &'static str) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(right) {
            tracing::warn!(
                sink = %place,
                "parts of uploads that break off are left, and paid for: give the credentials {right}, or the bucket a \
                 rule that ends such uploads"
            );
        }
    }
}

impl S3Sink {
    /// As `put`, in parts. Looks first: whether the key is taken would else be known only after all bytes
    /// were sent.
    pub(super) async fn put_in_parts(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let full = format!("{}{key}", self.prefix);
        let (upload, is_guarded) = match self.upload_of(key, &full, object).await {
            Ok(Some(ready)) => ready,
            not_sent => {
                if let Some(pace) = &object.pace {
                    pace.spare(object.bytes.len());
                }
                return not_sent.map(|_| PutOutcome::Exists);
            }
        };
        let outcome = self.send_all(key, &upload, object, is_guarded).await;
        match &outcome {
            Ok(PutOutcome::Stored) => {}
            // After a lost reply it may have been put together: the next try finds the object.
            Err(error) if error.is_passing() && !upload.is_gone.load(Ordering::Relaxed) => {
                self.broken.keep(upload);
            }
            _ => self.end(&upload).await,
        }
        outcome
    }

    /// The upload to go on with, or a new one, and whether putting it together leaves alone what is there; `None`
    /// where the key is taken.
    async fn upload_of(
        &self,
        key: &str,
        full: &str,
        object: &Object,
    ) -> Result<Option<(Upload, bool)>, SinkError> {
        let broken = self.broken.take(full, &object.facts.digest);
        if broken.is_none() {
            self.end_uploads_of(full).await?;
        }
        let ready = async {
            let is_taken = self.metadata(key).await?.is_some();
            let is_guarded = is_taken || *self.parts_guarded.get_or_try_init(|| self.try_parts()).await?;
            Ok::<_, SinkError>((is_taken, is_guarded))
        };
        match (ready.await, broken) {
            (Ok((false, is_guarded)), Some(upload)) => Ok(Some((upload, is_guarded))),
            (Ok((false, is_guarded)), None) => Ok(Some((self.begin(full, Some(object)).await?, is_guarded))),
            (Ok((true, _)), broken) => {
                if let Some(upload) = broken {
                    self.end(&upload).await;
                }
                Ok(None)
            }
            // Its parts are there when the server is.
            (Err(error), broken) => {
                if let Some(upload) = broken {
                    self.broken.keep(upload);
                }
                Err(error)
            }
        }
    }

    async fn send_all(
        &self,
        key: &str,
        upload: &Upload,
        object: &Object,
        is_guarded: bool,
    ) -> Result<PutOutcome, SinkError> {
        self.send_parts(upload, &object.bytes, object.pace.as_ref()).await?;
        if !is_guarded && self.metadata(key).await?.is_some() {
            return Ok(PutOutcome::Exists);
        }
        self.put_together(upload, &object.bytes).await
    }

    /// Whether the server leaves an object that is there alone when parts are put together under its key.
    async fn try_parts(&self) -> Result<bool, SinkError> {
        let key = format!("{}{}", self.prefix, self.keeping.probe_key());
        self.end_uploads_of(&key).await?;
        // As in `probe`: the first may be the one that makes it.
        let is_guarded = self.is_left_alone(&key).await? || self.is_left_alone(&key).await?;
        if !is_guarded {
            tracing::warn!(
                sink = %self.place,
                "this server overwrites what is there when it puts parts together: each such key is looked at \
                 before, and two daemons at once are not kept apart; set multipart_threshold higher than objects \
                 become, and it is not needed"
            );
        }
        Ok(is_guarded)
    }

    async fn is_left_alone(&self, key: &str) -> Result<bool, SinkError> {
        let upload = self.begin(key, None).await?;
        let bytes = Bytes::from_static(PROBE_BYTES);
        self.send_parts(&upload, &bytes, None).await?;
        let outcome = self.put_together(&upload, &bytes).await?;
        if outcome == PutOutcome::Exists {
            self.end(&upload).await;
        }
        Ok(outcome == PutOutcome::Exists)
    }

    async fn begin(&self, key: &str, object: Option<&Object>) -> Result<Upload, SinkError> {
        let request =
            ask!(self, create_multipart_upload).key(key).set_checksum_algorithm(self.checksum.clone());
        let mut request = self.keeping.ask_in_parts(request, self.clock.now());
        if let Some(object) = object {
            request = request
                .content_type(object.content_type)
                .set_content_encoding(object.content_encoding.map(str::to_owned))
                .set_metadata(Some(object.facts.to_metadata().into_iter().collect()));
        }
        let action = format!("begin to store '{key}'");
        let begun =
            request.send().await.map_err(|error| self.place.explain(&action, Right::Write, &error))?;
        let id = begun.upload_id.ok_or_else(|| self.place.explain_cut(&action, "it names no upload"))?;
        Ok(Upload::new(key, id, object.map_or([0; 32], |object| object.facts.digest)))
    }

    /// Ends what was begun of this key before, by a run that was killed. Another daemon whose upload this
    /// ends finds out by its next part, and tries again.
    async fn end_uploads_of(&self, key: &str) -> Result<(), SinkError> {
        let listed = ask!(self, list_multipart_uploads).prefix(key).send().await;
        let listed = match listed {
            Ok(listed) => listed,
            // They may stay: a rule of the bucket ends them too. docs/s3.md tells of the right and the rule.
            Err(error) if matches!(status(&error), Some(403 | 405 | 501)) => {
                if status(&error) == Some(403) {
                    self.broken.tell(&self.place, "s3:ListBucketMultipartUploads on the bucket");
                }
                return Ok(());
            }
            Err(error) => {
                return Err(self.place.explain(&format!("look for parts of '{key}'"), Right::List, &error));
            }
        };
        for begun in listed.uploads().iter().filter(|begun| begun.key() == Some(key)) {
            if let Some(id) = begun.upload_id() {
                self.end(&Upload::new(key, id.to_owned(), [0; 32])).await;
            }
        }
        Ok(())
    }

    /// Sends the parts that have not arrived. After one that fails no other is begun; those on their way arrive.
    async fn send_parts(&self, upload: &Upload, bytes: &Bytes, pace: Option<&Pace>) -> Result<(), SinkError> {
        let size = self.part_bytes.max(bytes.len().div_ceil(PARTS_MAX));
        let parts = (0..bytes.len()).step_by(size).zip(1..);
        let missing = parts.filter(|(_, number)| !upload.has(*number)).enumerate();
        // What does not leave now need not be waited for by what comes next.
        let unsent = AtomicUsize::new(bytes.len());
        let failure = OnceLock::new();
        let failed = &failure;
        let send = async |(before, (start, number)): (usize, (usize, i32))| {
            let part = bytes.slice(start..bytes.len().min(start + size));
            // Behind those that are sent now: the time of those that arrived before is not waited for again.
            let pace = pace.map(|pace| pace.behind(before * size));
            if failed.get().is_some() {
                return;
            }
            unsent.fetch_sub(part.len(), Ordering::Relaxed);
            if let Err(error) = self.send_part(upload, number, part, pace).await {
                failed.get_or_init(|| error);
            }
        };
        // At a pace, a part that begins before its turn would only keep a connection waiting.
        let at_once = if pace.is_some() { 1 } else { PARTS_AT_ONCE };
        futures_util::stream::iter(missing).for_each_concurrent(at_once, send).await;
        if let Some(pace) = pace {
            pace.spare(unsent.load(Ordering::Relaxed));
        }
        failure.into_inner().map_or(Ok(()), Err)
    }

    async fn send_part(
        &self,
        upload: &Upload,
        number: i32,
        bytes: Bytes,
        pace: Option<Pace>,
    ) -> Result<(), SinkError> {
        let paced = pace.as_ref().map_or(Duration::ZERO, |pace| pace.left_for(bytes.len()));
        let patience = Config::builder().timeout_config(self.timeouts.of_put(bytes.len(), paced));
        let request = ask!(self, upload_part)
            .key(&upload.key)
            .upload_id(&upload.id)
            .part_number(number)
            .set_checksum_algorithm(self.checksum.clone())
            .body(bytes.clone().into());
        let request = request.customize().interceptor(Echo::default()).config_override(patience);
        let request = match pace {
            Some(pace) => request.interceptor(Paced { bytes, pace }),
            None => request,
        };
        let sent = request.send().await;
        let sent = sent.map_err(|error| {
            // Nobody sees it before the parts are put together.
            if is_damage(&error) {
                return self.place.explain_cut(&upload.action(), "a part arrived damaged");
            }
            self.explain(upload, &error)
        })?;
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_sha256(sent.checksum_sha256);
        upload.lock().insert(number, part.build());
        Ok(())
    }

    async fn put_together(&self, upload: &Upload, bytes: &Bytes) -> Result<PutOutcome, SinkError> {
        let whole = (self.checksum == Some(ChecksumAlgorithm::Crc64Nvme)).then(|| crc64nvme(bytes));
        let parts = upload.lock().values().cloned().collect();
        let request = ask!(self, complete_multipart_upload)
            .key(&upload.key)
            .upload_id(&upload.id)
            .if_none_match("*")
            .set_checksum_crc64_nvme(whole.clone())
            .mpu_object_size(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        match request.send().await {
            Ok(stored) => self.check_whole(whole, stored),
            // A server that begins its answer before it knows the end says 200, and that in the body.
            Err(error) if status(&error) == Some(412) || error.code() == Some("PreconditionFailed") => {
                Ok(PutOutcome::Exists)
            }
            Err(error) => Err(self.explain(upload, &error)),
        }
    }

    /// What the server says that it put together must be what was sent.
    fn check_whole(
        &self,
        sent: Option<String>,
        stored: CompleteMultipartUploadOutput,
    ) -> Result<PutOutcome, SinkError> {
        match (sent, stored.checksum_crc64_nvme) {
            (Some(sent), Some(stored)) if sent != stored => {
                let header = "x-amz-checksum-crc64nvme";
                let error = CheckError::Damaged { header, sent, stored }.into_sink_error();
                Err(self.damage.get_or_init(|| error).clone())
            }
            _ => Ok(PutOutcome::Stored),
        }
    }

    /// Lets the server forget its parts. Where that fails they stay for the next upload of this key to end, or
    /// for a rule of the bucket.
    async fn end(&self, upload: &Upload) {
        let ended = ask!(self, abort_multipart_upload).key(&upload.key).upload_id(&upload.id).send().await;
        if let Err(error) = ended {
            if status(&error) == Some(403) {
                self.broken.tell(&self.place, "s3:AbortMultipartUpload below the prefix");
            }
            let error = self.explain(upload, &error);
            tracing::debug!(key = upload.key, %error, "parts of an object are left");
        }
    }

    fn explain<E>(&self, upload: &Upload, error: &SdkError<E, HttpResponse>) -> SinkError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        if error.code() == Some(NO_SUCH_UPLOAD) {
            upload.is_gone.store(true, Ordering::Relaxed);
        }
        self.place.explain(&upload.action(), Right::Write, error)
    }
}

impl Upload {
    fn new(key: &str, id: String, digest: [u8; 32]) -> Self {
        let (arrived, is_gone) = (Mutex::default(), AtomicBool::new(false));
        Self { key: key.to_owned(), id, digest, arrived, is_gone }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, CompletedPart>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, number: i32) -> bool {
        self.lock().contains_key(&number)
    }

    fn action(&self) -> String {
        format!("store '{}' in parts", self.key)
    }
}

fn crc64nvme(bytes: &[u8]) -> String {
    let mut checksum = Algorithm::Crc64Nvme.into_impl();
    checksum.update(bytes);
    let mut text = String::new();
    base64::push(&mut text, &checksum.finalize());
    text
}
