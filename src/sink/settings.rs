//! Where the objects go, as the configuration says it.

mod clouds;

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::http::HttpSettings;
use super::mqtt::MqttSettings;
use super::s3::Keeping;
#[cfg(not(all(feature = "azure", feature = "gcs")))]
pub(super) use clouds::built_without;
pub use clouds::{AzureLogin, AzureSettings, GcsLogin, GcsSettings, Reach};

/// Which sink, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// A folder, by its absolute path.
    Local(PathBuf),
    /// The memory of this process; gone when it ends.
    Memory,
    /// A bucket of S3 or of a server that speaks its protocol.
    S3(Box<S3Settings>),
    /// A bucket of Google Cloud Storage.
    Gcs(Box<GcsSettings>),
    /// A container of Azure Blob Storage.
    Azure(Box<AzureSettings>),
    /// An HTTP endpoint.
    Http(Box<HttpSettings>),
    /// An MQTT broker.
    Mqtt(Box<MqttSettings>),
    /// The output of this process.
    Stdout,
}

/// How a bucket is reached. Credentials are no part of it: they come from where every AWS tool finds
/// them (environment, shared files, web identity, container, instance).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the configuration")]
pub struct S3Settings {
    /// Name of the bucket.
    pub bucket: String,
    /// What all keys start with, without slashes at its ends; empty for none.
    pub prefix: String,
    /// URL of the server; `None` for AWS.
    pub endpoint: Option<String>,
    /// Region; `None` for that of the environment or the profile, and `us-east-1` with an endpoint.
    pub region: Option<String>,
    /// Bucket in the path instead of the host name; `None` for yes with an endpoint, no without.
    pub path_style: Option<bool>,
    /// Profile of the shared AWS files; `None` for `AWS_PROFILE` or `default`.
    pub profile: Option<String>,
    /// The checksum sent with each object.
    pub checksum: Checksum,
    /// Larger objects go in parts.
    pub multipart_threshold_bytes: usize,
    /// Size of a part, but the last.
    pub part_bytes: usize,
    /// How each object is kept.
    pub keeping: Keeping,
    /// Pays for each request itself, where the bucket's owner wants that.
    pub requester_pays: bool,
    /// The account that the bucket must belong to, by its number.
    pub bucket_owner: Option<String>,
    /// Goes by the nearest entrance of AWS's own network.
    pub accelerate: bool,
    /// Goes by names that have IPv6 addresses too.
    pub dual_stack: bool,
    /// A PEM file of the certificates by which the server's is checked; `None` for this machine's.
    pub ca: Option<PathBuf>,
    /// Allows plain HTTP to another machine.
    pub allow_http: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for one request and its answer; a put has a second more for each 64 KiB of its object.
    pub attempt_timeout: Duration,
    /// Longest wait for an operation: finding credentials, then the request; longer for a put, as above.
    pub operation_timeout: Duration,
}

/// The checksum that goes with an object, so that the server refuses what arrived damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checksum {
    /// CRC-64/NVME, which AWS prefers.
    #[default]
    Crc64Nvme,
    /// CRC-32.
    Crc32,
    /// SHA-256.
    Sha256,
    /// None but what the operation itself demands: for servers that refuse the others.
    WhenRequired,
}

/// A sink's URL or setting that cannot be used; the message quotes it and says what can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSettings(String);

impl InvalidSettings {
    /// What is wrong, and the remedy.
    pub(super) fn new(what: String) -> Self {
        Self(what)
    }
}

impl Settings {
    /// Whether an object of the one would meet an object of the other under the same key, however each is
    /// reached or kept.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::S3(one), Self::S3(other)) => {
                let place = |s3: &S3Settings| (s3.endpoint.clone(), s3.bucket.clone(), s3.prefix.clone());
                place(one) == place(other)
            }
            (Self::Gcs(one), Self::Gcs(other)) => one.reach.is_same_place(&other.reach),
            (Self::Azure(one), Self::Azure(other)) => {
                one.account == other.account && one.reach.is_same_place(&other.reach)
            }
            _ => self == other,
        }
    }

    /// Whether requests of the one and the other go to the same server: what it bears, it bears from both.
    #[must_use]
    pub fn is_same_server(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::S3(one), Self::S3(other)) => one.endpoint == other.endpoint && one.bucket == other.bucket,
            (Self::Gcs(one), Self::Gcs(other)) => one.reach.is_same_server(&other.reach),
            (Self::Azure(one), Self::Azure(other)) => {
                one.account == other.account && one.reach.endpoint == other.reach.endpoint
            }
            (Self::Http(one), Self::Http(other)) => one.origin().is_some() && one.origin() == other.origin(),
            (Self::Mqtt(one), Self::Mqtt(other)) => (&one.host, one.port) == (&other.host, other.port),
            _ => self == other,
        }
    }

    /// Reads a URL: `file:///absolute`, `file://./relative` to `base`, `s3://bucket/prefix`,
    /// `gs://bucket/prefix`, `az://container/prefix`, `https://host/path`, `mqtts://host:port`, `-` for stdout or
    /// `memory:`.
    ///
    /// The path of a `file` URL is taken as it is written: `%20` stays three characters. The settings of
    /// a bucket or an endpoint come with their defaults, for the caller to change.
    ///
    /// # Errors
    /// [`InvalidSettings`] says what is wrong with `url` and which forms there are.
    pub fn parse(url: &str, base: &Path) -> Result<Self, InvalidSettings> {
        if let Some(path) = url.strip_prefix("file://") {
            return local_folder(url, path, base).map(Self::Local);
        }
        let behind = |schemes: &[&str]| schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        if let Some(place) = behind(&["s3://"]) {
            return S3Settings::new(url, place).map(|settings| Self::S3(Box::new(settings)));
        }
        if let Some(place) = behind(&["gs://", "gcs://"]) {
            return GcsSettings::new(url, place).map(|settings| Self::Gcs(Box::new(settings)));
        }
        if let Some(place) = behind(&["az://", "azure://", "abfss://", "abfs://"]) {
            return AzureSettings::new(url, place).map(|settings| Self::Azure(Box::new(settings)));
        }
        if url.starts_with("https://") || url.starts_with("http://") {
            return HttpSettings::new(url).map(|settings| Self::Http(Box::new(settings)));
        }
        if url.starts_with("mqtts://") || url.starts_with("mqtt://") {
            return MqttSettings::new(url).map(|settings| Self::Mqtt(Box::new(settings)));
        }
        if url == super::stdout::URL {
            return Ok(Self::Stdout);
        }
        if matches!(url, "memory:" | "memory://") {
            return Ok(Self::Memory);
        }
        Err(InvalidSettings(format!(
            "sink url '{url}' is of no known kind; use file:///folder, file://./folder, s3://bucket/prefix, \
             gs://bucket/prefix, az://container/prefix, https://host/path, mqtts://host:8883, - for stdout or memory:"
        )))
    }
}

fn local_folder(url: &str, path: &str, base: &Path) -> Result<PathBuf, InvalidSettings> {
    let relative = path.starts_with("./") || path.starts_with("../") || matches!(path, "." | "..");
    if !relative && !path.starts_with('/') {
        return Err(InvalidSettings(format!(
            "sink url '{url}' names a host; use file:///{path} for an absolute folder or file://./{path} \
             for one beside the configuration"
        )));
    }
    // Joined by components, so that messages show no `/./`.
    let mut folder = PathBuf::new();
    base.join(path).components().filter(|part| *part != Component::CurDir).for_each(|part| folder.push(part));
    if folder.is_absolute() {
        return Ok(folder);
    }
    std::path::absolute(&folder).map_err(|error| {
        InvalidSettings(format!("sink url '{url}' starts at the current folder, which is gone: {error}"))
    })
}

/// How the URL of a bucket is written, for messages.
struct Form {
    /// `bucket`, `container`.
    place: &'static str,
    url: &'static str,
    /// Where everything else is set.
    section: &'static str,
}

/// Bucket and prefix of `place`, what stands behind the scheme of `url`.
fn split(url: &str, place: &str, form: &Form) -> Result<(String, String), InvalidSettings> {
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if bucket.is_empty() || bucket.len() > 255 || !bucket.bytes().all(letters) {
        return Err(InvalidSettings(format!(
            "sink url '{url}' names no {place}; use {}, with letters, digits, '.', '-' and '_' in the {place}'s name, \
             and {} for everything else",
            form.url,
            form.section,
            place = form.place,
        )));
    }
    let prefix = prefix.trim_end_matches('/');
    if !prefix.is_empty() && super::key::check(prefix).is_err() || prefix.contains(['?', '#']) {
        return Err(InvalidSettings(format!(
            "sink url '{url}' has a prefix that makes no key; use plain names with single slashes between them, and {} \
             for everything else",
            form.section
        )));
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

impl S3Settings {
    fn new(url: &str, place: &str) -> Result<Self, InvalidSettings> {
        let form = Form { place: "bucket", url: "s3://bucket/prefix", section: "[sink.s3]" };
        let (bucket, prefix) = split(url, place, &form)?;
        Ok(Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            path_style: None,
            profile: None,
            checksum: Checksum::default(),
            multipart_threshold_bytes: 32 << 20,
            part_bytes: 8 << 20,
            keeping: Keeping::default(),
            requester_pays: false,
            bucket_owner: None,
            accelerate: false,
            dual_stack: false,
            ca: None,
            allow_http: false,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_mins(1),
            operation_timeout: Duration::from_secs(90),
        })
    }
}

impl std::str::FromStr for Checksum {
    type Err = InvalidSettings;

    fn from_str(text: &str) -> Result<Self, InvalidSettings> {
        match text {
            "crc64nvme" => Ok(Self::Crc64Nvme),
            "crc32" => Ok(Self::Crc32),
            "sha256" => Ok(Self::Sha256),
            "when-required" => Ok(Self::WhenRequired),
            _ => Err(InvalidSettings(format!(
                "checksum '{text}' is not known; use crc64nvme, crc32, sha256 or when-required"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Settings, String> {
        Settings::parse(url, Path::new("/etc/livecosmos")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_folder_is_absolute_or_stands_beside_the_configuration() {
        assert_eq!(parse("file:///srv/my data%20/"), Ok(Settings::Local("/srv/my data%20".into())));
        assert_eq!(parse("file://./out"), Ok(Settings::Local("/etc/livecosmos/out".into())));
        assert_eq!(parse("file://."), Ok(Settings::Local("/etc/livecosmos".into())));
        assert_eq!(parse("file://../out"), Ok(Settings::Local("/etc/livecosmos/../out".into())));
    }

    #[test]
    fn a_folder_without_its_third_slash_is_explained() {
        let message = parse("file://srv/data").unwrap_err();
        assert!(message.contains("file:///srv/data") && message.contains("file://./srv/data"), "{message}");
    }

    #[test]
    fn a_bucket_has_a_prefix_or_none() {
        for (url, prefix) in [("s3://b", ""), ("s3://b/", ""), ("s3://b/a", "a"), ("s3://b/a/b/", "a/b")] {
            let Settings::S3(settings) = parse(url).unwrap() else { panic!("{url} is no bucket") };
            assert_eq!((settings.bucket.as_str(), settings.prefix.as_str()), ("b", prefix), "{url}");
        }
    }

    #[test]
    fn a_bucket_url_with_anything_else_in_it_is_refused() {
        for url in
            ["s3://", "s3:///p", "s3://key:secret@b/p", "s3://b/../p", "s3://b//p", "s3://b/p?region=x"]
        {
            assert!(parse(url).is_err(), "{url} was taken");
        }
    }

    #[test]
    fn an_unknown_kind_lists_the_known_ones() {
        for url in ["", "S3://b", "ftp://h/p", "/srv/data", "file:/srv", "memory"] {
            let message = parse(url).unwrap_err();
            assert!(message.contains("file:///") && message.contains("s3://") && message.contains("memory:"));
        }
    }

    #[test]
    fn memory_needs_no_path() {
        assert_eq!(parse("memory:"), Ok(Settings::Memory));
    }

    #[test]
    fn a_checksum_is_one_of_four() {
        assert_eq!("crc64nvme".parse(), Ok(Checksum::Crc64Nvme));
        assert_eq!("when-required".parse(), Ok(Checksum::WhenRequired));
        let error = "md5".parse::<Checksum>().unwrap_err().to_string();
        assert_eq!(error, "checksum 'md5' is not known; use crc64nvme, crc32, sha256 or when-required");
    }
}
