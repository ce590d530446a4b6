//! Azure Blob Storage.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::azure::{
    AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzureBuilder, split_sas,
};
use secrecy::ExposeSecret as _;

use super::CloudSink;
use super::client::{Connector, no_retry};
use super::labels::Labels;
use super::place::{Place, Words};
use super::trouble::{NoCredential, root_of};
use crate::secret::Secret;
use crate::sink::SinkError;
use crate::sink::settings::{AzureLogin, AzureSettings};

const SECTION: &str = "sink.azure";
/// Where Azure's own tools look for an account and its secrets.
const ACCOUNT: [&str; 2] = ["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"];
const KEY: [&str; 2] = ["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"];
const SAS: [&str; 1] = ["AZURE_STORAGE_SAS_TOKEN"];
/// What says who this process is, to Azure's identity service: set by Kubernetes, or by hand.
const IDENTITY: [(&str, AzureConfigKey); 6] = [
    ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
    ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
    ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
    ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
];

static WORDS: Words = Words {
    bucket: "container",
    section: SECTION,
    credentials: "set key_file or sas_file in [sink.azure], or give this machine an identity",
    list: "give the identity the role Storage Blob Data Contributor, or the signature permission l (list), without \
           which nothing can be looked up after a crash",
    read: "give the identity the role Storage Blob Data Contributor, or the signature permission r (read)",
    write: "give the identity the role Storage Blob Data Contributor, or the signature permission c (create)",
};

impl CloudSink {
    /// A container of Azure Blob Storage. Sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where no account is known, or the endpoint cannot be used.
    pub fn azure(settings: &AzureSettings) -> Result<Self, SinkError> {
        let reach = &settings.reach;
        let account = settings.account.clone().or_else(|| said(&ACCOUNT)).ok_or_else(|| {
            SinkError::Fatal(format!(
                "container '{}' is in no account; set account in [{SECTION}], or {}",
                reach.bucket, ACCOUNT[0]
            ))
        })?;
        let usual = || format!("https://{account}.blob.core.windows.net");
        let endpoint = reach.endpoint.clone().unwrap_or_else(usual).trim_end_matches('/').to_owned();
        let builder = MicrosoftAzureBuilder::new()
            .with_account(&account)
            .with_container_name(&reach.bucket)
            .with_endpoint(endpoint.clone())
            .with_retry(no_retry())
            .with_http_connector(Connector::new(&endpoint, reach, SECTION)?);
        let builder = match Kept::of(&settings.login) {
            Some(kept) => builder.with_credentials(Arc::new(kept)),
            None => identify(builder, settings.client_id.as_deref()),
        };
        let place = Place::new(format!("{} at {endpoint}", settings.describe()), &reach.bucket, &WORDS);
        let store = builder.build().map_err(|error| {
            SinkError::Fatal(format!("{place} cannot be used ({}); {}", root_of(&error), WORDS.credentials))
        })?;
        Ok(Self::new(Arc::new(store), reach, Labels::Azure, place))
    }
}

/// Who this process is to Azure's identity service: a workload, a principal with a secret, or else the machine.
fn identify(builder: MicrosoftAzureBuilder, client_id: Option<&str>) -> MicrosoftAzureBuilder {
    let named = IDENTITY.iter().filter_map(|(name, key)| Some((*key, said(&[name])?)));
    let builder = named.fold(builder, |builder, (key, value)| builder.with_config(key, value));
    match client_id {
        Some(client_id) => builder.with_client_id(client_id),
        None => builder,
    }
}

fn said(variables: &[&str]) -> Option<String> {
    variables.iter().find_map(|name| std::env::var(name).ok()).filter(|value| !value.is_empty())
}

/// A secret that two sides share, read anew for each request, so that it may be rotated.
struct Kept {
    secret: Secret,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Sas,
}

impl Kept {
    fn of(login: &AzureLogin) -> Option<Self> {
        let kept = |secret: &Secret, kind| Some(Self { secret: secret.clone(), kind });
        match login {
            AzureLogin::Key(secret) => kept(secret, Kind::Key),
            AzureLogin::Sas(secret) => kept(secret, Kind::Sas),
            AzureLogin::Usual if said(&KEY).is_some() => kept(&Secret::Usual, Kind::Key),
            AzureLogin::Usual if said(&SAS).is_some() => kept(&Secret::Usual, Kind::Sas),
            AzureLogin::Usual => None,
        }
    }

    fn read(&self) -> Result<AzureCredential, NoCredential> {
        let (name, variables): (_, &[&str]) = match self.kind {
            Kind::Key => ("key", &KEY),
            Kind::Sas => ("sas", &SAS),
        };
        let secret = self.secret.read(name, variables).map_err(|error| NoCredential(error.to_string()))?;
        let secret = secret.ok_or_else(|| {
            NoCredential(format!("{} is no longer set; set it, or {name}_file in [{SECTION}]", variables[0]))
        })?;
        let text = secret.expose_secret().trim();
        // What is wrong with it is not repeated: the message of the library may quote it.
        match self.kind {
            Kind::Key => AzureAccessKey::try_new(text).map(AzureCredential::AccessKey).map_err(|_| {
                NoCredential("the key is not base64; copy it whole from the account's access keys".to_owned())
            }),
            Kind::Sas => split_sas(text).map(AzureCredential::SASToken).map_err(|_| {
                NoCredential(
                    "the sas is no signature; copy it whole, as sv=…&sp=…&sig=…, without the address"
                        .to_owned(),
                )
            }),
        }
    }
}

#[async_trait]
impl CredentialProvider for Kept {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let read = self.read();
        read.map(Arc::new)
            .map_err(|error| object_store::Error::Generic { store: "Azure", source: Box::new(error) })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.kind).field(&self.secret).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, secret: &str) -> Result<AzureCredential, NoCredential> {
        Kept { secret: Secret::Written(secret.to_owned().into()), kind }.read()
    }

    #[test]
    fn a_secret_that_is_none_is_not_repeated() {
        for (kind, wrong) in [(Kind::Key, "hunter2!"), (Kind::Sas, "hunter2!")] {
            let NoCredential(why) = read(kind, wrong).unwrap_err();
            assert!(why.contains("copy it whole") && !why.contains("hunter2"), "{why}");
        }
        assert!(matches!(read(Kind::Key, "aGVsbG8="), Ok(AzureCredential::AccessKey(_))));
        let Ok(AzureCredential::SASToken(pairs)) = read(Kind::Sas, "?sv=2023-11-03&sp=rcl&sig=a%2Bb%3D")
        else {
            panic!("no signature")
        };
        assert_eq!(pairs[2], ("sig".to_owned(), "a+b=".to_owned()));
    }
}
