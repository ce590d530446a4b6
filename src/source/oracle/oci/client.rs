//! Finding Oracle's client library. It is loaded at run time, once in a process.

use std::path::Path;

use oracle::{InitParams, Version};

/// The oldest release with a time limit for calls.
const MAJOR_MIN: i32 = 18;

/// ODPI-C: the library was not found, or could not be loaded.
const CANNOT_LOAD: i32 = 1047;

/// There is no client library that can be used; the thin driver needs none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoClient(String);

/// Loads the client library from `folder`, or from where the operating system finds it. The first call of
/// a process decides.
///
/// # Errors
/// [`NoClient`] says where it was looked for, what is wrong, and what to do.
pub fn load(folder: Option<&Path>) -> Result<(), NoClient> {
    let mut parameters = InitParams::new();
    if let Some(folder) = folder {
        parameters.oracle_client_lib_dir(folder).map_err(|error| NoClient(error.to_string()))?;
    }
    parameters.init().map_err(|error| unusable(&error, folder))?;
    let version = Version::client().map_err(|error| unusable(&error, folder))?;
    if version.major() < MAJOR_MIN {
        return Err(NoClient(format!(
            "Oracle's client library is release {}.{} and has no time limit for calls; install Instant Client \
             {MAJOR_MIN} or newer, or set driver = \"thin\", which needs none",
            version.major(),
            version.minor()
        )));
    }
    Ok(())
}

fn unusable(error: &oracle::Error, folder: Option<&Path>) -> NoClient {
    let message = error.to_string();
    let message = message.lines().next().unwrap_or_default().trim_start_matches("DPI Error: ");
    // The operating system's words stand between quotes: they name a library that the client itself lacks.
    let reason = match error.dpi_code() {
        Some(CANNOT_LOAD) => message.split('"').nth(1).unwrap_or(message),
        _ => message,
    };
    let (searched, place) = match folder {
        Some(folder) => (format!("in {} alone", folder.display()), "its folder as `client`"),
        None => (
            "beside the program, in LD_LIBRARY_PATH, in the folders of /etc/ld.so.conf and in $ORACLE_HOME/lib"
                .to_owned(),
            "its folder in one of these, or as `client`",
        ),
    };
    let remedy = format!("put {place}, or set driver = \"thin\", which needs no client");
    NoClient(match missing_library(reason) {
        Some(library) => format!(
            "Oracle's client library cannot be loaded, because {library} is missing; install the package that has \
             it (for libaio.so.1: libaio1 or libaio1t64), or set driver = \"thin\", which needs no client"
        ),
        None => format!(
            "Oracle's client library was looked for {searched} and cannot be loaded ({reason}); install Oracle \
             Instant Client and {remedy}"
        ),
    })
}

/// A library that is not the client's own: the client was found, and something it needs was not.
fn missing_library(reason: &str) -> Option<&str> {
    let (library, rest) = reason.split_once(": ")?;
    let is_client = library.contains("libclntsh");
    (!is_client && rest.starts_with("cannot open shared object file")).then_some(library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_the_client_needs_is_told_from_the_client_itself() {
        for (reason, expected) in [
            ("libaio.so.1: cannot open shared object file: No such file or directory", Some("libaio.so.1")),
            ("libclntsh.so: cannot open shared object file: No such file or directory", None),
            ("/opt/oracle/libclntsh.so: cannot open shared object file: No such file or directory", None),
            ("/opt/oracle/libclntsh.so: invalid ELF header", None),
        ] {
            assert_eq!(missing_library(reason), expected);
        }
    }
}
