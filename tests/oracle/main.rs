//! Oracle: the drivers over what plays the database, and the binary over both.

#[path = "../support/mod.rs"]
mod support;

mod client_crate;
mod client_finding;
mod client_reader;
mod followed;
mod live;
mod scene;
mod tables;
mod thin_reader;
mod told;
