//! SIGTERM and SIGINT: the first asks for an end, the second takes it.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::stop::Stop;

/// How a shell shows that a process was ended by a signal: 128 and its number.
const BY_SIGNAL: i32 = 128;

/// Runs `following` to its end; a signal asks it to stop and gives it `drain` for that.
///
/// What is cut off by the drain limit or a second signal is not lost: the state says what may be on
/// its way, and the sink tells at the next start.
pub(super) async fn until_done(following: impl Future<Output = Exit>, stop: &Stop, drain: Duration) -> Exit {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot listen for signals");
        return Exit::Unexpected;
    };
    tokio::pin!(following);
    tokio::select! {
        exit = &mut following => return exit,
        _ = either(&mut terminate, &mut interrupt) => {}
    }
    tracing::info!(drain_s = drain.as_secs(), "stopping: finishing what is in flight");
    super::supervise::notify(&[sd_notify::NotifyState::Stopping]);
    stop.request();
    tokio::select! {
        exit = &mut following => exit,
        () = tokio::time::sleep(drain) => {
            tracing::warn!("the drain limit is over; what is in flight is looked up in the sink at the next start");
            Exit::Done
        }
        signal = either(&mut terminate, &mut interrupt) => {
            tracing::warn!("second signal: ending at once");
            #[expect(clippy::exit, reason = "a second signal asks for just this; the state is safe at any moment")]
            std::process::exit(BY_SIGNAL + signal.as_raw_value())
        }
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
