//! Tables of `PostgreSQL`, followed by the binary from a real server.

#![allow(clippy::print_stdout, reason = "says what was compared, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../served/mod.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

mod clocks;
mod deadlock;
mod encrypted;
mod faults;
mod followed;
mod killed;
mod plans;
mod types;
