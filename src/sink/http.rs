//! An HTTP endpoint that takes batches: one request a batch.
//!
//! An endpoint cannot be asked what it holds. What keeps a row from landing twice is in each request: the
//! `Idempotency-Key`, which chain and seq decide, and the object's facts. A receiver that honours them
//! stores a key once, answers a repetition as it answered the first, and says with 409 what it holds
//! instead, where that is another batch: `docs/http-endpoint.md` is the contract. What it says is kept in
//! `Told`, from which [`Sink::list`] and [`Sink::head`] answer, so that the uploader adopts it (I5) as it
//! adopts an object.
//!
//! As with every sink there is one attempt per call; retries are the uploader's.

mod answer;
mod client;
mod settings;
mod told;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::StatusCode;

use super::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError, key};
use answer::{Answer, Verdict};
use client::Client;
pub use settings::{HttpSettings, Login, Method};
use told::Told;

/// How often a request follows a redirect.
const REDIRECTS_MAX: usize = 3;

/// An endpoint.
#[derive(Debug)]
pub struct HttpSink {
    client: Client,
    told: Told,
}

impl HttpSink {
    /// Reads certificates; sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where a file cannot be read or the URL cannot be used.
    pub fn open(settings: &HttpSettings) -> Result<Self, SinkError> {
        Ok(Self { client: Client::new(settings)?, told: Told::default() })
    }

    /// The answer to `object`, behind redirects within the same server.
    async fn send(&self, key: &str, object: &Object) -> Result<Answer, SinkError> {
        let mut address = self.client.address(key);
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.client.store(&address, object).await?;
            match self.client.redirected(&address, &answer)? {
                Some(next) => address = next,
                None => return Ok(answer),
            }
        }
        Err(SinkError::Retry(format!(
            "{} redirects more than {REDIRECTS_MAX} times; set url to where it ends",
            self.describe()
        )))
    }
}

#[async_trait]
impl Sink for HttpSink {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        key::check(key)?;
        let answer = self.send(key, object).await?;
        match answer.verdict(self.describe()) {
            Verdict::Stored => Ok(PutOutcome::Stored),
            Verdict::Holds(facts) => {
                self.told.note(key, *facts);
                Ok(PutOutcome::Exists)
            }
            Verdict::Failed(error) => Err(error),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        Ok(self.told.facts(key))
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        Err(SinkError::Refused(format!(
            "{} takes objects and gives none back, '{key}' neither",
            self.describe()
        )))
    }

    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        Ok(self.told.keys(prefix, from, keys_max))
    }

    /// Asks with HEAD, whatever the answer, unless it refuses us: nothing is stored to find out.
    async fn probe(&self) -> Result<Probed, SinkError> {
        let answer = self.client.look().await?;
        // Some servers forbid a method that they do not know.
        match answer.denial(self.describe()).filter(|_| answer.status != StatusCode::FORBIDDEN) {
            Some(error) => Err(error),
            None => Ok(Guard::Receiver.into()),
        }
    }

    fn can_be_read(&self) -> bool {
        false
    }

    fn describe(&self) -> &str {
        self.client.describe()
    }
}
