//! The CSV source through the library: every rule by which rows are read, each of them once.

mod cells;
mod harness;
