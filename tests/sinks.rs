//! One contract, kept by every sink; then what is particular to each.
#![allow(clippy::print_stdout, reason = "says the seed, and what was compared")]

mod data;
mod support;

#[path = "sinks/bucket.rs"]
mod bucket;
#[path = "sinks/clouds.rs"]
mod clouds;
#[path = "sinks/contract.rs"]
mod contract;
#[path = "sinks/credentials.rs"]
mod credentials;
#[path = "sinks/folder.rs"]
mod folder;
#[path = "sinks/kept.rs"]
mod kept;
#[path = "sinks/matrix.rs"]
mod matrix;
#[path = "sinks/noticed.rs"]
mod noticed;
#[path = "sinks/objects.rs"]
mod objects;
#[path = "sinks/parts.rs"]
mod parts;
#[path = "sinks/reached.rs"]
mod reached;
#[path = "sinks/receivers.rs"]
mod receivers;
#[path = "sinks/rights.rs"]
mod rights;
#[path = "sinks/stdout.rs"]
mod stdout;
#[path = "sinks/subjects.rs"]
mod subjects;
