//! The commands that look at a state and change it, driven from outside: what they print, what they
//! keep, and that no row is lost or doubled by them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod changing;
mod exported;
mod pickled;
mod rebuilt;
mod rewound;
mod scene;
#[path = "../support/mod.rs"]
mod support;
