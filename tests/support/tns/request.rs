//! What a client asks: the functions of TTC, and what it lets ride along with them.

use super::binds::Declared;
use super::wire::{Incomplete, Reader};

/// TTC field versions from which on a message has more in it.
pub mod version {
    pub const V12_2: u8 = 8;
    pub const V12_2_CHUNKS: u8 = 9;
    pub const V20_1: u8 = 14;
    pub const V23_1: u8 = 17;
    pub const V23_1_TOKENS: u8 = 18;
    pub const V23_1_ANNOTATIONS: u8 = 20;
    pub const V23_4: u8 = 24;
}

const FUNCTION: u8 = 3;
const ROW_DATA: u8 = 7;
const PIGGYBACK: u8 = 17;
const LOB_DATA: u8 = 14;

const OPTION_PARSE: u64 = 0x01;
const OPTION_DEFINE: u64 = 0x10;
const OPTION_EXECUTE: u64 = 0x20;
const OPTION_FETCH: u64 = 0x40;

const LOB_CREATE_TEMPORARY: u64 = 0x0110;

/// One call of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Parses, executes, defines, fetches, as the options say.
    Execute(Execute),
    /// Executes an open cursor again.
    Again(Again),
    /// Fetches more rows of a cursor.
    Fetch {
        cursor: u16,
        rows: usize,
    },
    /// Works on a LOB.
    Lob(LobCall),
    Commit,
    Rollback,
    Ping,
    LogOff,
    /// Any other, by its number.
    Unknown(u8),
}

/// A full execute.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Execute {
    pub cursor: u16,
    pub sql: Option<String>,
    pub parses: bool,
    pub executes: bool,
    pub fetches: bool,
    pub rows: usize,
    pub declared: Vec<Declared>,
    pub values: Vec<Vec<u8>>,
    pub defines: Option<Vec<Declared>>,
}

/// A short execute: everything is as it was, but the values of the binds.
#[derive(Debug, PartialEq, Eq)]
pub struct Again {
    pub cursor: u16,
    pub rows: usize,
    pub fetches: bool,
    pub values: Vec<Vec<u8>>,
}

/// A call on a LOB.
#[derive(Debug, PartialEq, Eq)]
pub struct LobCall {
    pub locator: Vec<u8>,
    pub operation: u64,
    /// From 1, in bytes or UTF-16 units.
    pub offset: u64,
    pub amount: Option<u64>,
}

/// A message: the call, and what rode along with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Cursors that were closed.
    pub closed: Vec<u16>,
    /// Module, action and their like.
    pub labels: Vec<String>,
    pub request: Request,
}

/// Reads a whole message of a session that has agreed on `field_version`. `bind_count` knows how many
/// values follow when a cursor is executed again.
pub fn read(
    bytes: &[u8],
    field_version: u8,
    bind_count: impl Fn(u16) -> usize,
) -> Result<Message, Incomplete> {
    let mut reader = Reader::new(bytes);
    let (mut closed, mut labels) = (Vec::new(), Vec::new());
    loop {
        let kind = reader.u8()?;
        let function = head(&mut reader, field_version)?;
        match kind {
            PIGGYBACK => piggyback(&mut reader, function, &mut closed, &mut labels)?,
            FUNCTION => {
                let request = call(&mut reader, function, field_version, &bind_count)?;
                return Ok(Message { closed, labels, request });
            }
            other => panic!("a client sent a message of type {other}"),
        }
    }
}

/// Reads a function's number, sequence number and, where there is one, token.
pub fn head(reader: &mut Reader<'_>, field_version: u8) -> Result<u8, Incomplete> {
    let function = reader.u8()?;
    reader.u8()?;
    if field_version >= version::V23_1_TOKENS {
        reader.uint()?;
    }
    Ok(function)
}

fn piggyback(
    reader: &mut Reader<'_>,
    function: u8,
    closed: &mut Vec<u16>,
    labels: &mut Vec<String>,
) -> Result<(), Incomplete> {
    match function {
        105 => {
            reader.u8()?;
            for _ in 0..reader.uint()? {
                closed.push(cursor(reader)?);
            }
        }
        135 => {
            reader.raw(2)?;
            reader.uint()?;
            let mut present = 0;
            for _ in 0..9 {
                reader.u8()?;
                present += usize::from(reader.uint()? > 0);
            }
            for _ in 0..present {
                labels.push(String::from_utf8_lossy(&reader.bytes()?).into_owned());
            }
        }
        other => panic!("a client sent piggyback {other}, which this server does not offer"),
    }
    Ok(())
}

fn call(
    reader: &mut Reader<'_>,
    function: u8,
    field_version: u8,
    bind_count: &impl Fn(u16) -> usize,
) -> Result<Request, Incomplete> {
    Ok(match function {
        94 => Request::Execute(execute(reader, field_version)?),
        4 | 78 => {
            let (cursor, rows) = (cursor(reader)?, reader.count()?);
            reader.skip_uints(2)?;
            let values = values(reader, bind_count(cursor))?;
            Request::Again(Again { cursor, rows, fetches: function == 78, values })
        }
        5 => Request::Fetch { cursor: cursor(reader)?, rows: reader.count()? },
        96 => Request::Lob(lob(reader)?),
        14 => Request::Commit,
        15 => Request::Rollback,
        147 => Request::Ping,
        9 => Request::LogOff,
        other => Request::Unknown(other),
    })
}

fn cursor(reader: &mut Reader<'_>) -> Result<u16, Incomplete> {
    Ok(u16::try_from(reader.uint()?).expect("this server gives small numbers to cursors"))
}

fn execute(reader: &mut Reader<'_>, field_version: u8) -> Result<Execute, Incomplete> {
    let options = reader.uint()?;
    let cursor = cursor(reader)?;
    reader.u8()?;
    let sql_bytes = reader.uint()?;
    reader.raw(1)?;
    let vector_count = reader.count()?;
    reader.raw(2)?;
    reader.uint()?;
    let rows = reader.count()?;
    reader.uint()?;
    reader.u8()?;
    let bind_count = reader.count()?;
    reader.raw(5)?;
    reader.u8()?;
    let define_count = reader.count()?;
    rest_of_head(reader, field_version)?;
    let sql = if sql_bytes > 0 { Some(reader.bytes()?) } else { None };
    reader.skip_uints(vector_count)?;
    let declarations = if define_count > 0 { define_count } else { bind_count };
    let has_column_id = field_version >= version::V12_2;
    let mut declared =
        (0..declarations).map(|_| Declared::read(reader, has_column_id)).collect::<Result<Vec<_>, _>>()?;
    let defines = (options & OPTION_DEFINE != 0).then(|| std::mem::take(&mut declared));
    let values = values(reader, declared.len())?;
    Ok(Execute {
        cursor,
        sql: sql.map(|sql| String::from_utf8(sql).expect("statements are UTF-8")),
        parses: options & OPTION_PARSE != 0,
        executes: options & OPTION_EXECUTE != 0,
        fetches: options & OPTION_FETCH != 0,
        rows,
        declared,
        values,
        defines,
    })
}

/// Parts of the execute that are of no use here.
fn rest_of_head(reader: &mut Reader<'_>, field_version: u8) -> Result<(), Incomplete> {
    reader.uint()?; // registration
    reader.raw(3)?;
    reader.uint()?;
    reader.u8()?;
    reader.skip_uints(2)?;
    reader.u8()?;
    reader.uint()?;
    reader.u8()?;
    if field_version >= version::V12_2 {
        reader.u8()?;
        reader.uint()?;
        reader.u8()?;
        reader.uint()?;
        reader.u8()?;
    }
    if field_version >= version::V12_2_CHUNKS {
        reader.u8()?;
        reader.uint()?;
    }
    Ok(())
}

fn values(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Vec<u8>>, Incomplete> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let kind = reader.u8()?;
    assert_eq!(kind, ROW_DATA, "values follow their declarations");
    (0..count).map(|_| reader.bytes()).collect()
}

fn lob(reader: &mut Reader<'_>) -> Result<LobCall, Incomplete> {
    reader.u8()?;
    let locator_bytes = reader.count()?;
    reader.u8()?;
    reader.skip_uints(3)?;
    reader.raw(3)?;
    let operation = reader.uint()?;
    reader.raw(2)?;
    let offset = reader.uint()?;
    reader.uint()?;
    let has_amount = reader.u8()? != 0;
    reader.raw(6)?;
    let locator = reader.raw(locator_bytes)?.to_vec();
    if operation == LOB_CREATE_TEMPORARY {
        reader.uint()?;
    }
    let amount = if has_amount { Some(reader.uint()?) } else { None };
    assert!(reader.is_at_end() || reader.u8()? != LOB_DATA, "this server writes no LOB");
    Ok(LobCall { locator, operation, offset, amount })
}
