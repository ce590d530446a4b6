//! How buckets of Google Cloud Storage and containers of Azure are reached. Known in every build, so that one
//! without them can say so.

use std::path::PathBuf;
use std::time::Duration;

use super::{Form, InvalidSettings, split};
use crate::secret::Secret;

const GCS: Form = Form { place: "bucket", url: "gs://bucket/prefix", section: "[sink.gcs]" };
const AZURE: Form = Form { place: "container", url: "az://container/prefix", section: "[sink.azure]" };

/// What hosts of Azure's public cloud end in; national clouds have others.
const AZURE_SUFFIX: &str = "core.windows.net";

/// How a bucket or container is reached, whichever cloud it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Name of the bucket or container.
    pub bucket: String,
    /// What all keys start with, without slashes at its ends; empty for none.
    pub prefix: String,
    /// URL of the server; `None` for the cloud's own.
    pub endpoint: Option<String>,
    /// Allows plain HTTP to another machine.
    pub allow_http: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer; a put has a second more for each 64 KiB of its object.
    pub request_timeout: Duration,
}

/// How a bucket of Google Cloud Storage is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcsSettings {
    /// Where it is.
    pub reach: Reach,
    /// Who we are.
    pub login: GcsLogin,
}

/// Who we are to Google.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GcsLogin {
    /// Whoever the application default credentials name: a file, or the machine.
    #[default]
    Default,
    /// The service account whose key is in this file.
    ServiceAccount(PathBuf),
    /// Nobody: for servers that ask for no credentials.
    Anonymous,
}

/// How a container of Azure Blob Storage is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureSettings {
    /// Where it is.
    pub reach: Reach,
    /// The storage account; `None` for that of the environment.
    pub account: Option<String>,
    /// Who we are.
    pub login: AzureLogin,
    /// Which of the machine's identities, where it has several.
    pub client_id: Option<String>,
}

/// Who we are to Azure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AzureLogin {
    /// Whoever the environment names: by a key, a signature, a workload's identity, or else the machine's.
    #[default]
    Usual,
    /// Whoever holds the account's key.
    Key(Secret),
    /// Whoever holds a shared access signature.
    Sas(Secret),
}

impl Reach {
    fn new(url: &str, place: &str, form: &Form) -> Result<Self, InvalidSettings> {
        let (bucket, prefix) = split(url, place, form)?;
        Ok(Self {
            bucket,
            prefix,
            endpoint: None,
            allow_http: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_mins(1),
        })
    }

    /// Whether keys of the one are keys of the other.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        (&self.endpoint, &self.bucket, &self.prefix) == (&other.endpoint, &other.bucket, &other.prefix)
    }

    /// Whether the one bears what the other bears.
    pub(super) fn is_same_server(&self, other: &Self) -> bool {
        (&self.endpoint, &self.bucket) == (&other.endpoint, &other.bucket)
    }

    fn describe(&self, scheme: &str) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.bucket, self.prefix)
    }
}

impl GcsSettings {
    /// Those of `place`, what stands behind `gs://` in `url`.
    pub(super) fn new(url: &str, place: &str) -> Result<Self, InvalidSettings> {
        check_built("gs://", "gcs", cfg!(feature = "gcs"))?;
        Ok(Self { reach: Reach::new(url, place, &GCS)?, login: GcsLogin::default() })
    }

    /// For messages.
    #[must_use]
    pub fn describe(&self) -> String {
        self.reach.describe("gs")
    }
}

impl AzureSettings {
    /// Those of `place`, what stands behind `az://` in `url`: `container/prefix`, or
    /// `container@account.dfs.core.windows.net/prefix`.
    pub(super) fn new(url: &str, place: &str) -> Result<Self, InvalidSettings> {
        check_built("az://", "azure", cfg!(feature = "azure"))?;
        let (place, host) = match place.split_once('@') {
            None => (place.to_owned(), None),
            Some((container, rest)) => {
                let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                (format!("{container}/{prefix}"), Some(host))
            }
        };
        let mut reach = Reach::new(url, &place, &AZURE)?;
        let mut account = None;
        if let Some(host) = host {
            let (name, suffix) = account_of(host).ok_or_else(|| {
                InvalidSettings::new(format!(
                    "sink url '{url}' names no account; use az://container/prefix with account in [sink.azure], or \
                     abfss://container@account.dfs.core.windows.net/prefix"
                ))
            })?;
            if suffix != AZURE_SUFFIX {
                reach.endpoint = Some(format!("https://{name}.blob.{suffix}"));
            }
            account = Some(name.to_owned());
        }
        Ok(Self { reach, account, login: AzureLogin::default(), client_id: None })
    }

    /// For messages.
    #[must_use]
    pub fn describe(&self) -> String {
        self.reach.describe("az")
    }
}

/// Account and suffix of `account.dfs.core.windows.net`.
fn account_of(host: &str) -> Option<(&str, &str)> {
    let (account, rest) = host.split_once('.')?;
    let suffix = rest.strip_prefix("dfs.").or_else(|| rest.strip_prefix("blob."))?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    (is_name(account) && is_name(suffix)).then_some((account, suffix))
}

/// What a build says of a URL of a cloud that it does not know.
pub(in crate::sink) fn built_without(scheme: &str, feature: &str) -> String {
    format!(
        "this livecosmos was built without {scheme}; build it with '--features {feature}', or use another sink"
    )
}

fn check_built(scheme: &str, feature: &str, is_built: bool) -> Result<(), InvalidSettings> {
    if is_built { Ok(()) } else { Err(InvalidSettings::new(built_without(scheme, feature))) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Settings;
    use super::*;

    fn parse(url: &str) -> Result<Settings, String> {
        Settings::parse(url, Path::new("/")).map_err(|error| error.to_string())
    }

    #[test]
    #[cfg(feature = "gcs")]
    fn a_bucket_of_google_has_two_schemes() {
        for url in ["gs://b/a/b/", "gcs://b/a/b"] {
            let Ok(Settings::Gcs(settings)) = parse(url) else { panic!("{url} is no bucket") };
            assert_eq!(settings.describe(), "gs://b/a/b");
            assert_eq!(settings.login, GcsLogin::Default);
        }
        for url in ["gs://", "gs:///p", "gs://b/../p", "gs://b//p", "gs://u:secret@b/p"] {
            let message = parse(url).unwrap_err();
            assert!(message.contains("gs://bucket/prefix") || message.contains("[sink.gcs]"), "{message}");
        }
    }

    #[test]
    #[cfg(feature = "azure")]
    fn a_container_is_named_alone_or_with_its_account() {
        let open = |url: &str| match parse(url) {
            Ok(Settings::Azure(settings)) => settings,
            other => panic!("{url}: {other:?}"),
        };
        for url in ["az://c/p", "azure://c/p/"] {
            assert_eq!((open(url).describe().as_str(), open(url).account.clone()), ("az://c/p", None));
        }
        for url in [
            "abfss://c@acc.dfs.core.windows.net/p",
            "abfs://c@acc.dfs.core.windows.net/p/",
            "az://c@acc.blob.core.windows.net/p",
        ] {
            let settings = open(url);
            assert_eq!(
                (settings.describe().as_str(), settings.account.as_deref()),
                ("az://c/p", Some("acc"))
            );
            assert_eq!(settings.reach.endpoint, None);
        }
        let china = open("abfss://c@acc.dfs.core.chinacloudapi.cn");
        assert_eq!(china.reach.endpoint.as_deref(), Some("https://acc.blob.core.chinacloudapi.cn"));
        for url in ["az://", "abfss://c@acc", "abfss://c@acc.example.org/p", "az://c@.dfs.core.windows.net/p"]
        {
            let message = parse(url).unwrap_err();
            assert!(message.contains("[sink.azure]"), "{message}");
        }
    }

    #[test]
    fn a_build_without_a_cloud_says_so() {
        let said = check_built("gs://", "gcs", false).unwrap_err().to_string();
        let expected =
            "this livecosmos was built without gs://; build it with '--features gcs', or use another sink";
        assert_eq!(said, expected);
        assert_eq!(parse("gs://b/p").is_ok(), cfg!(feature = "gcs"));
        assert_eq!(parse("az://c/p").is_ok(), cfg!(feature = "azure"));
    }
}
