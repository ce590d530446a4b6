//! The `[source]` section.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::SourceSettings;
use super::super::path::{expand, folder_of, resolve};
use super::super::raw::{RawSource, RawTable, RawTimeUnit, SourceKind};
use super::{Check, Checked};
use crate::source::{SiteRule, TableShape, csv, sqlite};

impl Check<'_> {
    /// Which source the section names, and its identity.
    pub(super) fn source(&self, table: &RawTable, shape: &TableShape) -> Checked<(SourceSettings, String)> {
        let raw = &table.source;
        let remedy = "set kind = \"csv\", \"sqlite\", \"postgres\", \"mysql\" or \"oracle\" under [source]";
        // The predecessor knew no other kind.
        if raw.kind.is_none() && raw.dsn.is_some() {
            return self.oracle(table, shape);
        }
        let kind = self.required(raw.kind.as_ref(), "source.kind", remedy)?;
        match kind.get_ref() {
            SourceKind::Csv | SourceKind::Sqlite => self.is_for_file(raw)?,
            SourceKind::Postgres => return self.postgres(table, shape),
            SourceKind::Mysql => return self.mysql(table, shape),
            SourceKind::Oracle => return self.oracle(table, shape),
        }
        let remedy = "set path under [source], such as \"data/{table}.csv\"";
        let written = self.required(raw.path.as_ref(), "source.path", remedy)?;
        self.text(Some(written), "path")?;
        let path = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        let path = resolve(&folder_of(self.document.path()), &path);

        // A path, unlike an account, holds no secret.
        let by_place = |kind: &str| format!("{kind}:{}", path.display());
        let id = self.text(raw.id.as_ref(), "id")?;
        if *kind.get_ref() == SourceKind::Csv {
            let id = id.unwrap_or_else(|| by_place("csv"));
            return Ok((SourceSettings::Csv(self.csv(raw, written, path, shape)?), id));
        }
        let id = id.unwrap_or_else(|| by_place("sqlite"));
        Ok((SourceSettings::Sqlite(self.sqlite(raw, shape, path)?), id))
    }

    fn csv(
        &self,
        raw: &RawSource,
        written: &Spanned<String>,
        path: PathBuf,
        shape: &TableShape,
    ) -> Checked<csv::Settings> {
        if let Some(unit) = &raw.time_unit {
            return Err(self.at(unit, "a file holds times as text, which have no unit; remove this key"));
        }
        let delimiter = self.delimiter(raw.delimiter.as_ref())?;
        let folder = folder_of(self.document.path());
        let own = path
            .strip_prefix(&folder)
            .ok()
            .filter(|own| is_pattern(own) && !Path::new(written.get_ref()).is_absolute());
        // Of a pattern beside the configuration, the folder is meant as it is.
        let path = own
            .map(|own| Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(own))
            .unwrap_or(path);
        let settings = csv::Settings { path, delimiter };
        // It reads nothing, and is the one place that knows patterns.
        csv::CsvSource::open(settings.clone(), shape.clone()).map_err(|error| self.at(written, error))?;
        Ok(settings)
    }

    fn sqlite(&self, raw: &RawSource, shape: &TableShape, path: PathBuf) -> Checked<sqlite::Settings> {
        if let Some(delimiter) = &raw.delimiter {
            return Err(self.at(delimiter, "a database has no delimiter; remove this key"));
        }
        if let SiteRule::Template(template) = &shape.site {
            let what = format!("site = \"{template}\" is for files, and the source is a database");
            return Err(self.document.error(
                &self.header,
                what,
                "set site_column, or site to the one site's id",
            ));
        }
        Ok(sqlite::Settings { path, time_unit: self.time_unit(raw) })
    }

    /// Unit of times that are whole numbers.
    #[expect(clippy::unused_self, reason = "a check as the others are")]
    pub(super) fn time_unit(&self, raw: &RawSource) -> sqlite::TimeUnit {
        match raw.time_unit.as_ref().map(Spanned::get_ref) {
            None | Some(RawTimeUnit::S) => sqlite::TimeUnit::Seconds,
            Some(RawTimeUnit::Ms) => sqlite::TimeUnit::Milliseconds,
            Some(RawTimeUnit::Us) => sqlite::TimeUnit::Microseconds,
        }
    }

    fn delimiter(&self, raw: Option<&Spanned<String>>) -> Checked<u8> {
        let Some(raw) = raw else { return Ok(b',') };
        match raw.get_ref().as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
            _ => {
                Err(self.at(raw, "delimiter is not one ASCII character; use \",\", \";\", \"|\" or \"\\t\""))
            }
        }
    }
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}
