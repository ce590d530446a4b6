//! Secrets, and where they come from. They are read anew whenever they are used, so that they may be rotated, and
//! never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

/// Where systemd puts credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// A password or token, or where it is found.
#[derive(Clone, Default)]
pub enum Secret {
    /// Wherever clients of that server look: an environment variable, a password file.
    #[default]
    Usual,
    /// In the configuration.
    Written(SecretString),
    /// The first line of a file.
    File(PathBuf),
    /// A credential of the systemd unit, by its name.
    Credential(String),
}

/// A secret that is not where it should be; the message says what to do, and never the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(String);

impl Secret {
    /// The secret, where it is said; `variables` are those that clients of this server know, and `name` is what
    /// the configuration calls it.
    ///
    /// # Errors
    /// [`SecretError`] where its file cannot be read or is empty.
    pub fn read(&self, name: &str, variables: &[&str]) -> Result<Option<SecretString>, SecretError> {
        match self {
            Self::Written(secret) => Ok(Some(secret.clone())),
            Self::File(path) => from_file(path, name, "file").map(Some),
            Self::Credential(credential) => {
                let folder = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| {
                    SecretError(format!(
                        "there is no {CREDENTIALS_DIRECTORY} in which {name}_credential '{credential}' could be; add \
                         LoadCredential={credential}:/path to the unit, or set {name}_file"
                    ))
                })?;
                from_file(&Path::new(&folder).join(credential), name, "credential").map(Some)
            }
            Self::Usual => {
                let found = variables.iter().find_map(|name| std::env::var(name).ok());
                Ok(found.filter(|secret| !secret.is_empty()).map(SecretString::from))
            }
        }
    }
}

/// Only the kind of place is shown.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("Usual"),
            Self::Written(_) => f.write_str("Written(_)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Credential(name) => f.debug_tuple("Credential").field(name).finish(),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Usual, Self::Usual) => true,
            (Self::Written(one), Self::Written(other)) => one.expose_secret() == other.expose_secret(),
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Credential(one), Self::Credential(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Secret {}

fn from_file(path: &Path, name: &str, kind: &str) -> Result<SecretString, SecretError> {
    let text = std::fs::read_to_string(path).map(SecretString::from).map_err(|error| {
        let path = path.display();
        SecretError(format!(
            "{name}_{kind} {path} cannot be read: {error}; put it there, for this user to read"
        ))
    })?;
    let line = text.expose_secret().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(SecretError(format!(
            "{name}_{kind} {} is empty; write the {name} on its first line",
            path.display()
        )));
    }
    Ok(SecretString::from(line))
}
