//! Where messages go: standard error, or the journal where standard error is the journal.

use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Overrides the level, for all of livecosmos or part by part: `debug`, `livecosmos::sink=trace`.
pub const FILTER_VARIABLE: &str = "LIVECOSMOS_LOG";

/// Sends events to standard error or the journal from now on. A second call changes nothing.
///
/// `level` is that of livecosmos' own messages; libraries speak up from warnings on.
pub fn start(level: LevelFilter) {
    let asked = std::env::var(FILTER_VARIABLE).ok().filter(|directives| !directives.is_empty());
    let asked = asked.map(EnvFilter::try_new).transpose();
    let misread = asked.as_ref().err().map(ToString::to_string);
    let filter = asked.ok().flatten().unwrap_or_else(|| EnvFilter::new(default_directives(level)));
    // It fails where a test started it already; then that one stays.
    let _ = tracing_subscriber::registry().with(target()).with(filter).try_init();
    if let Some(error) = misread {
        tracing::warn!(
            "{FILTER_VARIABLE} is not understood ({error}); write it as 'debug' or 'livecosmos::sink=trace'"
        );
    }
}

/// Whether people want colour on standard error: it is a terminal, and `NO_COLOR` is not set.
#[must_use]
pub fn is_coloured() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && std::io::stderr().is_terminal()
}

fn default_directives(level: LevelFilter) -> String {
    let libraries = level.min(LevelFilter::WARN);
    format!("{libraries},livecosmos={level},livecosmos_state={level}")
}

fn target() -> Box<dyn Layer<Registry> + Send + Sync> {
    if let Some(journal) = stderr_is_journal().then(journal).flatten() {
        return journal;
    }
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured())
        .with_target(false)
        .boxed()
}

/// The journal keeps fields as fields, under their own names, and priorities as systemd means them.
fn journal() -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
    let priorities = PriorityMappings {
        error: Priority::Error,
        warn: Priority::Warning,
        info: Priority::Informational,
        debug: Priority::Debug,
        trace: Priority::Debug,
    };
    let layer = tracing_journald::layer().ok()?;
    Some(layer.with_field_prefix(None).with_priority_mappings(priorities).boxed())
}

/// systemd names device and inode of the stream it connected: `systemd.exec(5)`, `$JOURNAL_STREAM`.
fn stderr_is_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let stderr = std::fs::metadata("/proc/self/fd/2").ok();
    stderr.is_some_and(|stderr| stream.to_str() == Some(&format!("{}:{}", stderr.dev(), stderr.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_never_louder_than_warnings_and_never_louder_than_livecosmos() {
        assert_eq!(default_directives(LevelFilter::DEBUG), "warn,livecosmos=debug,livecosmos_state=debug");
        assert_eq!(default_directives(LevelFilter::ERROR), "error,livecosmos=error,livecosmos_state=error");
        for level in [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::INFO, LevelFilter::TRACE] {
            EnvFilter::try_new(default_directives(level)).unwrap();
        }
    }
}
