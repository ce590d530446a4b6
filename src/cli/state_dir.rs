//! Where states are kept.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::print::Failure;
use crate::exit::Exit;

const FOLDER: &str = "livecosmos";

/// The directory of states: as asked, or as the environment has it.
///
/// systemd may list several directories in `STATE_DIRECTORY`; the first is ours. A relative
/// `XDG_STATE_HOME` is to be ignored by the XDG base directory specification.
pub(super) fn resolve(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let found = choose(asked, |name| std::env::var_os(name).filter(|value| !value.is_empty()));
    let found = found.ok_or_else(|| {
        let message = "there is no directory for states: none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set; give one with --state-dir";
        Failure::new(Exit::Config, message)
    })?;
    std::path::absolute(&found).map_err(|error| {
        let message = format!(
            "the state directory {} has no absolute path ({error}); give one with --state-dir",
            found.display()
        );
        Failure::new(Exit::Config, message)
    })
}

fn choose(asked: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(asked) = asked {
        return Some(asked.to_owned());
    }
    if let Some(listed) = variable("STATE_DIRECTORY") {
        return std::env::split_paths(&listed).next();
    }
    let xdg = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = xdg.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))?;
    Some(base.join(FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(asked: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        choose(asked.map(Path::new), variable).map(|path| path.display().to_string())
    }

    #[test]
    fn the_nearest_word_on_the_state_directory_counts() {
        let home = ("HOME", "/home/op");
        let xdg = ("XDG_STATE_HOME", "/state");
        let systemd = ("STATE_DIRECTORY", "/var/lib/livecosmos:/var/lib/other");
        assert_eq!(chosen(Some("here"), &[home, xdg, systemd]).as_deref(), Some("here"));
        assert_eq!(chosen(None, &[home, xdg, systemd]).as_deref(), Some("/var/lib/livecosmos"));
        assert_eq!(chosen(None, &[home, xdg]).as_deref(), Some("/state/livecosmos"));
        assert_eq!(chosen(None, &[home]).as_deref(), Some("/home/op/.local/state/livecosmos"));
        assert_eq!(
            chosen(None, &[home, ("XDG_STATE_HOME", "rel")]).as_deref(),
            Some("/home/op/.local/state/livecosmos")
        );
        assert_eq!(chosen(None, &[]), None);
    }
}
