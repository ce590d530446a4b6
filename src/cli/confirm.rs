//! Asking before something is changed that an operator may want as it is.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::print::Failure;
use crate::exit::Exit;

/// Whether to go on: `--yes` says so, else whoever sits at the terminal.
///
/// # Errors
/// Where nobody can be asked.
pub(super) fn ask(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let message =
            "nothing was changed: nobody can be asked off a terminal; give --yes where the change is right";
        return Err(Failure::new(Exit::Usage, message));
    }
    let failed = |error| Failure::new(Exit::Unexpected, format!("cannot ask: {error}"));
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
