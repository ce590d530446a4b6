//! The `[source]` section of a table in a database server.

use std::ops::RangeInclusive;
use std::time::Duration;

use livecosmos_state::TableName;
use toml::Spanned;

use super::super::SourceSettings;

use super::super::raw::{RawSource, RawTable};
use super::{Check, Checked};
use crate::source::{Access, SiteRule, TableShape, mysql, postgres};

const CONNECT_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);
const STATEMENT_TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const STATEMENTS: RangeInclusive<i64> = 1..=64;

/// Keys that go with a file only.
const NOT_OF_SERVERS: &str = "a database server is named by `url`; remove this key";

impl Check<'_> {
    /// A table in `PostgreSQL`, and its identity.
    pub(super) fn postgres(&self, table: &RawTable, shape: &TableShape) -> Checked<(SourceSettings, String)> {
        let raw = &table.source;
        self.is_for_server(table, shape)?;
        self.is_not_for_oracle(raw)?;
        let remedy =
            "set url under [source], such as \"postgresql://user@host/database?sslmode=verify-full\"";
        let url = self.required(raw.url.as_ref(), "source.url", remedy)?;
        let expanded = expand_url(url.get_ref(), self.table);
        let user = self.text(raw.user.as_ref(), "user")?;
        let mut settings =
            postgres::Settings::from_url(&expanded, user.as_deref()).map_err(|error| self.at(url, error))?;
        settings.access = self.access(raw, settings.access)?;
        let id = self.text(raw.id.as_ref(), "id")?.unwrap_or_else(|| settings.describe());
        Ok((SourceSettings::Postgres(Box::new(settings)), id))
    }

    /// A table in `MySQL` or `MariaDB`, and its identity.
    pub(super) fn mysql(&self, table: &RawTable, shape: &TableShape) -> Checked<(SourceSettings, String)> {
        let raw = &table.source;
        self.is_for_server(table, shape)?;
        let remedy =
            "set url under [source], such as \"mysql://user@host/database?ssl-mode=VERIFY_IDENTITY\"";
        let url = self.required(raw.url.as_ref(), "source.url", remedy)?;
        let expanded = expand_url(url.get_ref(), self.table);
        let user = self.text(raw.user.as_ref(), "user")?;
        let mut settings =
            mysql::Settings::from_url(&expanded, user.as_deref()).map_err(|error| self.at(url, error))?;
        settings.access = self.access(raw, settings.access)?;
        let id = self.text(raw.id.as_ref(), "id")?.unwrap_or_else(|| settings.describe());
        Ok((SourceSettings::Mysql(Box::new(settings)), id))
    }

    /// What is said of every server alike; what is not said stays as it is.
    pub(super) fn access(&self, raw: &RawSource, given: Access) -> Checked<Access> {
        let connect = raw.connect_timeout.as_ref();
        let statement = raw.statement_timeout.as_ref();
        let statements_max = raw.statements_max.as_ref();
        Ok(Access {
            password: self
                .secret("password", [&raw.password, &raw.password_file, &raw.password_credential])?
                .unwrap_or(given.password),
            sites_query: self.text(raw.sites_query.as_ref(), "sites_query")?,
            time_unit: self.time_unit(raw),
            connect_timeout: self.duration(
                connect,
                "connect_timeout",
                &CONNECT_TIMEOUT,
                given.connect_timeout,
            )?,
            statement_timeout: self.duration(
                statement,
                "statement_timeout",
                &STATEMENT_TIMEOUT,
                given.statement_timeout,
            )?,
            statements_max: self.number(
                statements_max,
                "statements_max",
                &STATEMENTS,
                given.statements_max,
            )?,
        })
    }

    /// Refuses what makes sense for files alone.
    pub(super) fn is_for_server(&self, table: &RawTable, shape: &TableShape) -> Checked<()> {
        if let Some(key) = table.source.path.as_ref().or(table.source.delimiter.as_ref()) {
            return Err(self.at(key, NOT_OF_SERVERS));
        }
        if let Some(format) = &table.time_format {
            let what = "a database server has times that are no texts; remove time_format, and name a timestamp column";
            return Err(self.at(format, what));
        }
        if let SiteRule::Template(template) = &shape.site {
            let what = format!("site = \"{template}\" is for files, and the source is a database");
            let remedy = "set site_column, or site to the one site's id";
            return Err(self.document.error(&self.header, what, remedy));
        }
        Ok(())
    }

    /// Refuses what makes sense for servers alone.
    pub(super) fn is_for_file(&self, raw: &RawSource) -> Checked<()> {
        self.is_not_for_oracle(raw)?;
        let texts = [&raw.url, &raw.user, &raw.password, &raw.password_file, &raw.password_credential];
        let timeouts = [&raw.connect_timeout, &raw.statement_timeout];
        let spans = texts.into_iter().chain([&raw.sites_query]).flatten().map(Spanned::span);
        let mut spans = spans
            .chain(timeouts.into_iter().flatten().map(Spanned::span))
            .chain(raw.statements_max.iter().map(Spanned::span));
        match spans.next() {
            Some(span) => Err(self.document.error(
                &span,
                "this key is for database servers, and the source is a file",
                "remove it",
            )),
            None => Ok(()),
        }
    }
}

/// A password may hold braces: only the two tokens are looked for.
fn expand_url(url: &str, table: &TableName) -> String {
    url.replace("{table}", table.in_source())
}
