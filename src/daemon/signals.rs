//! SIGTERM and SIGINT: the first asks for an end, the second takes it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::stop::Stop;

/// How a shell shows that a process was ended by a signal: 128 and its number.
const BY_SIGNAL: i32 = 128;
/// Whether an operator is being asked. Signals are the process's, and so is this.
static IS_ASKING: AtomicBool = AtomicBool::new(false);

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
    let stop = stop.clone();
    // A task of its own, which hears a signal also while `following` waits for an answer.
    let listening = tokio::spawn(async move {
        let signal = either(&mut terminate, &mut interrupt).await;
        if IS_ASKING.load(Ordering::SeqCst) {
            end(signal);
        }
        tracing::info!(drain_s = drain.as_secs(), "stopping: finishing what is in flight");
        super::supervise::notify(&[sd_notify::NotifyState::Stopping]);
        stop.request();
        tokio::select! {
            () = tokio::time::sleep(drain) => {
                tracing::warn!("the drain limit is over; what is in flight is looked up in the sink at the next start");
            }
            signal = either(&mut terminate, &mut interrupt) => {
                tracing::warn!("second signal: ending at once");
                end(signal);
            }
        }
    });
    tokio::select! {
        exit = following => exit,
        _ = listening => Exit::Done,
    }
}

/// Asks an operator, while nothing is under way: a signal is an answer, and ends the process at once.
pub(super) fn asking<T>(ask: impl FnOnce() -> T) -> T {
    IS_ASKING.store(true, Ordering::SeqCst);
    let answer = tokio::task::block_in_place(ask);
    IS_ASKING.store(false, Ordering::SeqCst);
    answer
}

#[expect(clippy::exit, reason = "the signal asks for just this; the state is safe at any moment")]
fn end(signal: SignalKind) -> ! {
    std::process::exit(BY_SIGNAL + signal.as_raw_value())
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
