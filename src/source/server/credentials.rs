//! Where the password of a database comes from. It is read anew at each connection, and never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::Fault;

/// Where systemd puts credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A password, or where it is found.
#[derive(Clone, Default)]
pub enum Password {
    /// Wherever clients of that database look: its environment variable, its password file.
    #[default]
    Usual,
    /// In the configuration.
    Written(SecretString),
    /// The first line of a file.
    File(PathBuf),
    /// A credential of the systemd unit, by its name.
    Credential(String),
}

impl Password {
    /// The password, where it is said; `variables` are those that clients of this database know.
    pub(in crate::source) fn read(&self, variables: &[&str]) -> Result<Option<SecretString>, Fault> {
        match self {
            Self::Written(password) => Ok(Some(password.clone())),
            Self::File(path) => from_file(path, "password_file").map(Some),
            Self::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                    Fault::config(format!(
                        "there is no {CREDENTIALS_DIRECTORY} in which password_credential '{name}' could be; add \
                         LoadCredential={name}:/path to the unit, or set password_file"
                    ))
                })?;
                from_file(&Path::new(&folder).join(name), "password_credential").map(Some)
            }
            Self::Usual => {
                let found = variables.iter().find_map(|name| std::env::var(name).ok());
                Ok(found.filter(|password| !password.is_empty()).map(SecretString::from))
            }
        }
    }
}

/// Only the kind of place is shown.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("Usual"),
            Self::Written(_) => f.write_str("Written(_)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Credential(name) => f.debug_tuple("Credential").field(name).finish(),
        }
    }
}

fn from_file(path: &Path, key: &str) -> Result<SecretString, Fault> {
    let text = std::fs::read_to_string(path).map(SecretString::from).map_err(|error| {
        let path = path.display();
        Fault::config(format!("{key} {path} cannot be read: {error}; put it there, for this user to read"))
    })?;
    let line = text.expose_secret().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Fault::config(format!(
            "{key} {} is empty; write the password on its first line",
            path.display()
        )));
    }
    Ok(SecretString::from(line))
}
