//! Batches to stdout, for pipes: what is written counts as stored.

use std::io::{self, Write as _};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError};

/// Where it is said in a configuration.
pub const URL: &str = "-";

/// The output of this process.
#[derive(Debug, Default)]
pub struct StdoutSink;

#[async_trait]
impl Sink for StdoutSink {
    /// Whole batches: they do not mix.
    async fn put(&self, _: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let bytes = object.bytes.clone();
        // Whoever reads may be slow.
        let written = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&bytes)?;
            stdout.flush()
        });
        let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        match written {
            Ok(()) => Ok(PutOutcome::Stored),
            Err(error) => Err(SinkError::Fatal(format!(
                "nothing can be written to stdout ({error}); let whatever reads it live longer"
            ))),
        }
    }

    async fn head(&self, _: &str) -> Result<Option<Facts>, SinkError> {
        Ok(None)
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        Err(SinkError::Refused(format!("stdout gives nothing back, '{key}' neither")))
    }

    async fn list(&self, _: &str, _: &str, _: usize) -> Result<Vec<String>, SinkError> {
        Ok(Vec::new())
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        Ok(Guard::Receiver.into())
    }

    fn can_be_read(&self) -> bool {
        false
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the signature is the trait's")]
    fn describe(&self) -> &str {
        "stdout"
    }
}
