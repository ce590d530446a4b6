//! Objects to put.

use std::sync::Arc;

use bytes::Bytes;
use livecosmos::rows::Schema;
use livecosmos::sink::{Contents, DayCounts, Facts, Object, SchemaText, SinkError};
use livecosmos_state::{ChainName, Cursor, SiteId, TableName, Tie, Time};

/// Facts whose texts are as hard as they come: a tie of any characters, a time with nanoseconds.
pub(crate) fn facts(seq: u64) -> Facts {
    let time = Time::new(1_735_689_600, 123_456_789).expect("a time of 2025");
    Facts {
        table: TableName::parse("COSMOS.LEVEL1_SOILMET$#1").expect("a table name"),
        site: SiteId::parse("ALIC1").expect("a site id"),
        chain: ChainName::LIVE,
        seq,
        from: Cursor::Start,
        to: Cursor::Row { time, tie: Tie::Text(" Ä\t%41+\"\u{1f4a7}\\é=:;,\r\n ".to_owned()) },
        next: None,
        is_resend: false,
        rows: 7,
        last_data: time,
        digest: [0xa7; 32],
        config: "0123456789abcdef".to_owned(),
        instance: "0f".repeat(16),
        generation: u64::MAX,
        contents: Contents {
            first_data: Some(time),
            days: DayCounts::parse("2025-01-01:7"),
            time_column: Some("Zeit \u{1f4a7}%:,".into()),
            schema: Some(SchemaText::of(&Schema::untyped(
                ["Zeit \u{1f4a7}%:,".into(), "A".into()].into(),
                0,
                None,
            ))),
        },
    }
}

/// An object of these bytes, with facts of its own.
pub(crate) fn object(seq: u64, bytes: impl Into<Bytes>) -> Object {
    Object {
        bytes: bytes.into(),
        content_type: "application/x-ndjson",
        content_encoding: None,
        pace: None,
        facts: Arc::new(facts(seq)),
    }
}

/// The key of an object on the live chain.
pub(crate) fn key(seq: u64) -> String {
    format!("ALIC1/SOILMET$#1/{seq:020}.ndjson")
}

/// The kind of an error, for comparing.
pub(crate) fn kind(error: &SinkError) -> &'static str {
    match error {
        SinkError::Retry(_) | SinkError::Away(_) | SinkError::Busy { .. } | SinkError::Later { .. } => {
            "retry"
        }
        SinkError::Refused(_) => "refused",
        SinkError::Denied(_) => "denied",
        SinkError::Fatal(_) => "fatal",
    }
}
