//! The `[sink]` section.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::super::SinkPace;
use super::super::document::ConfigError;
use super::super::path::{expand, folder_of};
use super::super::raw::{RawHttp, RawMethod, RawSink};
use super::{Check, Checked};
use crate::key::KeyTemplate;
use crate::secret::Secret;
use crate::sink::Settings;
use crate::sink::http::{HttpSettings, Login, Method};

/// A sink that gets less would be given up by its server between two packets.
const BYTES_PER_SECOND: RangeInclusive<u64> = 1 << 10..=1 << 40;
const REQUESTS_PER_SECOND: RangeInclusive<i64> = 1..=100_000;
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

impl Check<'_> {
    /// Which sink the section names.
    pub(super) fn sink(&self, raw: &RawSink) -> Checked<Settings> {
        let section = &self.sink;
        let remedy = format!("set url under [{section}], such as \"file://./out\" or \"s3://bucket/prefix\"");
        let written = self.required(raw.url.as_ref(), &format!("{section}.url"), &remedy)?;
        self.refuse_credentials(written)?;
        let url = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        let mut settings = Settings::parse(&url, &folder_of(self.document.path()))
            .map_err(|error| self.at(written, error))?;
        match &mut settings {
            Settings::S3(settings) => self.s3(&raw.s3, settings)?,
            Settings::Gcs(settings) => self.gcs(&raw.gcs, settings)?,
            Settings::Azure(settings) => self.azure(&raw.azure, settings)?,
            Settings::Http(settings) => self.http(&raw.http, settings)?,
            Settings::Mqtt(settings) => self.mqtt(&raw.mqtt, settings)?,
            Settings::Local(_) | Settings::Memory | Settings::Stdout => {}
        }
        Ok(settings)
    }

    /// How fast objects may go there.
    pub(super) fn sink_pace(&self, raw: &RawSink) -> Checked<SinkPace> {
        let (bytes, requests) = (raw.bytes_per_second_max.as_ref(), raw.requests_per_second_max.as_ref());
        let of_bytes = |_| self.size(bytes, "bytes_per_second_max", &BYTES_PER_SECOND, 0);
        let of_requests = |_| self.number(requests, "requests_per_second_max", &REQUESTS_PER_SECOND, 0);
        let bytes = bytes.map(of_bytes).transpose()?;
        let requests = requests.map(of_requests).transpose()?;
        Ok(SinkPace {
            bytes_per_second_max: bytes.map(|bytes| bytes as u64),
            requests_per_second_max: requests.map(|requests| requests as u64),
        })
    }

    /// Refuses keys that rows decide, where nobody can look whether they are taken.
    pub(super) fn key_fits(
        &self,
        written: Option<&Spanned<String>>,
        key: &KeyTemplate,
        sink: &Settings,
    ) -> Checked<()> {
        let can_be_read = !matches!(sink, Settings::Http(_) | Settings::Mqtt(_) | Settings::Stdout);
        match written.filter(|_| !can_be_read && !key.is_listed_by_seq()) {
            None => Ok(()),
            Some(written) => Err(self.at(
                written,
                "this sink gives nothing back, and whether such a key is taken has to be looked up; use \
                 key = \"chain\", or tokens that stay the same before {seq}",
            )),
        }
    }

    fn http(&self, raw: &RawHttp, settings: &mut HttpSettings) -> Checked<()> {
        settings.method = match raw.method {
            Some(RawMethod::Put) => Method::Put,
            Some(RawMethod::Post) | None => Method::Post,
        };
        let headers =
            raw.headers.iter().map(|(name, value)| (name.get_ref().clone(), value.get_ref().clone()));
        settings.headers = headers.collect();
        settings.login = self.login(raw)?;
        settings.certificate = self.identity(raw.certificate.as_ref(), raw.certificate_key.as_ref())?;
        settings.ca = raw.ca.as_ref().map(|ca| self.file(ca)).transpose()?;
        settings.allow_http = raw.allow_http.unwrap_or(false);
        let (connect, request) = (raw.connect_timeout.as_ref(), raw.request_timeout.as_ref());
        settings.connect_timeout =
            self.duration(connect, "connect_timeout", &TIMEOUT, settings.connect_timeout)?;
        settings.request_timeout =
            self.duration(request, "request_timeout", &TIMEOUT, settings.request_timeout)?;
        Ok(())
    }

    /// Files with a certificate of ours and its key.
    pub(super) fn identity(
        &self,
        certificate: Option<&Spanned<String>>,
        key: Option<&Spanned<String>>,
    ) -> Checked<Option<(PathBuf, PathBuf)>> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some((self.file(certificate)?, self.file(key)?))),
            (None, None) => Ok(None),
            (Some(lonely), None) | (None, Some(lonely)) => {
                Err(self.at(lonely, "certificate and certificate_key go together; set both, or neither"))
            }
        }
    }

    fn login(&self, raw: &RawHttp) -> Checked<Login> {
        let bearer = self.secret("bearer", [&raw.bearer, &raw.bearer_file, &raw.bearer_credential])?;
        let password =
            self.secret("password", [&raw.password, &raw.password_file, &raw.password_credential])?;
        let user = self.text(raw.user.as_ref(), "user")?;
        match (bearer, user, password) {
            (None, None, None) => Ok(Login::None),
            (Some(token), None, None) => Ok(Login::Bearer(token)),
            (None, Some(user), password) => {
                Ok(Login::Basic { user, password: password.unwrap_or(Secret::Usual) })
            }
            (Some(_), ..) => Err(self.login_error("a bearer and a user", "keep one of the two")),
            (None, None, Some(_)) => Err(self.login_error("a password and no user", "set user")),
        }
    }

    fn login_error(&self, what: &str, remedy: &str) -> ConfigError {
        self.document.error(
            &self.header,
            format!("[{}.http] of table {} has {what}", self.sink, self.table),
            remedy,
        )
    }

    /// The address of a server, if one is given.
    pub(super) fn endpoint(&self, written: Option<&Spanned<String>>) -> Checked<Option<String>> {
        let Some(endpoint) = written else { return Ok(None) };
        self.refuse_credentials(endpoint)?;
        let url = endpoint.get_ref();
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(str::is_empty) {
            let what = format!("'{url}' is no endpoint; write it as \"https://host:port\"");
            return Err(self.at(endpoint, what));
        }
        self.text(written, "endpoint")
    }

    /// Refuses a URL with a user or password in it, without repeating it (I9).
    pub(super) fn refuse_credentials(&self, url: &Spanned<String>) -> Checked<()> {
        if !holds_credentials(url.get_ref()) {
            return Ok(());
        }
        Err(self.at(
            url,
            "this URL holds a user or password; remove them: credentials come from the environment, an AWS profile, or the section of that sink",
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
        // As in abfss://container@account.dfs.core.windows.net.
        Some(("az" | "azure" | "abfs" | "abfss", container)) => container.contains(':'),
        Some((_, host)) => !host.contains('/') || host.contains(':'),
    }
}
