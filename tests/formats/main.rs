//! What others read from the objects: `DuckDB` and pandas, over files that the binary stored.

#[path = "../support/mod.rs"]
mod support;

mod sources;
mod types;
mod witness;
