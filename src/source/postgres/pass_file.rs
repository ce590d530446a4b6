//! libpq's password file: `host:port:database:user:password` a line, `*` for any.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::connect::PORT;
use crate::source::server::Fault;

/// The password for the first host of `config`, if the file has one.
pub(super) fn find(config: &Config) -> Result<Option<SecretString>, Fault> {
    let Some((path, is_named)) = path() else { return Ok(None) };
    let place = path.display();
    let text = match std::fs::read_to_string(&path).map(SecretString::from) {
        Ok(text) => text,
        Err(error) if is_named => {
            return Err(Fault::config(format!(
                "password file {place} cannot be read: {error}; put it there, or unset PGPASSFILE"
            )));
        }
        Err(_) => return Ok(None),
    };
    let mode = std::fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        return Err(Fault::config(format!(
            "password file {place} can be read by others, so it is not used; make it readable by this user alone: \
             chmod 0600 {place}"
        )));
    }
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        // As libpq has it: the usual folder of sockets stands for this machine.
        Some(Host::Unix(_)) | None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(PORT).to_string();
    let wanted = [
        host.as_str(),
        &port,
        config.get_dbname().unwrap_or_default(),
        config.get_user().unwrap_or_default(),
    ];
    Ok(text.expose_secret().lines().find_map(|line| password_in(line, wanted)))
}

/// The file, and whether it was named.
fn path() -> Option<(PathBuf, bool)> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = set("PGPASSFILE") {
        return Some((named.into(), true));
    }
    set("HOME").map(|home| (PathBuf::from(home).join(".pgpass"), false))
}

/// The password of a line that is about `wanted`: host, port, database and user.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<SecretString> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line).into_iter();
    for wanted in wanted {
        let field = fields.next()?;
        if field != "*" && field != wanted {
            return None;
        }
    }
    fields.next().map(SecretString::from)
}

/// The fields of a line; a backslash keeps the character behind it.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let field = fields.last_mut().map(|field| field as &mut String);
        match (letter, field) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(letters.next()),
            (letter, Some(field)) => field.push(letter),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(line: &str) -> Option<String> {
        password_in(line, ["db.example.org", "5432", "stations", "reader"])
            .map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn a_line_counts_whose_four_fields_are_those_of_the_connection_or_any() {
        assert_eq!(password("db.example.org:5432:stations:reader:one").as_deref(), Some("one"));
        assert_eq!(password("*:*:*:reader:two").as_deref(), Some("two"));
        assert_eq!(password("*:*:*:writer:three"), None);
        assert_eq!(password("#*:*:*:reader:four"), None);
        assert_eq!(password("*:*:*:reader"), None);
    }

    #[test]
    fn a_backslash_keeps_colons_and_backslashes() {
        assert_eq!(password(r"*:*:*:reader:a\:b\\c").as_deref(), Some(r"a:b\c"));
    }
}
