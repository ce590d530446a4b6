//! What others read from the objects: `DuckDB`, pandas and Python, over files that the binary stored.

#[path = "../support/mod.rs"]
mod support;

mod sources;
mod types;
mod witness;
