//! Fits a file's header to the table's configuration.

use std::path::Path;
use std::sync::Arc;

use livecosmos_state::SiteId;

use super::fault::Fault;
use super::head::Header;
use crate::column_type::ColumnType;
use crate::rows::{Kind, Rows, Schema};
use crate::source::{SiteRule, TableShape, is_json_number};

/// Names of a header shown in a message at most.
const NAMES_SHOWN_MAX: usize = 20;
/// Similarity from which a name is offered as what was meant.
const SIMILAR_MIN: f64 = 0.8;

/// What the reader of a file's rows knows of its columns. Files that are alike share it.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) schema: Arc<Schema>,
    /// Whether a column's values are text whatever they look like.
    is_text: Vec<bool>,
    nulls: Nulls,
}

/// The texts that mean "no value". Most cells are told from all of them by their first byte.
#[derive(Debug)]
struct Nulls {
    is_empty_null: bool,
    begins: [bool; 256],
    texts: Vec<Box<str>>,
}

impl Nulls {
    fn new(texts: &[String]) -> Self {
        let mut begins = [false; 256];
        for text in texts {
            if let Some(first) = text.as_bytes().first() {
                begins[usize::from(*first)] = true;
            }
        }
        let is_empty_null = texts.iter().any(String::is_empty);
        Self { is_empty_null, begins, texts: texts.iter().map(|text| text.as_str().into()).collect() }
    }

    #[inline]
    fn contain(&self, text: &str) -> bool {
        match text.as_bytes().first() {
            None => self.is_empty_null,
            Some(first) => self.begins[usize::from(*first)] && self.texts.iter().any(|null| **null == *text),
        }
    }
}

impl Columns {
    /// Finds the columns that `shape` names.
    pub(super) fn fit(header: &Header, shape: &TableShape) -> Result<Self, Fault> {
        refuse_doubled_names(header)?;
        let time = find(header, "time", &shape.time_column)?;
        let site = match &shape.site {
            SiteRule::Column(name) => Some(find(header, "site", name)?),
            SiteRule::Fixed(_) | SiteRule::Template(_) => None,
        };
        if let Some(tie) = &shape.tie_column {
            find(header, "tie", tie)?;
        }
        let is_text = |(index, name): (usize, &str)| Some(index) == site || shape.text_columns.contains(name);
        Ok(Self {
            is_text: header.columns.iter().map(|name| &**name).enumerate().map(is_text).collect(),
            nulls: Nulls::new(&shape.null_values),
            schema: Arc::new(shape.schema(
                header.columns.iter().map(|name| (&**name, ColumnType::Text)),
                time,
                site,
            )),
        })
    }

    /// Number of fields in a row.
    pub(super) fn width(&self) -> usize {
        self.is_text.len()
    }

    /// Whether `text` means "no value".
    #[inline]
    pub(super) fn is_null(&self, text: &str) -> bool {
        self.nulls.contain(text)
    }

    /// Copies the cells of a row to where they belong. `bounds` has one pair per column.
    #[inline]
    pub(super) fn push(&self, text: &str, bounds: &[(u32, u32)], rows: &mut Rows) {
        for (index, ((start, end), is_text)) in bounds.iter().zip(&self.is_text).enumerate() {
            let cell = &text[*start as usize..*end as usize];
            if index == self.schema.time {
                rows.push(Kind::Text, "");
            } else if self.is_null(cell) {
                rows.push(Kind::Null, "");
            } else if !is_text && is_json_number(cell.as_bytes()) {
                rows.push(Kind::Number, cell);
            } else {
                rows.push(Kind::Text, cell);
            }
        }
    }
}

/// The site that the configuration, a file's name or its header gives; `None` where a column holds it.
pub(super) fn site_of_file(rule: &SiteRule, header: &Header, path: &Path) -> Result<Option<SiteId>, Fault> {
    let template = match rule {
        SiteRule::Column(_) => return Ok(None),
        SiteRule::Fixed(site) => return Ok(Some(site.clone())),
        SiteRule::Template(template) => template,
    };
    let station = header.toa5.as_ref().map(|toa5| &*toa5.station);
    if template.contains("{station}") && station.is_none() {
        let what =
            format!("has no TOA5 header, and site = \"{template}\" needs one; set site_column or site");
        return Err(Fault::config(what));
    }
    let text = template.replace("{station}", station.unwrap_or_default());
    let text = text.replace("{file_stem}", &file_stem(path));
    let invalid = |error| Fault::config(format!("gives no site: {error}; rename the file or set site"));
    SiteId::parse(&text).map(Some).map_err(invalid)
}

/// The name under which a file is written before it is rotated: `a.csv` of `a.csv.1`,
/// `a.csv-20250101` and `a.csv.1.gz`.
pub(super) fn name_before_rotation(name: &str) -> &str {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let base = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let is_rotated = base.len() < name.len() && base.ends_with(['.', '-']);
    match base.get(..base.len().saturating_sub(1)) {
        Some(before) if is_rotated && before.contains('.') => before,
        _ => name,
    }
}

/// A file's name without its extension and what rotation and compression add.
fn file_stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let base = name_before_rotation(&name);
    base.rsplit_once('.').map_or(base, |(stem, _)| stem).to_owned()
}

fn find(header: &Header, role: &str, name: &str) -> Result<usize, Fault> {
    let position = header.columns.iter().position(|column| **column == *name);
    position.ok_or_else(|| Fault::config(missing(header, role, name)))
}

fn missing(header: &Header, role: &str, name: &str) -> String {
    let similar = header
        .columns
        .iter()
        .map(|column| (strsim::jaro_winkler(&column.to_lowercase(), &name.to_lowercase()), column))
        .filter(|(similarity, _)| *similarity >= SIMILAR_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = similar.map_or(String::new(), |(_, column)| format!("; did you mean '{column}'?"));
    let shown =
        header.columns.iter().take(NAMES_SHOWN_MAX).map(|name| &**name).collect::<Vec<_>>().join(", ");
    let more = match header.columns.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("has no column '{name}', which {role}_column names{hint}; its columns are: {shown}{more}")
}

/// Two columns of one name cannot be told apart in an object.
fn refuse_doubled_names(header: &Header) -> Result<(), Fault> {
    let mut names: Vec<&str> = header.columns.iter().map(|name| &**name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => {
            let what = format!("has two columns named '{}'; rename one of them in the header", pair[0]);
            Err(Fault::config(what))
        }
    }
}
