//! Panics of two libraries become errors; all others end the process at once, as `panic = "abort"` would.
//!
//! With `panic = "abort"` no panic can be caught, and what Oracle's driver does not expect (a server that
//! requires Native Network Encryption, an old password verifier), or a reader of Parquet in a damaged file,
//! would end the daemon. So the profile must unwind, and [`abort_on_others`] keeps the one crash path for
//! everything else.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

thread_local! {
    /// This thread is inside of such a library.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// From now on a panic outside of these libraries is reported and ends the process with SIGABRT; one inside of
/// it is not reported, for its text is in the error. To be called once, at the start of the process.
pub fn abort_on_others() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IS_INSIDE.get() {
            report(info);
            std::process::abort();
        }
    }));
}

/// Runs a call of such a library; `Err` is the text of its panic.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let was_inside = IS_INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    IS_INSIDE.set(was_inside);
    result.map_err(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => {
            panic.downcast_ref::<&str>().map_or_else(|| "no message".to_owned(), ToString::to_string)
        }
    })
}
