//! The keys of a table itself: its columns, its sites, its time.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use livecosmos_state::SiteId;
use toml::Spanned;

use super::super::document::most_like;
use super::super::raw::{RawFold, RawTable};
use super::{Check, Checked, columns};
use crate::source::{Fold, Limits, SiteRule, TableShape, TimeReader};

const NULL_VALUES_DEFAULT: [&str; 3] = ["", "NA", "NAN"];

/// What may stand in `site` besides an id.
const SITE_TEMPLATES: [&str; 2] = ["{station}", "{file_stem}"];

impl Check<'_> {
    /// How the table's rows are read.
    pub(super) fn shape(
        &self,
        raw: &RawTable,
        time: TimeReader,
        (future_tolerance_s, settle_s): (i64, i64),
        limits: Limits,
    ) -> Checked<TableShape> {
        let remedy = "set time_column to the name of the column that holds the time";
        let time_column = self.required(raw.time_column.as_ref(), "time_column", remedy)?;
        self.text(Some(time_column), "time_column")?;
        self.columns_differ(raw, time_column)?;
        let null_values = raw.null_values.clone();
        Ok(TableShape {
            table: self.table.clone(),
            site: self.site_rule(raw)?,
            time_column: time_column.get_ref().clone(),
            tie_column: self.text(raw.tie_column.as_ref(), "tie_column")?,
            time,
            null_values: null_values.unwrap_or_else(|| NULL_VALUES_DEFAULT.map(str::to_owned).to_vec()),
            text_columns: columns::texts(raw),
            column_types: columns::types(raw),
            sites: self.sites(raw)?,
            future_tolerance_s,
            settle_s,
            limits,
        })
    }

    /// How the time column's text is read, and the policy for local times that a zone repeats.
    pub(super) fn time(&self, raw: &RawTable) -> Checked<(TimeReader, Fold)> {
        let fold = match raw.fold {
            RawFold::Earlier => Fold::Earlier,
            RawFold::Later => Fold::Later,
            RawFold::Reject => Fold::Reject,
        };
        let zone = raw.timezone.as_ref().map_or(Ok(TimeZone::UTC), |name| self.zone(name))?;
        let format = self.text(raw.time_format.as_ref(), "time_format")?;
        let reader = TimeReader::new(zone, fold, format);
        if let Some(format) = &raw.time_format {
            self.reads_what_it_writes(format)?;
        }
        Ok((reader, fold))
    }

    /// A row's site is in a column, or the whole source is one site's: one of the two must be said.
    fn site_rule(&self, raw: &RawTable) -> Checked<SiteRule> {
        let column = self.text(raw.site_column.as_ref(), "site_column")?;
        match (column, &raw.site) {
            (Some(column), None) => Ok(SiteRule::Column(column)),
            (Some(_), Some(site)) => {
                Err(self.at(site, "site and site_column are both set; keep the one that fits the source"))
            }
            (None, Some(site)) if SITE_TEMPLATES.contains(&site.get_ref().as_str()) => {
                Ok(SiteRule::Template(site.get_ref().clone()))
            }
            (None, Some(site)) if site.get_ref().contains(['{', '}']) => {
                let what =
                    format!("'{}' is no site; use an id, or {}", site.get_ref(), SITE_TEMPLATES.join(" or "));
                Err(self.at(site, what))
            }
            (None, Some(site)) => self.site_id(site).map(SiteRule::Fixed),
            (None, None) => {
                let what = format!("table {} does not say how a row's site is found", self.table);
                let remedy = "set site_column, or site to an id, \"{station}\" or \"{file_stem}\"";
                Err(self.document.error(&self.header, what, remedy))
            }
        }
    }

    fn sites(&self, raw: &RawTable) -> Checked<Option<BTreeSet<SiteId>>> {
        let Some(sites) = &raw.sites else { return Ok(None) };
        if sites.get_ref().is_empty() {
            return Err(
                self.at(sites, "sites is empty, so nothing would be sent; name sites, or remove it for all")
            );
        }
        sites.get_ref().iter().map(|site| self.site_id(site)).collect::<Checked<_>>().map(Some)
    }

    fn site_id(&self, text: &Spanned<String>) -> Checked<SiteId> {
        SiteId::parse(text.get_ref()).map_err(|error| self.at(text, error))
    }

    fn columns_differ(&self, raw: &RawTable, time_column: &Spanned<String>) -> Checked<()> {
        let others = [("site_column", &raw.site_column), ("tie_column", &raw.tie_column)];
        for (key, column) in others.into_iter().filter_map(|(key, column)| Some((key, column.as_ref()?))) {
            if column.get_ref() == time_column.get_ref() {
                let what = format!("{key} and time_column are both '{}'; name two columns", column.get_ref());
                return Err(self.at(column, what));
            }
        }
        Ok(())
    }

    fn zone(&self, name: &Spanned<String>) -> Checked<TimeZone> {
        TimeZone::get(name.get_ref()).map_err(|_| {
            let known: Vec<String> = jiff::tz::db().available().map(|known| known.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let remedy = match most_like(name.get_ref(), &known) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => "use a name such as \"UTC\", \"Europe/London\" or \"Etc/GMT-1\"".to_owned(),
            };
            self.at(name, format!("there is no time zone '{}'; {remedy}", name.get_ref()))
        })
    }

    /// A format that cannot read back a time it wrote lacks a part, or has a directive nobody knows.
    fn reads_what_it_writes(&self, format: &Spanned<String>) -> Checked<()> {
        let sample = jiff::civil::date(2025, 6, 7).at(8, 9, 10, 0).to_zoned(TimeZone::UTC);
        let written = sample.and_then(|sample| jiff::fmt::strtime::format(format.get_ref(), &sample));
        let reader = TimeReader::new(TimeZone::UTC, Fold::Earlier, Some(format.get_ref().clone()));
        if written.is_ok_and(|written| reader.read(&written).is_ok()) {
            return Ok(());
        }
        let what = format!("time_format '{}' does not name a whole date", format.get_ref());
        Err(self.at(format, format!("{what}; write it as strftime does, such as \"%d/%m/%Y %H:%M:%S\"")))
    }
}
