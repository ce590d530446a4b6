//! The tables that play an Oracle database, behind a server that speaks its protocol.

use std::sync::Arc;

use super::oracle::tables::Tables;
use super::oracle::{self, Fault as OciFault};
use super::tns::{Answer, BindType, Cell, Column, Fault, OraError, Server, Setup, Statement, Time, Type};

/// A server of `tables`.
pub fn serve(tables: &Arc<Tables>) -> Server {
    let tables = Arc::clone(tables);
    Setup::new(move |statement| answer(&tables, statement)).start()
}

/// The answer of `tables` to a statement.
pub fn answer(tables: &Tables, statement: &Statement) -> Answer {
    let sql = without_casts(&statement.sql);
    if !sql.starts_with(['S', 'W']) || sql.starts_with("SET ") {
        return Answer::Done(0);
    }
    let binds = statement.binds.iter().map(|bind| oracle::Bind {
        name: bind.name.clone(),
        kind: match bind.kind {
            BindType::Number => "NUMBER".to_owned(),
            BindType::Timestamp => "TIMESTAMP".to_owned(),
            other => format!("{other:?}"),
        },
        value: bind.value.as_ref().map(|text| match bind.kind {
            BindType::Timestamp | BindType::Date => text.replace('T', " "),
            _ => text.clone(),
        }),
    });
    match tables.query(&sql, &binds.collect::<Vec<_>>()) {
        Ok((declared, rows)) => {
            let columns: Vec<Column> = oracle::declarations(&declared).map(column).collect();
            let row = |row: Vec<oracle::Cell>| row.into_iter().zip(&columns).map(cell).collect();
            let rows = rows.into_iter().map(row).collect();
            Answer::rows(columns, rows)
        }
        Err(OciFault::Error(code, message)) => Answer::error(OraError::new(code.unsigned_abs(), &message)),
        Err(_) => Answer::Fault(Fault::HangUp),
    }
}

/// The tables take what is bound as the type it has.
fn without_casts(sql: &str) -> String {
    let mut parts = sql.split("CAST(");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (inside, rest) = part.split_once(" AS DATE)").expect("only binds are cast, to dates");
        plain.push_str(inside);
        plain.push_str(rest);
    }
    plain
}

fn column((name, kind, is_nullable): (String, String, bool)) -> Column {
    let sizes: Vec<i16> = kind
        .split(['(', ')'])
        .nth(1)
        .map_or(Vec::new(), |sizes| sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect());
    let size = |at: usize, otherwise: i16| sizes.get(at).copied().unwrap_or(otherwise);
    let digits = || i8::try_from(size(0, 6)).expect("nine at most");
    let kind = match kind.split('(').next().unwrap_or_default() {
        "NUMBER" if sizes.is_empty() => Type::AnyNumber,
        "NUMBER" => Type::Number(
            u8::try_from(size(0, 38)).expect("38 at most"),
            i8::try_from(size(1, 0)).expect("a scale is small"),
        ),
        "DATE" => Type::Date,
        "TIMESTAMP" if kind.ends_with("WITH TIME ZONE") => Type::TimestampTz(digits()),
        "TIMESTAMP" => Type::Timestamp(digits()),
        "BLOB" => Type::Blob,
        _ => Type::Varchar2(u32::from(size(0, 4000).unsigned_abs())),
    };
    Column { name, kind, is_nullable }
}

fn cell((stored, column): (oracle::Cell, &Column)) -> Cell {
    let Some(bytes) = stored else { return Cell::Null };
    if column.kind == Type::Blob {
        return Cell::Bytes(bytes);
    }
    let text = String::from_utf8(bytes).expect("texts are UTF-8");
    match column.kind {
        Type::AnyNumber | Type::Number(..) => Cell::Number(text),
        Type::Date | Type::Timestamp(_) | Type::TimestampTz(_) => Cell::Time(time(&text)),
        _ => Cell::Text(text),
    }
}

/// From `2025-01-02 03:04:05.123456789 +00:00`.
fn time(text: &str) -> Time {
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().expect("digits");
    let small = |from: usize| u8::try_from(number(from, from + 2)).expect("two digits");
    let year = i32::try_from(number(0, 4)).expect("four digits");
    let fraction: String = text[19..].strip_prefix('.').unwrap_or_default().chars().take(9).collect();
    let nanos = format!("{fraction:0<9}").parse().expect("digits");
    Time::new((year, small(5), small(8)), (small(11), small(14), small(17)), nanos)
}
