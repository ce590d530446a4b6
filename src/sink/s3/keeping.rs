//! How the server is to keep each object: encrypted by which key, in which class of storage, tagged, locked.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{self, ObjectLockMode, ServerSideEncryption};
use livecosmos_state::Time;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::clock::shift;
use crate::sink::key::PROBE;
use crate::sink::{InvalidSettings, hex};

/// S3 takes no more on one object.
const TAGS_MAX: usize = 10;
const TAG_NAME_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;
/// What S3 allows in a tag beside letters, digits and spaces.
const TAG_SIGNS: &str = "+-=._:/@";
/// Tags travel as the query of a URL does; unreserved signs stay (RFC 3986).
const TAG_ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The classes of AWS whose objects can be read at once.
const CLASSES: [&str; 6] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"];
/// Those whose objects cannot be read before somebody restores them.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
const CLASS_BYTES_MAX: usize = 64;

/// What is asked for with each put; by default nothing, so that the bucket's own rules decide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keeping {
    /// The server's encryption.
    pub encryption: Option<Encryption>,
    /// The class of storage.
    pub storage_class: Option<StorageClass>,
    /// The object's tags.
    pub tags: Tags,
    /// For how long nobody may remove it.
    pub lock: Option<Lock>,
}

/// Encryption by the server, on its disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// By a key of S3's own.
    Aes256,
    /// By a key of the key management service.
    Kms {
        /// Id or ARN of that key; `None` for the account's own for S3.
        key: Option<String>,
        /// Whether one key serves many objects of the bucket; `None` as the bucket has it.
        bucket_key: Option<bool>,
    },
}

/// A class of storage whose objects can be read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClass(pub(super) String);

/// Names and values that mark an object: at most ten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(BTreeMap<String, String>);

/// A lock that the server keeps on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// Who may lift it.
    pub mode: LockMode,
    /// For how long it holds, from the put on.
    pub lock_for: Duration,
}

/// Who may lift a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Those with a right of its own.
    Governance,
    /// Nobody.
    Compliance,
}

/// Two requests of the SDK say how an object is kept, in the same words and by different types.
macro_rules! asks {
    ($(#[$doc:meta])* $name:ident, $request:ty) => {
        $(#[$doc])*
        pub(super) fn $name(&self, put: $request, now: Time) -> $request {
            let class = self.storage_class.as_ref().map(|class| types::StorageClass::from(class.0.as_str()));
            let put = put.set_storage_class(class).set_tagging(self.tags.header());
            let put = match &self.encryption {
                None => put,
                Some(Encryption::Aes256) => put.server_side_encryption(ServerSideEncryption::Aes256),
                Some(Encryption::Kms { key, bucket_key }) => put
                    .server_side_encryption(ServerSideEncryption::AwsKms)
                    .set_ssekms_key_id(key.clone())
                    .set_bucket_key_enabled(*bucket_key),
            };
            match self.lock {
                None => put,
                Some(lock) => {
                    put.object_lock_mode(lock.mode.into()).object_lock_retain_until_date(lock.end(now))
                }
            }
        }
    };
}

impl Keeping {
    asks!(
        /// The same put, with everything that is asked for.
        ask,
        PutObjectFluentBuilder
    );
    asks!(
        /// The same of an object that goes in parts.
        ask_in_parts,
        CreateMultipartUploadFluentBuilder
    );

    /// The key of the probe's object, after the prefix: one for each kind of asking, since an object that is there
    /// already keeps what it was asked to when it was made.
    pub(super) fn probe_key(&self) -> String {
        if *self == Self::default() {
            return PROBE.to_owned();
        }
        let Self { encryption, storage_class, tags, lock } = self;
        // Values of tags and how long a lock holds are left out, or each table and each change made another object.
        let names: Vec<&String> = tags.0.keys().collect();
        let kind = format!("{encryption:?} {storage_class:?} {names:?} {:?}", lock.map(|lock| lock.mode));
        format!("{PROBE}-{}", hex(&digest(&SHA256, kind.as_bytes()).as_ref()[..4]))
    }
}

impl StorageClass {
    /// Takes one of AWS's names, or with `is_elsewhere` any name: other servers have their own.
    ///
    /// # Errors
    /// [`InvalidSettings`] where there is no such class, or its objects cannot be read back.
    pub fn parse(name: &str, is_elsewhere: bool) -> Result<Self, InvalidSettings> {
        if ARCHIVES.contains(&name) {
            return Err(InvalidSettings::new(format!(
                "objects of storage_class '{name}' cannot be read back, and after a crash they must be; use \
                 GLACIER_IR, or let a lifecycle rule of the bucket move them after some weeks"
            )));
        }
        let is_name = !name.is_empty()
            && name.len() <= CLASS_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if CLASSES.contains(&name) || (is_elsewhere && is_name) {
            return Ok(Self(name.to_owned()));
        }
        Err(InvalidSettings::new(format!(
            "storage_class '{name}' is not known; use {}, or with an endpoint a name that its server knows",
            CLASSES.join(", ")
        )))
    }
}

impl Tags {
    /// Adds a tag.
    ///
    /// # Errors
    /// [`InvalidSettings`] where S3 would refuse it.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), InvalidSettings> {
        let refused = |what: String| Err(InvalidSettings::new(what));
        let fits = |text: &str| {
            text.chars().all(|letter| letter.is_alphanumeric() || letter == ' ' || TAG_SIGNS.contains(letter))
        };
        if self.0.len() == TAGS_MAX {
            return refused(format!("'{name}' is one tag too many; S3 takes {TAGS_MAX}"));
        }
        if name.is_empty() || name.chars().count() > TAG_NAME_CHARS_MAX {
            return refused(format!("'{name}' names no tag; use 1 to {TAG_NAME_CHARS_MAX} characters"));
        }
        if name.to_ascii_lowercase().starts_with("aws:") {
            return refused(format!("tag '{name}' is one of AWS's own; choose another name"));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            return refused(format!(
                "tag '{name}' is too long; use at most {TAG_VALUE_CHARS_MAX} characters"
            ));
        }
        if !fits(name) || !fits(value) {
            return refused(format!(
                "tag '{name}' has a sign that S3 does not take; use letters, digits, spaces and {TAG_SIGNS}"
            ));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn header(&self) -> Option<String> {
        let escaped = |text| utf8_percent_encode(text, TAG_ESCAPED);
        let pairs = self.0.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        let pairs: Vec<String> = pairs.collect();
        (!pairs.is_empty()).then(|| pairs.join("&"))
    }
}

impl Lock {
    fn end(self, now: Time) -> DateTime {
        let seconds = i64::try_from(self.lock_for.as_secs()).unwrap_or(i64::MAX);
        DateTime::from_secs(shift(now, seconds).seconds)
    }
}

impl From<LockMode> for ObjectLockMode {
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Governance => Self::Governance,
            LockMode::Compliance => Self::Compliance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_travel_as_a_query_does() {
        let mut tags = Tags::default();
        assert_eq!(tags.header(), None);
        tags.add("a b", "x=1+2/ü@").expect("S3 takes it");
        tags.add("empty", "").expect("S3 takes it");
        assert_eq!(tags.header().expect("two tags"), "a%20b=x%3D1%2B2%2F%C3%BC%40&empty=");
    }

    #[test]
    fn a_tag_that_s3_would_refuse_is_refused_before() {
        let refusal = |name: &str, value: &str| Tags::default().add(name, value).unwrap_err().to_string();
        assert!(refusal("", "x").contains("names no tag"));
        assert!(refusal(&"n".repeat(129), "x").contains("names no tag"));
        assert!(refusal("AWS:x", "x").contains("AWS's own"));
        assert!(refusal("a", &"v".repeat(257)).contains("too long"));
        assert!(refusal("a", "1&b=2").contains("sign that S3 does not take"));
        let mut tags = Tags::default();
        for number in 0..10 {
            tags.add(&number.to_string(), "").expect("S3 takes ten");
        }
        assert!(tags.add("eleventh", "").unwrap_err().to_string().contains("one tag too many"));
    }

    #[test]
    fn a_class_can_be_read_back_and_is_known_to_its_server() {
        assert!(StorageClass::parse("GLACIER_IR", false).is_ok());
        assert!(StorageClass::parse("COLD-1", true).is_ok());
        for (name, is_elsewhere) in
            [("GLACIER", false), ("DEEP_ARCHIVE", true), ("COLD", false), ("a b", true)]
        {
            assert!(StorageClass::parse(name, is_elsewhere).is_err(), "{name}");
        }
    }

    #[test]
    fn a_lock_ends_so_long_after_the_put() {
        let lock = Lock { mode: LockMode::Compliance, lock_for: Duration::from_hours(24) };
        let now = Time::new(1_735_689_600, 999_999_999).expect("a time of 2025");
        assert_eq!(lock.end(now), DateTime::from_secs(1_735_776_000));
    }
}
