//! Columns of a result, from declarations as in CREATE TABLE.

/// A column as the client library describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Oracle's number of its type.
    pub(super) code: u16,
    pub(super) charset_form: u8,
    pub(super) precision: u16,
    /// Digits behind the point; of a second, where it is a time.
    pub(super) scale: i8,
    pub(super) bytes: u16,
    pub(super) characters: u16,
    pub(super) is_nullable: bool,
}

/// Reads `NAME TYPE[(n[, m])] [NOT NULL], …`.
pub fn columns(declared: &str) -> Vec<Column> {
    declarations(declared).map(|(name, kind, is_nullable)| column(name, &kind, is_nullable)).collect()
}

/// Name, type and whether it may be null, of each column that is declared.
pub fn declarations(declared: &str) -> impl Iterator<Item = (String, String, bool)> {
    let mut depth = 0;
    let parts = declared.split(move |letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    parts.map(|part| {
        let (name, kind) = part.trim().split_once(' ').unwrap_or_else(|| panic!("'{part}' has no type"));
        let kept = kind.trim().strip_suffix("NOT NULL");
        (name.to_owned(), kept.unwrap_or(kind).trim().to_owned(), kept.is_none())
    })
}

/// What NUMBER without a precision, and FLOAT, have in the place of a scale.
const FLOATING: i8 = -127;

fn column(name: String, kind: &str, is_nullable: bool) -> Column {
    let sizes = sizes(kind);
    let size = |at: usize, otherwise: i16| sizes.get(at).copied().unwrap_or(otherwise);
    let words: String = kind.split(['(', ')']).step_by(2).collect();
    let national = words.starts_with('N') && words != "NUMBER";
    let numeric = |code, precision: i16, scale| (code, precision.unsigned_abs(), scale, 0);
    let of_size = |code, size: i16| (code, 0, 0, size.unsigned_abs());
    let small = |number: i16| i8::try_from(number).expect("a scale is small");
    let (code, precision, scale, characters) = match words.as_str() {
        "VARCHAR2" | "NVARCHAR2" => of_size(1, size(0, 1)),
        "CHAR" | "NCHAR" => of_size(96, size(0, 1)),
        "RAW" => of_size(23, size(0, 1)),
        "NUMBER" if sizes.is_empty() => numeric(2, 0, FLOATING),
        "NUMBER" => numeric(2, size(0, 38), small(size(1, 0))),
        "FLOAT" => numeric(2, size(0, 126), FLOATING),
        "BINARY_FLOAT" => numeric(100, 0, 0),
        "BINARY_DOUBLE" => numeric(101, 0, 0),
        "DATE" => numeric(12, 0, 0),
        "TIMESTAMP" => numeric(187, 0, small(size(0, 6))),
        "TIMESTAMP WITH TIME ZONE" => numeric(188, 0, small(size(0, 6))),
        "TIMESTAMP WITH LOCAL TIME ZONE" => numeric(232, 0, small(size(0, 6))),
        "INTERVAL YEAR TO MONTH" => numeric(189, size(0, 2), 0),
        "INTERVAL DAY TO SECOND" => numeric(190, size(0, 2), small(size(1, 6))),
        "CLOB" | "NCLOB" => numeric(112, 0, 0),
        "BLOB" => numeric(113, 0, 0),
        "LONG" => numeric(8, 0, 0),
        "LONG RAW" => numeric(24, 0, 0),
        "ROWID" => numeric(104, 0, 0),
        other => panic!("'{other}' is no type this server knows"),
    };
    Column {
        name,
        code,
        charset_form: if national { 2 } else { 1 },
        precision,
        scale,
        // A national character takes two bytes in the database.
        bytes: if national { characters * 2 } else { characters },
        characters,
        is_nullable,
    }
}

/// The numbers in parentheses, in order.
fn sizes(kind: &str) -> Vec<i16> {
    let inner = kind.split(['(', ')']).skip(1).step_by(2);
    inner
        .flat_map(|sizes| sizes.split(','))
        .map(|size| size.trim().parse().expect("a size is a number"))
        .collect()
}
