//! The CSV source through the library: every rule by which rows are read, each of them once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cells;
mod follow;
mod harness;
mod history;
mod lost_state;
mod many;
mod rotate;
