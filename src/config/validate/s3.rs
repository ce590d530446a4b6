//! The `[sink.s3]` section.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::super::path::expand;
use super::super::raw::{RawEncryption, RawLockMode, RawS3};
use super::sink::TIMEOUT;
use super::{Check, Checked};
use crate::sink::s3::{Encryption, Keeping, Lock, LockMode, PART_BYTES_MIN, StorageClass, Tags};
use crate::sink::{Checksum, InvalidSettings, S3Settings};

/// Shorter, and a clock that is a little off would make it end before it begins.
const LOCK_FOR: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(36_500 * 24);
/// S3 takes no smaller part, and no larger object at once.
const PARTS: RangeInclusive<u64> = PART_BYTES_MIN as u64..=5 << 30;
/// The number of an account of AWS.
const ACCOUNT_DIGITS: usize = 12;

impl Check<'_> {
    pub(super) fn s3(&self, raw: &RawS3, settings: &mut S3Settings) -> Checked<()> {
        if let Some(checksum) = &raw.checksum {
            settings.checksum =
                checksum.get_ref().parse().map_err(|error: InvalidSettings| self.at(checksum, error))?;
        }
        settings.endpoint = self.endpoint(raw.endpoint.as_ref())?;
        settings.region = self.text(raw.region.as_ref(), "region")?;
        settings.profile = self.text(raw.profile.as_ref(), "profile")?;
        settings.path_style = raw.path_style;
        settings.allow_http = raw.allow_http.unwrap_or(false);
        settings.requester_pays = raw.requester_pays.unwrap_or(false);
        settings.bucket_owner = raw.bucket_owner.as_ref().map(|owner| self.account(owner)).transpose()?;
        settings.ca = raw.ca.as_ref().map(|ca| self.file(ca)).transpose()?;
        self.entrance(raw, settings)?;
        settings.multipart_threshold_bytes = self.size(
            raw.multipart_threshold.as_ref(),
            "multipart_threshold",
            &PARTS,
            settings.multipart_threshold_bytes,
        )?;
        settings.part_bytes = self.size(raw.part_size.as_ref(), "part_size", &PARTS, settings.part_bytes)?;
        settings.keeping = Keeping {
            encryption: self.encryption(raw)?,
            storage_class: self.storage_class(raw)?,
            tags: self.tags(raw)?,
            lock: self.lock(raw, settings.checksum)?,
        };
        let (connect, request) = (raw.connect_timeout.as_ref(), raw.request_timeout.as_ref());
        settings.connect_timeout =
            self.duration(connect, "connect_timeout", &TIMEOUT, settings.connect_timeout)?;
        settings.attempt_timeout =
            self.duration(request, "request_timeout", &TIMEOUT, settings.attempt_timeout)?;
        // What comes before the request, such as finding credentials, has half as long.
        settings.operation_timeout = settings.attempt_timeout * 3 / 2;
        Ok(())
    }

    /// By which of AWS's names the bucket is reached; of those only AWS itself has more than one.
    fn entrance(&self, raw: &RawS3, settings: &mut S3Settings) -> Checked<()> {
        let is_set = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| *flag.get_ref());
        (settings.accelerate, settings.dual_stack) = (is_set(&raw.accelerate), is_set(&raw.dual_stack));
        let named = [("accelerate", &raw.accelerate), ("dual_stack", &raw.dual_stack)];
        for (key, flag) in named.into_iter().filter_map(|(key, flag)| Some((key, flag.as_ref()?))) {
            if *flag.get_ref() && raw.endpoint.is_some() {
                let what = format!("{key} chooses among AWS's own addresses; remove it, or endpoint");
                return Err(self.at(flag, what));
            }
        }
        let Some(accelerate) = raw.accelerate.as_ref().filter(|flag| *flag.get_ref()) else { return Ok(()) };
        if raw.path_style == Some(true) {
            return Err(
                self.at(accelerate, "accelerate needs the bucket in the host name; remove it, or path_style")
            );
        }
        if settings.bucket.contains('.') {
            let what = format!(
                "accelerate does not work for bucket '{}', whose name has a dot; remove it, or rename the bucket",
                settings.bucket
            );
            return Err(self.at(accelerate, what));
        }
        Ok(())
    }

    fn encryption(&self, raw: &RawS3) -> Checked<Option<Encryption>> {
        let remedy = "needs encryption = \"aws:kms\"; set that, or remove it";
        let chosen = raw.encryption.as_ref().map(|encryption| *encryption.get_ref());
        if chosen == Some(RawEncryption::Kms) {
            let key = self.text(raw.kms_key.as_ref(), "kms_key")?;
            let bucket_key = raw.bucket_key.as_ref().map(|flag| *flag.get_ref());
            return Ok(Some(Encryption::Kms { key, bucket_key }));
        }
        if let Some(key) = &raw.kms_key {
            return Err(self.at(key, format!("kms_key {remedy}")));
        }
        if let Some(flag) = &raw.bucket_key {
            return Err(self.at(flag, format!("bucket_key {remedy}")));
        }
        Ok(chosen.map(|_| Encryption::Aes256))
    }

    fn storage_class(&self, raw: &RawS3) -> Checked<Option<StorageClass>> {
        let Some(class) = &raw.storage_class else { return Ok(None) };
        StorageClass::parse(class.get_ref(), raw.endpoint.is_some())
            .map(Some)
            .map_err(|error| self.at(class, error))
    }

    fn tags(&self, raw: &RawS3) -> Checked<Tags> {
        let mut tags = Tags::default();
        for (name, value) in &raw.tags {
            let expanded = expand(value.get_ref(), self.table).map_err(|error| self.at(value, error))?;
            tags.add(name.get_ref(), &expanded).map_err(|error| self.at(name, error))?;
        }
        Ok(tags)
    }

    fn lock(&self, raw: &RawS3, checksum: Checksum) -> Checked<Option<Lock>> {
        let (mode, lock_for) = match (&raw.lock_mode, &raw.lock_for) {
            (None, None) => return Ok(None),
            (Some(mode), Some(lock_for)) => (mode, lock_for),
            (Some(mode), None) => {
                return Err(
                    self.at(mode, "lock_mode does not say for how long; set lock_for, such as \"30d\"")
                );
            }
            (None, Some(lock_for)) => {
                let what = "lock_for does not say who may lift the lock; set lock_mode to \"governance\" or \"compliance\"";
                return Err(self.at(lock_for, what));
            }
        };
        if checksum == Checksum::WhenRequired {
            let what = "S3 locks no object that comes without a checksum; remove checksum = \"when-required\", or lock_mode";
            return Err(self.at(mode, what));
        }
        let lock_for = self.duration(Some(lock_for), "lock_for", &LOCK_FOR, *LOCK_FOR.start())?;
        let mode = match *mode.get_ref() {
            RawLockMode::Governance => LockMode::Governance,
            RawLockMode::Compliance => LockMode::Compliance,
        };
        Ok(Some(Lock { mode, lock_for }))
    }

    fn account(&self, owner: &Spanned<String>) -> Checked<String> {
        let number = owner.get_ref();
        if number.len() == ACCOUNT_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(number.clone());
        }
        Err(self.at(owner, format!("'{number}' is no account; write its {ACCOUNT_DIGITS} digits")))
    }
}
