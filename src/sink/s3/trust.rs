//! An HTTP client that believes certain authorities only.

use std::path::Path;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::sink::SinkError;

/// A client as the SDK makes its own, proxies of the environment included, for which the certificates of the
/// PEM file `ca` stand in the place of the machine's.
pub(super) fn client_trusting(ca: &Path) -> Result<SharedHttpClient, SinkError> {
    let refused = |why: String| {
        SinkError::Fatal(format!("ca {} in [sink.s3] {why}; name a file of PEM certificates", ca.display()))
    };
    let pem = std::fs::read(ca).map_err(|error| refused(format!("cannot be read ({error})")))?;
    check_authorities(&pem).map_err(|error| refused(format!("holds no certificate ({error})")))?;
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| refused(format!("cannot be used ({error})")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    }))
}

/// The SDK panics at the first request on what it cannot read here.
fn check_authorities(pem: &[u8]) -> Result<(), String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Err("none begins in it".to_owned());
    }
    let mut roots = RootCertStore::empty();
    found.into_iter().try_for_each(|certificate| roots.add(certificate)).map_err(|error| error.to_string())
}
