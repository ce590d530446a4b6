//! The catalogue of [`super::tables`], and what of Oracle's SQL has to be said otherwise in `SQLite`.

use super::columns::declarations;
use super::{Fault, ora};

/// The views of the catalogue, with those of their columns that a follower may ask for.
pub(super) const VIEWS: [(&str, &str); 7] = [
    (
        "ALL_OBJECTS",
        "OWNER VARCHAR2(128), OBJECT_NAME VARCHAR2(128), OBJECT_TYPE VARCHAR2(23), TABLE_NAME VARCHAR2(128)",
    ),
    ("ALL_TABLES", "OWNER VARCHAR2(128), TABLE_NAME VARCHAR2(128), NUM_ROWS NUMBER"),
    ("ALL_VIEWS", "OWNER VARCHAR2(128), VIEW_NAME VARCHAR2(128), TABLE_NAME VARCHAR2(128)"),
    (
        "ALL_TAB_COLUMNS",
        "OWNER VARCHAR2(128), TABLE_NAME VARCHAR2(128), COLUMN_NAME VARCHAR2(128), DATA_TYPE VARCHAR2(128), \
         DATA_LENGTH NUMBER, DATA_PRECISION NUMBER, DATA_SCALE NUMBER, NULLABLE VARCHAR2(1), COLUMN_ID NUMBER, \
         CHAR_LENGTH NUMBER, CHAR_USED VARCHAR2(1), HIDDEN_COLUMN VARCHAR2(3), VIRTUAL_COLUMN VARCHAR2(3), \
         DATA_TYPE_OWNER VARCHAR2(128)",
    ),
    (
        "ALL_INDEXES",
        "OWNER VARCHAR2(128), INDEX_NAME VARCHAR2(128), INDEX_TYPE VARCHAR2(27), TABLE_OWNER VARCHAR2(128), \
         TABLE_NAME VARCHAR2(128), UNIQUENESS VARCHAR2(9), STATUS VARCHAR2(8), VISIBILITY VARCHAR2(9)",
    ),
    (
        "ALL_IND_COLUMNS",
        "INDEX_OWNER VARCHAR2(128), INDEX_NAME VARCHAR2(128), TABLE_OWNER VARCHAR2(128), \
         TABLE_NAME VARCHAR2(128), COLUMN_NAME VARCHAR2(4000), COLUMN_POSITION NUMBER, DESCEND VARCHAR2(4)",
    ),
    (
        "ALL_SYNONYMS",
        "OWNER VARCHAR2(128), SYNONYM_NAME VARCHAR2(128), TABLE_OWNER VARCHAR2(128), TABLE_NAME VARCHAR2(128)",
    ),
];

/// Statements that enter a table into the catalogue.
pub(super) fn of_table(schema: &str, table: &str, declared: &str) -> Vec<String> {
    let mut entries = vec![
        format!("INSERT INTO SYS.ALL_OBJECTS VALUES ('{schema}', '{table}', 'TABLE', '{table}')"),
        format!("INSERT INTO SYS.ALL_TABLES VALUES ('{schema}', '{table}', NULL)"),
    ];
    entries.extend(declarations(declared).enumerate().map(|(at, (name, kind, is_nullable))| {
        let sizes: Vec<&str> =
            kind.split(['(', ')']).nth(1).map_or(Vec::new(), |sizes| sizes.split(',').collect());
        let size = |at: usize| sizes.get(at).map_or("NULL", |size| size.trim());
        let is_number = kind.starts_with("NUMBER") || kind.starts_with("FLOAT");
        let is_text = kind.contains("CHAR");
        // The dictionary spells the digits of a time within the type, other sizes beside it.
        let is_time = kind.starts_with("TIMESTAMP") || kind.starts_with("INTERVAL");
        let spelled = if is_time { kind.as_str() } else { kind.split('(').next().unwrap_or_default() };
        let precision = if is_number { size(0) } else { "NULL" };
        let scale = match () {
            () if is_number && sizes.len() == 1 => "0",
            () if is_number => size(1),
            () if is_time => size(0),
            () => "NULL",
        };
        let (length, characters) = if is_text { (size(0), size(0)) } else { ("22", "0") };
        let nullable = if is_nullable { 'Y' } else { 'N' };
        let used = if is_text { "'B'" } else { "NULL" };
        format!(
            "INSERT INTO SYS.ALL_TAB_COLUMNS VALUES ('{schema}', '{table}', '{name}', '{spelled}', {length}, \
             {precision}, {scale}, '{nullable}', {}, {characters}, {used}, 'NO', 'NO', NULL)",
            at + 1
        )
    }));
    entries
}

/// Statements that enter an index into the catalogue.
pub(super) fn of_index(
    schema: &str,
    name: &str,
    table: &str,
    columns: &[&str],
    is_unique: bool,
) -> Vec<String> {
    let uniqueness = if is_unique { "UNIQUE" } else { "NONUNIQUE" };
    let mut entries = vec![format!(
        "INSERT INTO SYS.ALL_INDEXES VALUES ('{schema}', '{name}', 'NORMAL', '{schema}', '{table}', \
         '{uniqueness}', 'VALID', 'VISIBLE')"
    )];
    entries.extend(columns.iter().enumerate().map(|(at, column)| {
        format!(
            "INSERT INTO SYS.ALL_IND_COLUMNS VALUES ('{schema}', '{name}', '{schema}', '{table}', '{column}', {}, \
             'ASC')",
            at + 1
        )
    }));
    entries
}

/// `sql` as `SQLite` understands it, or what Oracle would say where Oracle would not.
pub(super) fn in_sqlite(sql: &str) -> Result<String, Fault> {
    if sql.trim_end().ends_with(';') {
        return Err(ora(933, "SQL command not properly ended"));
    }
    let words: Vec<&str> = sql.split_whitespace().collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|found| found.eq_ignore_ascii_case(word));
    let mut spelled: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let is_alias = (is(at, "FROM") || is(at, "JOIN")) && is(at + 2, "AS");
        if is_alias || is(at, "LIMIT") {
            return Err(ora(933, "SQL command not properly ended"));
        }
        let is_portion = is(at, "FETCH") && (is(at + 3, "ROWS") || is(at + 3, "ROW")) && is(at + 4, "ONLY");
        if is_portion {
            spelled.extend(["LIMIT", words[at + 2]]);
            at += 5;
            continue;
        }
        spelled.push(words[at]);
        at += 1;
    }
    let mut spelled = spelled.join(" ");
    for (oracle, sqlite) in [("SYSTIMESTAMP", "SYSTIMESTAMP()"), ("SYSDATE", "SUBSTR(SYSTIMESTAMP(), 1, 19)")]
    {
        spelled = spelled.replace(oracle, sqlite);
    }
    Ok(spelled)
}
