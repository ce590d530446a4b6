//! The `[sink]` section.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::super::path::{expand, folder_of};
use super::super::raw::{RawS3, RawSink};
use super::{Check, Checked};
use crate::sink::{InvalidSettings, S3Settings, Settings};

const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

impl Check<'_> {
    /// Which sink the section names.
    pub(super) fn sink(&self, raw: &RawSink) -> Checked<Settings> {
        let remedy = "set url under [sink], such as \"file://./out\" or \"s3://bucket/prefix\"";
        let written = self.required(raw.url.as_ref(), "sink.url", remedy)?;
        self.refuse_credentials(written)?;
        let url = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        let mut settings = Settings::parse(&url, &folder_of(self.document.path()))
            .map_err(|error| self.at(written, error))?;
        if let Settings::S3(settings) = &mut settings {
            self.s3(&raw.s3, settings)?;
        }
        Ok(settings)
    }

    fn s3(&self, raw: &RawS3, settings: &mut S3Settings) -> Checked<()> {
        if let Some(endpoint) = &raw.endpoint {
            self.refuse_credentials(endpoint)?;
            let url = endpoint.get_ref();
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if host.is_none_or(str::is_empty) {
                return Err(
                    self.at(endpoint, format!("'{url}' is no endpoint; write it as \"https://host:port\""))
                );
            }
        }
        if let Some(checksum) = &raw.checksum {
            settings.checksum =
                checksum.get_ref().parse().map_err(|error: InvalidSettings| self.at(checksum, error))?;
        }
        settings.endpoint = self.text(raw.endpoint.as_ref(), "endpoint")?;
        settings.region = self.text(raw.region.as_ref(), "region")?;
        settings.profile = self.text(raw.profile.as_ref(), "profile")?;
        settings.path_style = raw.path_style;
        settings.allow_http = raw.allow_http.unwrap_or(false);
        let (connect, request) = (raw.connect_timeout.as_ref(), raw.request_timeout.as_ref());
        settings.connect_timeout =
            self.duration(connect, "connect_timeout", &TIMEOUT, settings.connect_timeout)?;
        settings.attempt_timeout =
            self.duration(request, "request_timeout", &TIMEOUT, settings.attempt_timeout)?;
        // What comes before the request, such as finding credentials, has half as long.
        settings.operation_timeout = settings.attempt_timeout * 3 / 2;
        Ok(())
    }

    /// Refuses a URL with a user or password in it, without repeating it (I9).
    fn refuse_credentials(&self, url: &Spanned<String>) -> Checked<()> {
        if !holds_credentials(url.get_ref()) {
            return Ok(());
        }
        Err(self.at(
            url,
            "this URL holds a user or password; remove them: credentials come from the environment or an AWS profile",
        ))
    }
}

/// Whether a URL has something like a user or password before its host, however it is misspelled: the
/// scheme may be missing or lack a slash, and a password may hold slashes.
fn holds_credentials(url: &str) -> bool {
    let Some((before, _)) = url.split_once('@') else { return false };
    match before.split_once("://") {
        None => true,
        Some(("file", folder)) => !folder.contains('/'),
        Some((_, host)) => !host.contains('/') || host.contains(':'),
    }
}
