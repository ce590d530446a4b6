//! What is spelled alike in formats 1 and 2: frozen with them.

use serde::{Deserialize, Serialize};

use super::words;
use crate::cursor::{Cursor, FileId, Tie};
use crate::record::{FilePosition, SourceFile};
use crate::time::Time;

#[derive(Serialize, Deserialize)]
pub(super) enum CursorV1<'a> {
    Start,
    Row {
        time: TimeV1,
        #[serde(borrow)]
        tie: TieV1<'a>,
    },
    File {
        file: u64,
        offset: u64,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) enum TieV1<'a> {
    None,
    Integer(i64),
    Text(&'a str),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct TimeV1 {
    seconds: i64,
    nanos: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct FilePositionV1 {
    file: u64,
    offset: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SourceFileV1<'a> {
    path: &'a str,
    file: u64,
    covered: u64,
    check: u64,
    floor_until: u64,
}

impl<'a> CursorV1<'a> {
    pub(super) fn of(cursor: &'a Cursor) -> Self {
        match cursor {
            Cursor::Start => Self::Start,
            Cursor::Row { time, tie } => Self::Row { time: TimeV1::of(*time), tie: TieV1::of(tie) },
            Cursor::File { file, offset } => Self::File { file: file.0, offset: *offset },
        }
    }

    pub(super) fn checked(self) -> Result<Cursor, String> {
        Ok(match self {
            Self::Start => Cursor::Start,
            Self::Row { time, tie } => Cursor::Row { time: time.checked()?, tie: tie.plain() },
            Self::File { file, offset } => Cursor::File { file: FileId(file), offset },
        })
    }
}

impl<'a> TieV1<'a> {
    fn of(tie: &'a Tie) -> Self {
        match tie {
            Tie::None => Self::None,
            Tie::Integer(value) => Self::Integer(*value),
            Tie::Text(text) => Self::Text(text),
        }
    }

    fn plain(self) -> Tie {
        match self {
            Self::None => Tie::None,
            Self::Integer(value) => Tie::Integer(value),
            Self::Text(text) => Tie::Text(text.to_owned()),
        }
    }
}

impl TimeV1 {
    pub(super) fn of(time: Time) -> Self {
        Self { seconds: time.seconds, nanos: time.nanos }
    }

    pub(super) fn checked(self) -> Result<Time, String> {
        Time::new(self.seconds, self.nanos).map_err(words)
    }
}

impl FilePositionV1 {
    pub(super) fn of(at: &FilePosition) -> Self {
        let FilePosition { file, offset } = at;
        Self { file: file.0, offset: *offset }
    }

    pub(super) fn plain(self) -> FilePosition {
        FilePosition { file: FileId(self.file), offset: self.offset }
    }
}

impl<'a> SourceFileV1<'a> {
    pub(super) fn of(file: &'a SourceFile) -> Self {
        let SourceFile { path, file, covered, check, floor_until } = file;
        Self { path, file: file.0, covered: *covered, check: *check, floor_until: *floor_until }
    }

    pub(super) fn plain(self) -> SourceFile {
        SourceFile {
            path: self.path.to_owned(),
            file: FileId(self.file),
            covered: self.covered,
            check: self.check,
            floor_until: self.floor_until,
        }
    }
}

/// A time that may be missing, as it is written.
pub(super) fn time_of(time: Option<Time>) -> Option<TimeV1> {
    time.map(TimeV1::of)
}

/// A time that may be missing, checked.
pub(super) fn checked_time(time: Option<TimeV1>) -> Result<Option<Time>, String> {
    time.map(TimeV1::checked).transpose()
}
