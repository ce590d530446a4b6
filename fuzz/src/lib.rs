//! What no input may do: one check for each reader of bytes that come from outside.
//!
//! A check takes any bytes and panics where a promise is broken. The fuzzers call them with bytes of
//! their own making; `tests/fuzz_corpus.rs` calls them with the files of `corpus/`, on any compiler.

pub mod config;
pub mod csv;
pub mod facts;
pub mod payload;
pub mod state;

mod folder;
mod uploader;
