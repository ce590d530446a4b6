//! Files with certificates and keys, by which servers and we know each other.

use std::path::Path;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::SinkError;

/// What is in the file that the configuration calls `name`.
pub(super) fn file(path: &Path, name: &str) -> Result<Vec<u8>, SinkError> {
    std::fs::read(path).map_err(|error| {
        SinkError::Fatal(format!(
            "{name} {} cannot be read: {error}; put it there, for this user to read",
            path.display()
        ))
    })
}

/// That a file holds nothing of the kind.
pub(super) fn no_pem(path: &Path, name: &str) -> SinkError {
    SinkError::Fatal(format!("{name} {} holds no certificate that can be read; use PEM", path.display()))
}

/// Encryption by rustls: the server is known by `ca` or this machine's authorities, and we by `identity`, a
/// certificate and its key.
pub(super) fn client_config(
    ca: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> Result<ClientConfig, SinkError> {
    let unusable = |error: tokio_rustls::rustls::Error| {
        SinkError::Fatal(format!("TLS cannot be set up ({error}); mend ca, certificate and certificate_key"))
    };
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            for certificate in certificates(path, "ca")? {
                roots.add(certificate).map_err(|_| no_pem(path, "ca"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots);
    let Some((certificate, key)) = identity else { return Ok(builder.with_no_client_auth()) };
    let secret = PrivateKeyDer::from_pem_slice(&file(key, "certificate_key")?).map_err(|_| {
        SinkError::Fatal(format!("certificate_key {} holds no key that can be read; use PEM", key.display()))
    })?;
    builder.with_client_auth_cert(certificates(certificate, "certificate")?, secret).map_err(unusable)
}

fn certificates(path: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let pem = file(path, name)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| no_pem(path, name))
}
