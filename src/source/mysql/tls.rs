//! Encryption of a connection, by rustls.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Tls, TlsMode};
use crate::source::server::Fault;

/// What the driver is told; `None` for no encryption. All that is named is read here, so that a file that is
/// none is told before a server is asked.
pub(super) fn options(tls: &Tls) -> Result<Option<SslOpts>, Fault> {
    let mut options = match tls.mode {
        TlsMode::Disabled => return Ok(None),
        TlsMode::Preferred | TlsMode::Required => SslOpts::default().with_danger_accept_invalid_certs(true),
        TlsMode::VerifyIdentity => {
            let roots = trusted(tls.ca.as_deref())?.into_iter().map(|root| root.to_vec().into()).collect();
            SslOpts::default().with_disable_built_in_roots(true).with_root_certs(roots)
        }
    };
    if let Some((cert, key)) = &tls.client {
        certificates("ssl-cert", cert)?;
        PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("ssl-key", key, &error))?;
        let identity = ClientIdentity::new(cert.clone().into(), key.clone().into());
        options = options.with_client_identity(Some(identity));
    }
    Ok(Some(options))
}

/// Certificates that are trusted, each of which can be.
fn trusted(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let (found, place) = match ca {
        Some(path) => (certificates("ssl-ca", path)?, path.display().to_string()),
        None => (rustls_native_certs::load_native_certs().certs, "the system".to_owned()),
    };
    let can_be_trusted =
        |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let trusted: Vec<_> = found.into_iter().filter(can_be_trusted).collect();
    if trusted.is_empty() {
        return Err(Fault::config(format!("{place} has no certificate to trust; set ssl-ca in `url`")));
    }
    Ok(trusted)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unreadable(key, path, &error))?;
    if read.is_empty() {
        return Err(Fault::config(format!("{key} {} holds no certificate; name a PEM file", path.display())));
    }
    Ok(read)
}

fn unreadable(key: &str, path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::config(format!(
        "{key} {} cannot be read ({error}); name a PEM file this user may read",
        path.display()
    ))
}
