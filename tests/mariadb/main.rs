//! Tables of `MariaDB`, followed by the binary from a real server.

#[path = "../support/mod.rs"]
mod support;

mod encrypted;
mod faults;
mod followed;
mod plans;
mod spelling;
mod types;
