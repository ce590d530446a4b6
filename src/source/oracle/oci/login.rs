//! Logging in within a time. The client library has no limit for a peer that takes the connection and says
//! nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use oracle::{Connection, Connector};
use secrecy::ExposeSecret as _;

use super::{Failure, Settings};

/// Logins that are under way, those included that nobody waits for any more: each holds a thread and a
/// socket until the peer gives up.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Past so many no other is begun.
const UNDER_WAY_MAX: usize = 32;

/// Logs in on a thread of its own, which is left to itself when the time is over.
pub(super) fn within(settings: &Settings) -> Result<Connection, Failure> {
    let failed = |reason: String| Failure::silent(&settings.dsn, &reason);
    if UNDER_WAY.fetch_add(1, Ordering::SeqCst) >= UNDER_WAY_MAX {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        return Err(failed(format!("{UNDER_WAY_MAX} logins are still waited for")));
    }
    let (sender, receiver) = mpsc::channel();
    let owned = settings.clone();
    let login = move || {
        let connection = log_in(&owned);
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        // Where nobody waits any more the session ends here.
        drop(sender.send(connection));
    };
    if let Err(error) = std::thread::Builder::new().name("oracle-login".to_owned()).spawn(login) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
        return Err(failed(format!("no thread could be started: {error}")));
    }
    receiver
        .recv_timeout(settings.connect_timeout)
        .unwrap_or_else(|_| Err(failed(format!("no answer within {:?}", settings.connect_timeout))))
}

fn log_in(settings: &Settings) -> Result<Connection, Failure> {
    let account = settings.account.as_ref();
    let (user, password) =
        account.map_or(("", ""), |account| (&*account.user, account.password.expose_secret()));
    let mut connector = Connector::new(user, password, &*settings.dsn);
    connector.external_auth(account.is_none()).driver_name("livecosmos");
    connector
        .connect()
        .and_then(|connection| connection.set_call_timeout(Some(settings.call_timeout)).map(|()| connection))
        .map_err(|error| Failure::connecting(&error, &settings.dsn, user))
}
