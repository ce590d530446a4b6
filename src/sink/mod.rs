//! Where objects go: the contract every sink keeps.

#[cfg(any(feature = "azure", feature = "gcs"))]
pub mod cloud;
mod contents;
mod encrypted;
mod facts;
mod flow;
pub mod http;
mod key;
mod labels;
pub mod local;
pub mod memory;
pub mod mqtt;
mod pem;
mod retry_after;
pub mod s3;
mod schema_text;
mod settings;
pub mod stdout;
mod words;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use contents::{Contents, Day, DayCounts};
pub use facts::{Facts, FactsError, hex};
pub use flow::{Figures, Flow, FlowLimits, Flows, Outage, Pace, PacedBody, Passage, Waiter};
pub use schema_text::SchemaText;
pub use settings::{
    AzureLogin, AzureSettings, Checksum, GcsLogin, GcsSettings, InvalidSettings, Reach, S3Settings, Settings,
};

/// Slower than this, an object on its way is given up and begun again.
const BYTES_PER_S_MIN: u64 = 64 << 10;

/// How long so many bytes may be on their way, beside what a request without them takes.
fn longest_way(bytes: usize) -> Duration {
    Duration::from_secs(bytes as u64 / BYTES_PER_S_MIN)
}

/// Makes the sink that `settings` describe. Stores nothing; [`Sink::probe`] is the first to write.
///
/// # Errors
/// [`SinkError::Fatal`] where an endpoint cannot be used, a file cannot be read or no region is known.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Sink>, SinkError> {
    Ok(match settings {
        Settings::Local(folder) => Arc::new(local::LocalSink::new(folder.clone())),
        Settings::Memory => Arc::new(memory::MemorySink::new()),
        Settings::S3(settings) => Arc::new(s3::S3Sink::open(settings).await?),
        #[cfg(feature = "gcs")]
        Settings::Gcs(settings) => Arc::new(cloud::CloudSink::gcs(settings)?),
        #[cfg(feature = "azure")]
        Settings::Azure(settings) => Arc::new(cloud::CloudSink::azure(settings)?),
        #[cfg(not(feature = "gcs"))]
        Settings::Gcs(_) => return Err(SinkError::Fatal(settings::built_without("gs://", "gcs"))),
        #[cfg(not(feature = "azure"))]
        Settings::Azure(_) => return Err(SinkError::Fatal(settings::built_without("az://", "azure"))),
        Settings::Stdout => Arc::new(stdout::StdoutSink),
        Settings::Http(settings) => Arc::new(http::HttpSink::open(settings)?),
        Settings::Mqtt(settings) => Arc::new(mqtt::MqttSink::open(settings)?),
    })
}

/// Refuses a sink that gives nothing back, for `what` must read it.
///
/// # Errors
/// [`SinkError::Fatal`], which says so.
pub fn check_readable(sink: &dyn Sink, what: &str) -> Result<(), SinkError> {
    if sink.can_be_read() {
        return Ok(());
    }
    Err(SinkError::Fatal(format!(
        "{} takes rows and gives none back, and {what} has to read them; ask the receiver what it holds",
        sink.describe()
    )))
}

/// Stores objects, each once.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Stores `object` under `key` unless the key is taken.
    ///
    /// Returns only when the bytes are durable. [`PutOutcome::Exists`] says that the key is taken,
    /// by whomever; nothing is ever overwritten where [`Sink::probe`] answered
    /// [`Guard::CreateIfAbsent`]. A put whose fate is unknown (a lost reply) is an error of kind
    /// [`SinkError::Away`]: the next put of the same key tells. Where [`Object::pace`] says how fast its
    /// bytes may leave, they leave no faster, as far as the sink can see to that.
    ///
    /// # Errors
    /// [`SinkError::Retry`], [`SinkError::Away`] and [`SinkError::Busy`] are worth another try,
    /// [`SinkError::Refused`] is not, [`SinkError::Fatal`] and [`SinkError::Denied`] stop the table.
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError>;

    /// The facts of the object under `key`; `None` where there is none.
    ///
    /// # Errors
    /// As [`Sink::put`]; an object without readable facts is [`SinkError::Refused`].
    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError>;

    /// The object under `key`, as it is stored; `None` where there is none. Its facts are looked at
    /// before its bytes, so that of a foreign object nothing is held in memory.
    ///
    /// # Errors
    /// As [`Sink::head`]; bytes that the sink itself knows to be damaged are [`SinkError::Refused`].
    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError>;

    /// Keys that start with `prefix` and are not below `from`, in byte order, at most `keys_max`.
    ///
    /// # Errors
    /// As [`Sink::put`].
    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError>;

    /// Finds out, by trying it on a probe key, whether create-if-absent is honoured. From then on
    /// the sink looks before each put where it is not. Finds out too what is not kept of what each put asks for.
    ///
    /// # Errors
    /// As [`Sink::put`]; a bucket that does not exist is [`SinkError::Fatal`], and so is one that keeps no encryption
    /// or lock that is asked for.
    async fn probe(&self) -> Result<Probed, SinkError>;

    /// Whether what is stored can be listed and read back. An endpoint only takes: of an object it tells when
    /// that is put again, and then [`Sink::list`] and [`Sink::head`] know of it.
    fn can_be_read(&self) -> bool {
        true
    }

    /// The largest object that it takes, where it has said so; batches are cut to fit.
    fn object_bytes_max(&self) -> Option<usize> {
        None
    }

    /// Takes leave of the other end, where that wants to know. Nothing is put after it.
    async fn close(&self) {}

    /// For messages: scheme, host and path, never a secret.
    fn describe(&self) -> &str;
}

/// What trying a sink showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// What keeps two writers apart.
    pub guard: Guard,
    /// What the sink does not do as configured, and what could not be found out: for the operator, each with its
    /// remedy. Nothing is lost by it.
    pub notices: Vec<String>,
}

impl From<Guard> for Probed {
    fn from(guard: Guard) -> Self {
        Self { guard, notices: Vec::new() }
    }
}

/// What keeps two writers from storing one key twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The sink itself: it creates only what is absent.
    CreateIfAbsent,
    /// Only our look before each put: two simultaneous writers are not excluded.
    LookFirst,
    /// The receiver, if it honours the key that comes with each batch.
    Receiver,
}

/// Bytes with their description.
#[derive(Debug, Clone)]
pub struct Object {
    /// As stored: encoded and compressed.
    pub bytes: Bytes,
    /// Media type, such as `application/x-ndjson`.
    pub content_type: &'static str,
    /// `gzip` or `zstd`, where the bytes are.
    pub content_encoding: Option<&'static str>,
    /// What the object holds.
    pub facts: Arc<Facts>,
    /// How fast its bytes may leave; `None` for as fast as they can.
    pub pace: Option<Pace>,
}

/// How a put ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutOutcome {
    /// Ours is stored.
    Stored,
    /// The key is taken. [`Sink::head`] says by what.
    Exists,
}

/// Why a sink did not do as asked, by what follows from it. Messages name the sink and the key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SinkError {
    /// Worth another try, and of this request alone: another is under way, something vanished meanwhile.
    #[error("{0}")]
    Retry(String),
    /// Worth another try, and of the sink as a whole: unreachable, in trouble, reply lost.
    #[error("{0}")]
    Away(String),
    /// Worth another try, and the sink asks for fewer requests.
    #[error("{words}")]
    Busy {
        /// What it said.
        words: String,
        /// For so long it wants none at all.
        wait: Option<Duration>,
    },
    /// Worth another try, but not now: what is known of the sink ([`Flow`]) speaks against it.
    #[error("{words}")]
    Later {
        /// Why.
        words: String,
        /// Before that, it would be as useless; `None` where that is not known.
        wait: Option<Duration>,
    },
    /// This object is not taken, and another try would not change that.
    #[error("{0}")]
    Refused(String),
    /// Credentials are refused. Exit 77.
    #[error("{0}")]
    Denied(String),
    /// Nothing can be stored until the operator acts: no such bucket, wrong endpoint. Exit 78.
    #[error("{0}")]
    Fatal(String),
}

impl SinkError {
    /// Whether it passes by itself, sooner or later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Retry(_) | Self::Away(_) | Self::Busy { .. } | Self::Later { .. } => true,
            Self::Refused(_) | Self::Denied(_) | Self::Fatal(_) => false,
        }
    }

    /// Whether the same request may be made again soon.
    #[must_use]
    pub fn is_for_retry(&self) -> bool {
        self.is_passing() && !matches!(self, Self::Later { .. })
    }

    /// The same with `more` behind its words.
    #[must_use]
    pub fn adding(mut self, more: &str) -> Self {
        let words = match &mut self {
            Self::Retry(words)
            | Self::Away(words)
            | Self::Refused(words)
            | Self::Denied(words)
            | Self::Fatal(words)
            | Self::Busy { words, .. }
            | Self::Later { words, .. } => words,
        };
        words.push_str(more);
        self
    }
}
