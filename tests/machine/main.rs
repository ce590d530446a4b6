//! What a machine does to a daemon: its power is cut, its disk is full, its file systems become read-only,
//! its clock is set, it stands still for a while. No row is lost, none is stored twice, and all goes on by itself.
#![allow(clippy::print_stdout, reason = "says what was played, or why not, and the seed")]

#[path = "../data/mod.rs"]
mod data;
#[path = "../support/mod.rs"]
mod support;

mod clock;
mod full_disk;
mod medium;
mod power_cut;
mod read_only;
mod scene;
mod stopped;
