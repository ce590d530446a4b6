//! `livecosmos`: every new row, once, in the cloud. Argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    livecosmos_malloc::give_back_large_blocks();
    livecosmos::panics::abort_on_others();
    livecosmos::cli::run(std::env::args_os()).into()
}
