//! Reads what a run stored, from a folder or from S3, into rows, and says which rows are missing,
//! doubled or foreign.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use serde_json::value::RawValue;

use super::s3_client::S3Client;

/// The folder of claims beside the objects of a local sink; what is in it is not an object.
const CLAIMS: &str = ".livecosmos";
/// How many rows of each kind a difference shows.
const SHOWN_MAX: usize = 5;

/// One stored row: a line of an ndjson object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The key of its object.
    pub object: String,
    /// The line as it is stored, without its line end.
    pub line: String,
}

impl StoredRow {
    /// Its columns, with each value spelled as it is stored (strings with their quotes).
    pub fn fields(&self) -> BTreeMap<String, String> {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&self.line)
            .unwrap_or_else(|error| panic!("{} holds no JSON object ({error}): {}", self.object, self.line));
        fields.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
    }

    /// One column as text: a string without its quotes, anything else as it is spelled.
    pub fn text(&self, column: &str) -> String {
        let fields = self.fields();
        let value = fields.get(column).unwrap_or_else(|| panic!("no column {column:?} in {}", self.line));
        serde_json::from_str::<String>(value).unwrap_or_else(|_| value.clone())
    }
}

/// The objects under `folder`: key (path from the folder) to stored bytes.
pub fn in_folder(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut objects = BTreeMap::new();
    collect(folder, folder, &mut objects);
    objects
}

/// The objects of a bucket whose keys begin with `prefix`: key to stored bytes.
pub fn in_bucket(client: &S3Client, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let read = |key: String| {
        let object = client.get(&key).unwrap_or_else(|| panic!("{key} is listed but not there"));
        (key, object.body)
    };
    client.list(prefix).into_iter().map(read).collect()
}

/// The rows of ndjson objects, in the order of the keys, then of the lines. Compression is recognised
/// by its magic number, not by the key.
pub fn rows(objects: &BTreeMap<String, Vec<u8>>) -> Vec<StoredRow> {
    let mut rows = Vec::new();
    for (key, stored) in objects {
        let text =
            String::from_utf8(uncompressed(key, stored)).unwrap_or_else(|_| panic!("{key} is not UTF-8"));
        assert!(text.is_empty() || text.ends_with('\n'), "the last line of {key} is cut off");
        rows.extend(text.lines().map(|line| StoredRow { object: key.clone(), line: line.to_owned() }));
    }
    rows
}

/// The bytes of an object before compression.
pub fn uncompressed(key: &str, stored: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = match stored {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(stored).read_to_end(&mut bytes),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            zstd::Decoder::new(stored).and_then(|mut decoder| decoder.read_to_end(&mut bytes))
        }
        _ => return stored.to_vec(),
    };
    read.unwrap_or_else(|error| panic!("{key} is not whole: {error}"));
    bytes
}

/// What is wrong with a set of stored rows. Empty when every expected row is stored once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Expected and not stored.
    pub missing: Vec<String>,
    /// Stored more often than expected, with the objects they are in.
    pub doubled: Vec<(String, Vec<String>)>,
    /// Stored and not expected, with the object they are in.
    pub foreign: Vec<(String, String)>,
}

impl Difference {
    /// True when every expected row is stored exactly once.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, doubled, foreign } = self;
        writeln!(
            out,
            "{} rows missing, {} doubled, {} foreign",
            missing.len(),
            doubled.len(),
            foreign.len()
        )?;
        for row in missing.iter().take(SHOWN_MAX) {
            writeln!(out, "  missing: {row}")?;
        }
        for (row, objects) in doubled.iter().take(SHOWN_MAX) {
            writeln!(out, "  doubled: {row} in {}", objects.join(", "))?;
        }
        for (row, object) in foreign.iter().take(SHOWN_MAX) {
            writeln!(out, "  foreign: {row} in {object}")?;
        }
        Ok(())
    }
}

/// Compares what is stored with what should be. `expected` names each row (twice, if the source has it
/// twice); `name` gives the name of a stored row.
pub fn difference(
    expected: impl IntoIterator<Item = String>,
    stored: &[StoredRow],
    name: impl Fn(&StoredRow) -> String,
) -> Difference {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    for row in expected {
        *wanted.entry(row).or_default() += 1;
    }
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in stored {
        found.entry(name(row)).or_default().push(row.object.clone());
    }
    let mut difference = Difference::default();
    for (row, count) in &wanted {
        let times = found.get(row).map_or(0, Vec::len);
        difference.missing.extend((times..*count).map(|_| row.clone()));
    }
    for (row, objects) in found {
        match wanted.get(&row) {
            Some(count) if objects.len() <= *count => {}
            Some(_) => difference.doubled.push((row, objects)),
            None => difference.foreign.extend(objects.into_iter().map(|object| (row.clone(), object))),
        }
    }
    difference
}

/// Panics with the difference unless every expected row is stored exactly once.
pub fn assert_exactly_once(
    expected: impl IntoIterator<Item = String>,
    stored: &[StoredRow],
    name: impl Fn(&StoredRow) -> String,
) {
    let difference = difference(expected, stored, name);
    assert!(difference.is_none(), "{difference}");
}

fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("the folder of the objects is readable") {
        let path = entry.expect("a folder entry is readable").path();
        if path.file_name().is_some_and(|name| name == CLAIMS) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, objects);
        } else {
            let key = path.strip_prefix(root).expect("a path under the root").to_string_lossy();
            objects.insert(key.into_owned(), std::fs::read(&path).expect("an object is readable"));
        }
    }
}
