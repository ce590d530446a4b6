//! What one table's configuration may say, key by key, as it is written. `config.example.toml` tells
//! each key's unit and default.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};
use toml::Spanned;

use super::column::RawColumn;
use super::units::{HumanDuration, HumanSize};

/// A table with the sections that hold for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTable {
    #[serde(default)]
    pub(crate) source: RawSource,
    #[serde(default)]
    pub(crate) sink: RawSink,
    #[serde(default)]
    pub(crate) upload: RawUpload,
    #[serde(default)]
    pub(crate) poll: RawPoll,
    pub(crate) site_column: Option<Spanned<String>>,
    pub(crate) site: Option<Spanned<String>>,
    pub(crate) sites: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) time_column: Option<Spanned<String>>,
    pub(crate) time_format: Option<Spanned<String>>,
    pub(crate) timezone: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) fold: RawFold,
    pub(crate) tie_column: Option<Spanned<String>>,
    pub(crate) null_values: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) columns: BTreeMap<Spanned<String>, RawColumn>,
}

/// Where rows come from.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [source]")]
pub(crate) struct RawSource {
    pub(crate) kind: Option<Spanned<SourceKind>>,
    pub(crate) path: Option<Spanned<String>>,
    pub(crate) delimiter: Option<Spanned<String>>,
    pub(crate) time_unit: Option<Spanned<RawTimeUnit>>,
    pub(crate) id: Option<Spanned<String>>,
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) user: Option<Spanned<String>>,
    pub(crate) password: Option<Spanned<String>>,
    pub(crate) password_file: Option<Spanned<String>>,
    pub(crate) password_credential: Option<Spanned<String>>,
    pub(crate) sites_query: Option<Spanned<String>>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) statement_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) statements_max: Option<Spanned<i64>>,
    pub(crate) dsn: Option<Spanned<String>>,
    pub(crate) driver: Option<Spanned<RawDriver>>,
    pub(crate) client: Option<Spanned<String>>,
}

/// Where objects go.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink]")]
pub(crate) struct RawSink {
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) bytes_per_second_max: Option<Spanned<HumanSize>>,
    pub(crate) requests_per_second_max: Option<Spanned<i64>>,
    #[serde(default)]
    pub(crate) s3: RawS3,
    #[serde(default)]
    pub(crate) gcs: RawGcs,
    #[serde(default)]
    pub(crate) azure: RawAzure,
    #[serde(default)]
    pub(crate) http: RawHttp,
    #[serde(default)]
    pub(crate) mqtt: RawMqtt,
}

/// How the S3 server is reached; read where `url` begins with `s3://`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink.s3]")]
pub(crate) struct RawS3 {
    pub(crate) endpoint: Option<Spanned<String>>,
    pub(crate) region: Option<Spanned<String>>,
    pub(crate) path_style: Option<bool>,
    pub(crate) profile: Option<Spanned<String>>,
    pub(crate) checksum: Option<Spanned<String>>,
    pub(crate) multipart_threshold: Option<Spanned<HumanSize>>,
    pub(crate) part_size: Option<Spanned<HumanSize>>,
    pub(crate) encryption: Option<Spanned<RawEncryption>>,
    pub(crate) kms_key: Option<Spanned<String>>,
    pub(crate) bucket_key: Option<Spanned<bool>>,
    pub(crate) storage_class: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(crate) lock_mode: Option<Spanned<RawLockMode>>,
    pub(crate) lock_for: Option<Spanned<HumanDuration>>,
    pub(crate) requester_pays: Option<bool>,
    pub(crate) bucket_owner: Option<Spanned<String>>,
    pub(crate) accelerate: Option<Spanned<bool>>,
    pub(crate) dual_stack: Option<Spanned<bool>>,
    pub(crate) ca: Option<Spanned<String>>,
    pub(crate) allow_http: Option<bool>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) request_timeout: Option<Spanned<HumanDuration>>,
}

/// Encryption by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RawEncryption {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
}

/// Who may lift a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawLockMode {
    #[serde(alias = "GOVERNANCE")]
    Governance,
    #[serde(alias = "COMPLIANCE")]
    Compliance,
}

/// How a bucket of Google Cloud Storage is reached; read where `url` begins with `gs://`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink.gcs]")]
pub(crate) struct RawGcs {
    pub(crate) service_account: Option<Spanned<String>>,
    pub(crate) anonymous: Option<bool>,
    pub(crate) endpoint: Option<Spanned<String>>,
    pub(crate) allow_http: Option<bool>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) request_timeout: Option<Spanned<HumanDuration>>,
}

/// How a container of Azure is reached; read where `url` begins with `az://`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink.azure]")]
pub(crate) struct RawAzure {
    pub(crate) account: Option<Spanned<String>>,
    pub(crate) key: Option<Spanned<String>>,
    pub(crate) key_file: Option<Spanned<String>>,
    pub(crate) key_credential: Option<Spanned<String>>,
    pub(crate) sas: Option<Spanned<String>>,
    pub(crate) sas_file: Option<Spanned<String>>,
    pub(crate) sas_credential: Option<Spanned<String>>,
    pub(crate) client_id: Option<Spanned<String>>,
    pub(crate) endpoint: Option<Spanned<String>>,
    pub(crate) allow_http: Option<bool>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) request_timeout: Option<Spanned<HumanDuration>>,
}

/// How an HTTP endpoint is reached; read where `url` begins with `https://`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink.http]")]
pub(crate) struct RawHttp {
    pub(crate) method: Option<RawMethod>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(crate) user: Option<Spanned<String>>,
    pub(crate) password: Option<Spanned<String>>,
    pub(crate) password_file: Option<Spanned<String>>,
    pub(crate) password_credential: Option<Spanned<String>>,
    pub(crate) bearer: Option<Spanned<String>>,
    pub(crate) bearer_file: Option<Spanned<String>>,
    pub(crate) bearer_credential: Option<Spanned<String>>,
    pub(crate) certificate: Option<Spanned<String>>,
    pub(crate) certificate_key: Option<Spanned<String>>,
    pub(crate) ca: Option<Spanned<String>>,
    pub(crate) allow_http: Option<bool>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) request_timeout: Option<Spanned<HumanDuration>>,
}

/// How an MQTT broker is reached; read where `url` begins with `mqtt`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [sink.mqtt]")]
pub(crate) struct RawMqtt {
    pub(crate) version: Option<Spanned<RawVersion>>,
    pub(crate) topic: Option<Spanned<String>>,
    pub(crate) client_id: Option<Spanned<String>>,
    pub(crate) facts: Option<Spanned<RawFacts>>,
    pub(crate) status_topic: Option<Spanned<String>>,
    pub(crate) packet_bytes_max: Option<Spanned<HumanSize>>,
    pub(crate) user: Option<Spanned<String>>,
    pub(crate) password: Option<Spanned<String>>,
    pub(crate) password_file: Option<Spanned<String>>,
    pub(crate) password_credential: Option<Spanned<String>>,
    pub(crate) certificate: Option<Spanned<String>>,
    pub(crate) certificate_key: Option<Spanned<String>>,
    pub(crate) ca: Option<Spanned<String>>,
    pub(crate) alpn: Option<Spanned<String>>,
    pub(crate) allow_plain: Option<bool>,
    pub(crate) keep_alive: Option<Spanned<HumanDuration>>,
    pub(crate) connect_timeout: Option<Spanned<HumanDuration>>,
    pub(crate) request_timeout: Option<Spanned<HumanDuration>>,
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RawVersion {
    #[serde(rename = "5", alias = "5.0")]
    V5,
    #[serde(rename = "3.1.1")]
    V311,
}

/// Where the facts of a batch go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawFacts {
    Properties,
    Line,
    None,
}

/// How a batch is sent.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) enum RawMethod {
    #[serde(rename = "POST", alias = "post")]
    Post,
    #[serde(rename = "PUT", alias = "put")]
    Put,
}

/// What objects look like, and how many are on their way.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [upload]")]
pub(crate) struct RawUpload {
    #[serde(default)]
    pub(crate) format: RawFormat,
    pub(crate) compression: Option<Spanned<RawCompression>>,
    pub(crate) batch_rows_max: Option<Spanned<i64>>,
    pub(crate) batch_bytes_max: Option<Spanned<HumanSize>>,
    pub(crate) in_flight_max: Option<Spanned<i64>>,
    pub(crate) memory_max: Option<Spanned<HumanSize>>,
    pub(crate) fill_share: Option<Spanned<f64>>,
    pub(crate) key: Option<Spanned<String>>,
}

/// When rows are looked for, and from when on.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table, such as [poll]")]
pub(crate) struct RawPoll {
    pub(crate) interval: Option<Spanned<HumanDuration>>,
    pub(crate) jitter: Option<Spanned<HumanDuration>>,
    pub(crate) fallback: Option<Spanned<String>>,
    pub(crate) drain: Option<Spanned<HumanDuration>>,
    pub(crate) future_tolerance: Option<Spanned<HumanDuration>>,
    pub(crate) quarantine_max: Option<Spanned<HumanSize>>,
    pub(crate) settle: Option<Spanned<HumanDuration>>,
    pub(crate) lookback: Option<Spanned<HumanDuration>>,
    pub(crate) updates: Option<Spanned<RawUpdates>>,
    pub(crate) catch_up_after: Option<Spanned<HumanDuration>>,
}

/// The kinds of source there are, and those that are known and still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SourceKind {
    Csv,
    Sqlite,
    #[serde(alias = "postgresql")]
    Postgres,
    #[serde(alias = "mariadb")]
    Mysql,
    Oracle,
}

/// Which of Oracle's drivers is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawDriver {
    Auto,
    Oci,
    Thin,
}

/// Unit of times that a database holds as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawTimeUnit {
    S,
    Ms,
    Us,
}

/// Spelling of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawFormat {
    #[default]
    Cr1000x,
    Ndjson,
    Json,
    Csv,
    Parquet,
}

/// Compression of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawCompression {
    #[default]
    None,
    Gzip,
    Zstd,
}

/// What becomes of rows that were changed after they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawUpdates {
    Send,
    Ignore,
}

/// Local times that a zone shows twice or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RawFold {
    #[default]
    Earlier,
    Later,
    Reject,
}

/// What the values of a column are, whatever they look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColumnKind {
    Text,
    Integer,
    Float,
    Boolean,
    Date,
    Timestamp,
    Timestamptz,
}

/// The section in which a key is at home, if there is one.
pub(crate) fn home_of(key: &str) -> Option<&'static str> {
    if knows::<RawSource>(key) {
        Some("[source]")
    } else if knows::<RawSink>(key) {
        Some("[sink]")
    } else if knows::<RawS3>(key) {
        Some("[sink.s3]")
    } else if knows::<RawGcs>(key) {
        Some("[sink.gcs]")
    } else if knows::<RawAzure>(key) {
        Some("[sink.azure]")
    } else if knows::<RawHttp>(key) {
        Some("[sink.http]")
    } else if knows::<RawMqtt>(key) {
        Some("[sink.mqtt]")
    } else if knows::<RawUpload>(key) {
        Some("[upload]")
    } else if knows::<RawPoll>(key) {
        Some("[poll]")
    } else {
        knows::<RawTable>(key).then_some("[tables.NAME]")
    }
}

/// Whether `T` has a field `key`: serde refuses an unknown one before it looks at its value.
fn knows<'de, T: Deserialize<'de>>(key: &'de str) -> bool {
    let only_key = MapDeserializer::<_, ValueError>::new(std::iter::once((key, ())));
    !T::deserialize(only_key).is_err_and(|error| error.to_string().starts_with("unknown field"))
}
