//! Fits a file's header to the table's configuration.

use std::path::Path;
use std::sync::Arc;

use livecosmos_state::SiteId;

use super::fault::Fault;
use super::head::Header;
use crate::rows::{Kind, Schema};
use crate::source::{SiteRule, TableShape, is_json_number};

/// Names of a header shown in a message at most.
const NAMES_SHOWN_MAX: usize = 20;
/// Similarity from which a name is offered as what was meant.
const SIMILAR_MIN: f64 = 0.8;

/// What the reader of a file's rows knows of its columns.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) schema: Arc<Schema>,
    /// The site of all rows, where no column holds it.
    pub(super) fixed_site: Option<SiteId>,
    /// Whether a column's values are text whatever they look like.
    is_text: Vec<bool>,
    null_values: Vec<Box<str>>,
}

impl Columns {
    /// Finds the columns that `shape` names. `path` is where the file is configured to be.
    pub(super) fn fit(header: &Header, shape: &TableShape, path: &Path) -> Result<Self, Fault> {
        refuse_doubled_names(header)?;
        let time = find(header, "time", &shape.time_column)?;
        let site = match &shape.site {
            SiteRule::Column(name) => Some(find(header, "site", name)?),
            SiteRule::Fixed(_) | SiteRule::Template(_) => None,
        };
        if let Some(tie) = &shape.tie_column {
            find(header, "tie", tie)?;
        }
        let is_text =
            |(index, name): (usize, &Box<str>)| Some(index) == site || shape.text_columns.contains(&**name);
        Ok(Self {
            fixed_site: site_of_file(&shape.site, header, path)?,
            is_text: header.columns.iter().enumerate().map(is_text).collect(),
            null_values: shape.null_values.iter().map(|text| text.as_str().into()).collect(),
            schema: Arc::new(Schema { columns: header.columns.clone().into(), time, site }),
        })
    }

    /// Number of fields in a row.
    pub(super) fn width(&self) -> usize {
        self.is_text.len()
    }

    /// Whether `text` means "no value".
    #[inline]
    pub(super) fn is_null(&self, text: &str) -> bool {
        self.null_values.iter().any(|null| **null == *text)
    }

    /// What the cell `text` of column `index` is.
    #[inline]
    pub(super) fn kind(&self, index: usize, text: &str) -> Kind {
        if self.is_null(text) {
            Kind::Null
        } else if !self.is_text[index] && is_json_number(text.as_bytes()) {
            Kind::Number
        } else {
            Kind::Text
        }
    }
}

/// The site that a file's name or header gives, as text; `None` where a column holds it.
pub(super) fn site_text(rule: &SiteRule, header: &Header, path: &Path) -> Result<Option<String>, Fault> {
    let template = match rule {
        SiteRule::Column(_) => return Ok(None),
        SiteRule::Fixed(site) => return Ok(Some(site.as_str().to_owned())),
        SiteRule::Template(template) => template,
    };
    let station = header.toa5.as_ref().map(|toa5| &*toa5.station);
    if template.contains("{station}") && station.is_none() {
        let what = format!("has no TOA5 header, and site = \"{template}\" needs one; set site_column or site");
        return Err(Fault::config(what));
    }
    let text = template.replace("{station}", station.unwrap_or_default());
    Ok(Some(text.replace("{file_stem}", &file_stem(path))))
}

fn site_of_file(rule: &SiteRule, header: &Header, path: &Path) -> Result<Option<SiteId>, Fault> {
    let Some(text) = site_text(rule, header, path)? else { return Ok(None) };
    let site = SiteId::parse(&text)
        .map_err(|error| Fault::config(format!("gives no site: {error}; rename the file or set site")))?;
    Ok(Some(site))
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
    let mut names = header.columns.iter().take(NAMES_SHOWN_MAX).map(|name| &**name).collect::<Vec<_>>().join(", ");
    if header.columns.len() > NAMES_SHOWN_MAX {
        names += &format!(" and {} more", header.columns.len() - NAMES_SHOWN_MAX);
    }
    format!("has no column '{name}', which {role}_column names{hint}; its columns are: {names}")
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
