//! Paths in a configuration: they may name the table, and relative ones start at the file's folder.

use std::path::{Component, Path, PathBuf};

use livecosmos_state::TableName;

use crate::key::live_table;

/// Puts the table's name in the place of `{table}` and `{live_table}`.
///
/// # Errors
/// A message with its remedy after a semicolon.
pub(crate) fn expand(text: &str, table: &TableName) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (token, after) = after
            .split_once('}')
            .ok_or_else(|| format!("'{text}' has a brace without a partner; write tokens as {{table}}"))?;
        expanded.push_str(before);
        expanded.push_str(match token {
            "table" => table.in_source(),
            "live_table" => live_table(table),
            _ => {
                return Err(format!(
                    "unknown token '{{{token}}}' in '{text}'; known are {{table}}, {{live_table}}"
                ));
            }
        });
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The folder of the configuration file at `path`, absolute.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().map(Path::to_owned).unwrap_or_default()
}

/// `path` from `folder`, without `.` components: they would only clutter messages.
pub(crate) fn resolve(folder: &Path, path: &str) -> PathBuf {
    folder.join(path).components().filter(|part| *part != Component::CurDir).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        expand(text, &TableName::parse("COSMOS.LEVEL1_SOILMET_30MIN").unwrap())
    }

    #[test]
    fn the_tables_name_is_put_into_a_path() {
        assert_eq!(expanded("/in/{table}.csv").unwrap(), "/in/COSMOS.LEVEL1_SOILMET_30MIN.csv");
        assert_eq!(expanded("{live_table}/*.csv").unwrap(), "SOILMET_30MIN/*.csv");
        assert_eq!(expanded("plain").unwrap(), "plain");
    }

    #[test]
    fn an_unknown_token_names_the_known_ones() {
        insta::assert_snapshot!(expanded("{site}.csv").unwrap_err(), @"unknown token '{site}' in '{site}.csv'; known are {table}, {live_table}");
        insta::assert_snapshot!(expanded("{table").unwrap_err(), @"'{table' has a brace without a partner; write tokens as {table}");
    }

    #[test]
    fn a_relative_path_starts_at_the_folder_and_an_absolute_one_does_not() {
        let folder = folder_of(Path::new("/etc/livecosmos/config.toml"));
        assert_eq!(resolve(&folder, "./in/./x.csv"), Path::new("/etc/livecosmos/in/x.csv"));
        assert_eq!(resolve(&folder, "../x.csv"), Path::new("/etc/livecosmos/../x.csv"));
        assert_eq!(resolve(&folder, "/srv/x.csv"), Path::new("/srv/x.csv"));
    }
}
