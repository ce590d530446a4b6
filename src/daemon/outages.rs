//! Tells systemd that a sink is away, since when and why, and that it is back: once, for all tables.

use sd_notify::NotifyState;
use tokio::task::JoinSet;

use super::supervise::notify;
use crate::sink::Flows;

/// Tells of outages until what it gives is dropped.
pub(super) fn tell(flows: &Flows) -> JoinSet<()> {
    let mut telling = JoinSet::new();
    for flow in flows.iter() {
        let mut outages = flow.outages();
        telling.spawn(async move {
            let mut told = None;
            while outages.changed().await.is_ok() {
                let since = outages.borrow_and_update().as_ref().map(|it| (it.since, it.words.clone()));
                // Each probe is a change, and nothing new.
                if since == told {
                    continue;
                }
                let status = match &since {
                    Some((since, words)) => format!("since {since}: {words}"),
                    None => "the sink answers again".to_owned(),
                };
                notify(&[NotifyState::Status(&status)]);
                told = since;
            }
        });
    }
    telling
}
