//! How commands speak: data to standard output, errors with their hints to standard error.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::config::ConfigError;
use crate::exit::Exit;
use crate::logging;

const RED_BOLD: &str = "\x1b[1;31m";
const YELLOW_BOLD: &str = "\x1b[1;33m";
const CYAN_BOLD: &str = "\x1b[1;36m";
const PLAIN: &str = "\x1b[0m";

/// Spaces between two columns.
const COLUMN_GAP: u16 = 2;

/// Why a command failed: the message, and the code it ends with.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    message: String,
}

impl Failure {
    /// `message` names the thing, and the remedy after a semicolon.
    pub(super) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// The code and the message.
    pub(super) fn into_parts(self) -> (Exit, String) {
        (self.exit, self.message)
    }

    /// Prints what is wrong, and below it what to do.
    pub(super) fn show(&self) {
        say("error", RED_BOLD, &self.message);
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error)
    }
}

/// Prints something the operator should know that is no error.
pub(super) fn warn(message: impl Display) {
    say("warning", YELLOW_BOLD, &message.to_string());
}

/// Prints that something is as it is, where silence would be taken for a failure.
pub(super) fn note(message: impl Display) {
    say("note", CYAN_BOLD, &message.to_string());
}

/// Writes `bytes` to standard output. A reader that has seen enough, such as `head`, is no error.
pub(super) fn data(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Unexpected, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(Exit::Done),
    }
}

/// Writes `document` as JSON, on one line.
pub(super) fn json(document: &impl Serialize) -> Result<Exit, Failure> {
    let text = serde_json::to_string(document)
        .map_err(|error| Failure::new(Exit::Unexpected, format!("cannot spell JSON: {error}")))?;
    data(format!("{text}\n").as_bytes())
}

/// Writes rows below their header, in columns; nothing at all where there are no rows.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<Exit, Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows);
    if table.is_empty() {
        return Ok(Exit::Done);
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, COLUMN_GAP));
    });
    data(format!("{}\n", table.trim_fmt()).as_bytes())
}

/// A size to one decimal, for people: `96.7 KiB`.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, unit_bytes)) = units.into_iter().find(|(_, unit_bytes)| bytes >= *unit_bytes) else {
        return format!("{bytes} B");
    };
    format!("{}.{} {unit}", bytes / unit_bytes, bytes % unit_bytes * 10 / unit_bytes)
}

/// The first semicolon parts what is from what to do: messages are written so all over the project.
fn say(kind: &str, colour: &str, message: &str) {
    let (what, remedy) =
        message.split_once("; ").map_or((message, None), |(what, remedy)| (what, Some(remedy)));
    let paint = |colour: &str, text: &str| {
        if logging::is_coloured() { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
    };
    let mut lines = format!("{}: {what}\n", paint(colour, kind));
    if let Some(remedy) = remedy {
        lines.extend([&paint(CYAN_BOLD, "hint"), ": ", remedy, "\n"]);
    }
    // A closed standard error leaves nobody to tell.
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}
