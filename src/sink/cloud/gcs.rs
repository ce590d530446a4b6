//! Google Cloud Storage.

use std::sync::Arc;

use object_store::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};

use super::CloudSink;
use super::client::{Connector, no_retry};
use super::labels::Labels;
use super::place::{Place, Words};
use super::trouble::root_of;
use crate::sink::SinkError;
use crate::sink::settings::{GcsLogin, GcsSettings};

const SECTION: &str = "sink.gcs";
/// Where the world's buckets are.
const ENDPOINT: &str = "https://storage.googleapis.com";
/// Names the file of the application default credentials, as for every tool of Google's.
const DEFAULT_CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";

static WORDS: Words = Words {
    bucket: "bucket",
    section: SECTION,
    credentials: "set service_account in [sink.gcs], or GOOGLE_APPLICATION_CREDENTIALS",
    list: "give the account storage.objects.list on the bucket, without which nothing can be looked up after a crash",
    read: "give the account storage.objects.get and storage.objects.list on the bucket",
    write: "give the account storage.objects.create on the bucket",
};

impl CloudSink {
    /// A bucket of Google Cloud Storage. Reads the file of credentials, and sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where that cannot be read, or the endpoint cannot be used.
    pub fn gcs(settings: &GcsSettings) -> Result<Self, SinkError> {
        let reach = &settings.reach;
        let endpoint = reach.endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/');
        let builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&reach.bucket)
            .with_base_url(endpoint)
            .with_retry(no_retry())
            .with_http_connector(Connector::new(endpoint, reach, SECTION)?);
        let builder = match &settings.login {
            GcsLogin::ServiceAccount(file) => builder.with_service_account_path(file.to_string_lossy()),
            GcsLogin::Anonymous => {
                let nobody = GcpCredential { bearer: String::new() };
                builder.with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            }
            GcsLogin::Default => match std::env::var(DEFAULT_CREDENTIALS) {
                Ok(file) if !file.is_empty() => builder.with_application_credentials(file),
                _ => builder,
            },
        };
        let store = builder.build().map_err(|error| {
            let why = root_of(&error);
            let from = match &settings.login {
                GcsLogin::ServiceAccount(file) => format!("service_account {}", file.display()),
                _ => "the application default credentials".to_owned(),
            };
            SinkError::Fatal(format!("{from} cannot be used ({why}); {}", WORDS.credentials))
        })?;
        let at = reach.endpoint.as_ref().map(|_| format!(" at {endpoint}")).unwrap_or_default();
        let place = Place::new(format!("{}{at}", settings.describe()), &reach.bucket, &WORDS);
        Ok(Self::new(Arc::new(store), reach, Labels::Google, place))
    }
}
