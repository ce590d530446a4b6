//! What the credentials must be allowed, by request.

use std::fmt::Write as _;

use super::keeping::Encryption;
use crate::sink::settings::S3Settings;

/// The kind of a request, by the right that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// To list keys; S3 also asks for it where an object is looked at that is not there.
    List,
    /// To read an object, or its facts.
    Read,
    /// To store an object.
    Write,
}

/// What to allow where a right is missing.
#[derive(Debug, Clone)]
pub(super) struct Rights {
    write: String,
    read: String,
    list: String,
}

impl Rights {
    pub(super) fn new(settings: &S3Settings) -> Self {
        let keeping = &settings.keeping;
        let mut write = "give the credentials s3:PutObject".to_owned();
        for (right, is_needed) in [
            ("s3:PutObjectTagging", !keeping.tags.is_empty()),
            ("s3:PutObjectRetention", keeping.lock.is_some()),
        ] {
            if is_needed {
                write.push_str(" and ");
                write.push_str(right);
            }
        }
        write.push_str(" below the prefix");
        let mut read = "give the credentials s3:GetObject below the prefix".to_owned();
        match &keeping.encryption {
            Some(Encryption::Kms { .. }) => {
                write.push_str(" and kms:GenerateDataKey and kms:Decrypt on the key");
                read.push_str(" and kms:Decrypt on the key");
            }
            Some(Encryption::Aes256) => {}
            None => {
                write.push_str(", or set encryption in [sink.s3] if the bucket's policy demands that");
            }
        }
        read.push_str(
            ", and s3:ListBucket on the bucket, without which S3 answers 403 where there is no such key or bucket",
        );
        let mut list =
            "give the credentials s3:ListBucket on the bucket, without which S3 answers 403 where there \
                        is no such key, and nothing can be looked up after a crash"
                .to_owned();
        if let Some(owner) = &settings.bucket_owner {
            for remedy in [&mut write, &mut read, &mut list] {
                // Writing to a String does not fail.
                let _ = write!(remedy, ", or correct bucket_owner if the bucket is not account {owner}'s");
            }
        }
        Self { write, read, list }
    }

    /// What to do where a request of this kind is refused.
    pub(super) fn remedy(&self, right: Right) -> &str {
        match right {
            Right::List => &self.list,
            Right::Read => &self.read,
            Right::Write => &self.write,
        }
    }
}
