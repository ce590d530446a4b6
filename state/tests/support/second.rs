//! The parts of a payload as a second implementation of its encoding reads and writes them.

use wincode::config::Configuration;
use wincode::{SchemaRead, SchemaWrite};

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
pub(crate) struct Instant {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
pub(crate) enum PayloadCursor {
    Start,
    Row { time: Instant, tie: PayloadTie },
    File { file: u64, offset: u64 },
}

#[derive(SchemaRead, SchemaWrite, Debug, PartialEq)]
pub(crate) enum PayloadTie {
    None,
    Integer(i64),
    Text(String),
}

pub(crate) fn instant(seconds: i64, nanos: u32) -> Instant {
    Instant { seconds, nanos }
}

pub(crate) fn row(seconds: i64, tie: PayloadTie) -> PayloadCursor {
    PayloadCursor::Row { time: instant(seconds, 0), tie }
}

/// The encoding of all formats.
pub(crate) fn varint() -> impl wincode::config::Config {
    Configuration::default().with_varint_encoding()
}
