//! Rows that cannot be sent: how they are kept, shown, dropped, and sent after all.

#[path = "../support/mod.rs"]
mod support;

mod kept;
mod refused;
mod requeued;
mod scene;
