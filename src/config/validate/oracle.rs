//! The `[source]` section of a table in Oracle.

use toml::Spanned;

use super::super::SourceSettings;
use super::super::path::{folder_of, resolve};
use super::super::raw::{RawDriver, RawSource, RawTable};
use super::{Check, Checked};
use crate::source::TableShape;
use crate::source::oracle::{Driver, Settings};

impl Check<'_> {
    /// A table in Oracle, and its identity.
    pub(super) fn oracle(&self, table: &RawTable, shape: &TableShape) -> Checked<(SourceSettings, String)> {
        let raw = &table.source;
        self.is_for_server(table, shape)?;
        if let Some(url) = &raw.url {
            return Err(self.at(url, "an Oracle database is named by `dsn`; remove this key"));
        }
        let remedy = "set dsn under [source], such as \"//host:1521/service\" or an alias of tnsnames.ora";
        let dsn = self.required(raw.dsn.as_ref(), "source.dsn", remedy)?;
        self.text(Some(dsn), "dsn")?;
        let client = self.text(raw.client.as_ref(), "client")?;
        let mut settings = Settings {
            user: self.text(raw.user.as_ref(), "user")?,
            driver: match raw.driver.as_ref().map(Spanned::get_ref) {
                None | Some(RawDriver::Auto) => Driver::Auto,
                Some(RawDriver::Oci) => Driver::Oci,
                Some(RawDriver::Thin) => Driver::Thin,
            },
            client: client.map(|path| resolve(&folder_of(self.document.path()), &path)),
            ..Settings::new(dsn.get_ref())
        };
        settings.access = self.access(raw, settings.access)?;
        let id = self.text(raw.id.as_ref(), "id")?.unwrap_or_else(|| settings.describe());
        Ok((SourceSettings::Oracle(Box::new(settings)), id))
    }

    /// Refuses what makes sense for Oracle alone.
    pub(super) fn is_not_for_oracle(&self, raw: &RawSource) -> Checked<()> {
        let texts = [&raw.dsn, &raw.client].into_iter().flatten().map(Spanned::span);
        match texts.chain(raw.driver.iter().map(Spanned::span)).next() {
            Some(span) => Err(self.document.error(&span, "this key is for kind = \"oracle\"", "remove it")),
            None => Ok(()),
        }
    }
}
