//! Whether a server keeps what each put asks of it. Some answer that all is well, and drop a header that they do not
//! know: where that was about encryption or a lock, nothing may be stored.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{self, ServerSideEncryption};

use super::S3Sink;
use super::error::status;
use super::keeping::{Encryption, Keeping, Lock, LockMode, StorageClass};
use super::rights::Right;
use crate::sink::SinkError;

/// What S3 itself tells of by telling nothing.
const USUAL_CLASS: &str = "STANDARD";

/// What is wrong with how an object is kept.
#[derive(Debug, PartialEq, Eq)]
enum Loss {
    /// An option, how the object is kept instead, and what a server must do for it.
    Dropped { option: String, instead: String, wanted: &'static str },
    /// What could not be looked at, and the right for it.
    Unseen { option: &'static str, right: &'static str },
    /// What an answer leaves open, and the answer.
    Unclear { option: &'static str, why: String },
}

/// What an answer says of something that is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Look<T> {
    Seen(T),
    Forbidden,
    /// It says something else.
    Unclear(String),
}

/// What a server answers that knows of no locks or tags, or an object that has none.
const NONE_OF_IT: [&str; 6] = [
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchTagSet",
    "InvalidRequest",
    "NotImplemented",
    "MethodNotAllowed",
];

impl S3Sink {
    /// Looks at the probe's object, as after a crash at any other, and says what it does not keep that each put asks
    /// for.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where that is encryption or a lock.
    pub(super) async fn not_kept(&self, full: &str) -> Result<Vec<String>, SinkError> {
        let found = match self.found(full).await? {
            Ok(found) => found,
            Err(why) => {
                return Ok(vec![format!("what became of a put could not be looked at: {why}")]);
            }
        };
        let Keeping { encryption, storage_class, tags, lock } = &self.keeping;
        let mut fatal: Vec<Loss> =
            encryption.as_ref().and_then(|asked| not_encrypted(asked, &found)).into_iter().collect();
        let mut borne: Vec<Loss> =
            storage_class.as_ref().and_then(|asked| not_classed(asked, &found)).into_iter().collect();
        if let Some(asked) = lock {
            match not_locked(asked, &self.lock_mode_of(full, &found).await?) {
                Some(Loss::Dropped { .. }) if self.has_lock_ended(asked, &found) => {
                    borne.push(Loss::Unclear {
                        option: "lock_mode",
                        why: format!(
                            "that of '{full}' has ended by now; remove it, and the next start tries again"
                        ),
                    });
                }
                Some(loss @ Loss::Dropped { .. }) => fatal.push(loss),
                loss => borne.extend(loss),
            }
        }
        if !tags.is_empty() {
            borne.extend(not_tagged(tags.len(), &self.tags_of(full, &found).await?));
        }
        if !fatal.is_empty() {
            let why: Vec<String> = fatal.iter().map(|loss| self.words(loss, full)).collect();
            return Err(SinkError::Fatal(why.join("; and ")));
        }
        Ok(borne.iter().map(|loss| self.words(loss, full)).collect())
    }

    /// What the server says of the object, or why that cannot be seen.
    async fn found(&self, full: &str) -> Result<Result<HeadObjectOutput, String>, SinkError> {
        let error = match self.head_request(full).send().await {
            Ok(found) => return Ok(Ok(found)),
            Err(error) => error,
        };
        let place = &self.place;
        match status(&error) {
            Some(404) => {
                return Ok(Err(format!(
                    "{place} says that '{full}' is taken, and that it is not there; check what stands before the server"
                )));
            }
            Some(status @ (405 | 501)) => {
                return Ok(Err(format!(
                    "{place} answers {status} to HEAD; check what stands before the server"
                )));
            }
            _ => {}
        }
        match self.place.explain(&format!("look at '{full}'"), Right::Read, &error) {
            SinkError::Denied(why) | SinkError::Refused(why) => Ok(Err(why)),
            error => Err(error),
        }
    }

    /// Whether the lock that the object was given when it was made has ended.
    fn has_lock_ended(&self, asked: &Lock, found: &HeadObjectOutput) -> bool {
        let for_s = i64::try_from(asked.lock_for.as_secs()).unwrap_or(i64::MAX);
        found
            .last_modified()
            .is_some_and(|made| made.secs().saturating_add(for_s) <= self.clock.now().seconds)
    }

    /// The mode of its lock. An answer to HEAD leaves it out also where it may not be seen.
    async fn lock_mode_of(
        &self,
        full: &str,
        found: &HeadObjectOutput,
    ) -> Result<Look<Option<String>>, SinkError> {
        if let (Some(mode), Some(_)) = (found.object_lock_mode(), found.object_lock_retain_until_date()) {
            return Ok(Look::Seen(Some(mode.as_str().to_owned())));
        }
        let asked = ask!(self, get_object_retention).key(full).send().await;
        let told = asked.map(|told| {
            let lock = told.retention?;
            lock.retain_until_date?;
            Some(lock.mode?.as_str().to_owned())
        });
        self.look(full, told)
    }

    /// How many tags it has; as [`S3Sink::lock_mode_of`].
    async fn tags_of(&self, full: &str, found: &HeadObjectOutput) -> Result<Look<usize>, SinkError> {
        if let Some(count) = found.tag_count() {
            return Ok(Look::Seen(usize::try_from(count).unwrap_or_default()));
        }
        let asked = ask!(self, get_object_tagging).key(full).send().await;
        self.look(full, asked.map(|told| told.tag_set.len()))
    }

    /// A server that knows of no such thing keeps none, and so does one that takes the question for another.
    fn look<T: Default, E>(
        &self,
        full: &str,
        told: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Look<T>, SinkError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match told {
            Ok(told) => Ok(Look::Seen(told)),
            Err(error)
                if matches!(status(&error), Some(200..=299 | 405 | 501))
                    || error.code().is_some_and(|code| NONE_OF_IT.contains(&code)) =>
            {
                Ok(Look::Seen(T::default()))
            }
            Err(error) => match self.place.explain(&format!("look at '{full}'"), Right::Read, &error) {
                SinkError::Denied(_) => Ok(Look::Forbidden),
                SinkError::Refused(why) | SinkError::Fatal(why) => Ok(Look::Unclear(why)),
                error => Err(error),
            },
        }
    }

    fn words(&self, loss: &Loss, full: &str) -> String {
        match loss {
            Loss::Dropped { option, instead, wanted } => format!(
                "{} took {option} and did not keep it: '{full}' {instead}; remove {} from [sink.s3], or use a server \
                 that {wanted} (if it has learnt to since, remove that object)",
                self.place,
                option.split(' ').next().unwrap_or(option)
            ),
            Loss::Unclear { option, why } => {
                format!("whether {} keeps {option} could not be looked at: {why}", self.place)
            }
            Loss::Unseen { option, right } => format!(
                "whether {} keeps {option} could not be looked at: give the credentials {right} below the prefix",
                self.place
            ),
        }
    }
}

fn not_encrypted(asked: &Encryption, found: &HeadObjectOutput) -> Option<Loss> {
    let by = found.server_side_encryption().map(ServerSideEncryption::as_str);
    let key = found.ssekms_key_id();
    let (name, is_kept) = match asked {
        // What the bucket encrypts better than asked is encrypted.
        Encryption::Aes256 => ("AES256", by.is_some()),
        Encryption::Kms { key: asked, .. } => {
            let is_by_key = asked.as_deref().zip(key).is_none_or(|(asked, key)| is_same_key(asked, key));
            ("aws:kms", by.is_some_and(|by| by.starts_with("aws:kms")) && is_by_key)
        }
    };
    let instead = match (by, key) {
        (None, _) => "is not encrypted".to_owned(),
        (Some(by), None) => format!("is encrypted by {by}"),
        (Some(by), Some(key)) => format!("is encrypted by {by} with the key {key}"),
    };
    let option = format!("encryption = \"{name}\"");
    (!is_kept).then_some(Loss::Dropped { option, instead, wanted: "encrypts by it" })
}

/// A key is asked for by its id or its ARN, of which that is the end, and told by either. What an alias stands for
/// cannot be compared.
fn is_same_key(asked: &str, told: &str) -> bool {
    asked.contains("alias/") || told.ends_with(asked) || asked.ends_with(told)
}

/// A rule of the bucket may have moved it on since, and moves nothing into the usual class.
fn not_classed(StorageClass(asked): &StorageClass, found: &HeadObjectOutput) -> Option<Loss> {
    let class = found.storage_class().map_or(USUAL_CLASS, types::StorageClass::as_str);
    let is_dropped = class == USUAL_CLASS && asked != USUAL_CLASS;
    is_dropped.then(|| Loss::Dropped {
        option: format!("storage_class = \"{asked}\""),
        instead: "is in the usual one".to_owned(),
        wanted: "has it",
    })
}

fn not_locked(asked: &Lock, told: &Look<Option<String>>) -> Option<Loss> {
    let mode = match asked.mode {
        LockMode::Governance => "GOVERNANCE",
        LockMode::Compliance => "COMPLIANCE",
    };
    let instead = match told {
        Look::Forbidden => {
            return Some(Loss::Unseen { option: "lock_mode", right: "s3:GetObjectRetention" });
        }
        Look::Unclear(why) => return Some(Loss::Unclear { option: "lock_mode", why: why.clone() }),
        // What nobody may lift is locked better than asked.
        Look::Seen(Some(told)) if told == mode || told == "COMPLIANCE" => return None,
        Look::Seen(Some(told)) => format!("has a lock of mode {told}"),
        Look::Seen(None) => "has no lock".to_owned(),
    };
    let option = format!("lock_mode = \"{}\"", mode.to_ascii_lowercase());
    Some(Loss::Dropped { option, instead, wanted: "locks objects, with a bucket made for it" })
}

fn not_tagged(asked: usize, told: &Look<usize>) -> Option<Loss> {
    match told {
        Look::Forbidden => Some(Loss::Unseen { option: "tags", right: "s3:GetObjectTagging" }),
        Look::Unclear(why) => Some(Loss::Unclear { option: "tags", why: why.clone() }),
        Look::Seen(told) => (*told < asked).then(|| Loss::Dropped {
            option: "tags".to_owned(),
            instead: format!("has {told} of {asked}"),
            wanted: "keeps them",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(by: Option<&str>, key: Option<&str>) -> HeadObjectOutput {
        HeadObjectOutput::builder()
            .set_server_side_encryption(by.map(ServerSideEncryption::from))
            .set_ssekms_key_id(key.map(str::to_owned))
            .build()
    }

    #[test]
    fn encryption_that_is_as_good_as_asked_is_kept() {
        let arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd";
        let kms = |key: Option<&str>| Encryption::Kms { key: key.map(str::to_owned), bucket_key: None };
        let cases = [
            (Encryption::Aes256, Some("AES256"), None, true),
            (Encryption::Aes256, Some("aws:kms"), Some(arn), true),
            (Encryption::Aes256, None, None, false),
            (kms(None), Some("aws:kms"), Some(arn), true),
            (kms(None), Some("aws:kms:dsse"), Some(arn), true),
            (kms(None), Some("AES256"), None, false),
            (kms(Some("1234abcd")), Some("aws:kms"), Some(arn), true),
            (kms(Some(arn)), Some("aws:kms"), Some("1234abcd"), true),
            (kms(Some("alias/mine")), Some("aws:kms"), Some(arn), true),
            (kms(Some("5678")), Some("aws:kms"), Some(arn), false),
            (kms(Some("5678")), None, None, false),
        ];
        for (asked, by, key, is_kept) in cases {
            assert_eq!(
                not_encrypted(&asked, &encrypted(by, key)).is_none(),
                is_kept,
                "{asked:?} {by:?} {key:?}"
            );
        }
    }

    #[test]
    fn a_class_is_dropped_where_the_usual_one_was_given_and_not_where_a_rule_moved_it_on() {
        let class = |name: &str| StorageClass::parse(name, false).expect("one of AWS's");
        let of = |name: Option<&str>| {
            HeadObjectOutput::builder().set_storage_class(name.map(types::StorageClass::from)).build()
        };
        for (asked, told, is_kept) in [
            ("STANDARD_IA", Some("STANDARD_IA"), true),
            ("STANDARD_IA", Some("GLACIER"), true),
            ("STANDARD_IA", Some("STANDARD"), false),
            ("STANDARD_IA", None, false),
            ("STANDARD", None, true),
        ] {
            assert_eq!(not_classed(&class(asked), &of(told)).is_none(), is_kept, "{asked} {told:?}");
        }
    }
}
