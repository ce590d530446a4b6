//! The `[sink.gcs]` and `[sink.azure]` sections.

use toml::Spanned;

use super::super::raw::{RawAzure, RawGcs};
use super::super::units::HumanDuration;
use super::sink::TIMEOUT;
use super::{Check, Checked};
use crate::sink::{AzureLogin, AzureSettings, GcsLogin, GcsSettings, Reach};

impl Check<'_> {
    pub(super) fn gcs(&self, raw: &RawGcs, settings: &mut GcsSettings) -> Checked<()> {
        let is_anonymous = raw.anonymous.unwrap_or(false);
        settings.login = match &raw.service_account {
            Some(file) if is_anonymous => {
                return Err(
                    self.at(file, "service_account is for nobody, with anonymous; keep one of the two")
                );
            }
            Some(file) => {
                self.text(Some(file), "service_account")?;
                GcsLogin::ServiceAccount(self.file(file)?)
            }
            None if is_anonymous => GcsLogin::Anonymous,
            None => GcsLogin::Default,
        };
        let timeouts = [raw.connect_timeout.as_ref(), raw.request_timeout.as_ref()];
        self.reach(&mut settings.reach, raw.endpoint.as_ref(), raw.allow_http, timeouts)
    }

    pub(super) fn azure(&self, raw: &RawAzure, settings: &mut AzureSettings) -> Checked<()> {
        if let (Some(account), Some(of_url)) = (&raw.account, &settings.account)
            && account.get_ref() != of_url
        {
            let what = format!("the sink's url says account '{of_url}'; write it in one place");
            return Err(self.at(account, what));
        }
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if let Some(account) = raw.account.as_ref().filter(|account| !is_name(account.get_ref())) {
            let what = "this is no account; write its name alone, as it stands before .blob.core.windows.net";
            return Err(self.at(account, what));
        }
        settings.account = self.text(raw.account.as_ref(), "account")?.or(settings.account.take());
        settings.client_id = self.text(raw.client_id.as_ref(), "client_id")?;
        let key = self.secret("key", [&raw.key, &raw.key_file, &raw.key_credential])?;
        let sas = self.secret("sas", [&raw.sas, &raw.sas_file, &raw.sas_credential])?;
        settings.login = match (key, sas) {
            (None, None) => AzureLogin::Usual,
            (Some(key), None) => AzureLogin::Key(key),
            (None, Some(sas)) => AzureLogin::Sas(sas),
            (Some(_), Some(_)) => {
                let what = format!("[{}.azure] of table {} has a key and a sas", self.sink, self.table);
                return Err(self.document.error(&self.header, what, "keep one of the two"));
            }
        };
        let timeouts = [raw.connect_timeout.as_ref(), raw.request_timeout.as_ref()];
        self.reach(&mut settings.reach, raw.endpoint.as_ref(), raw.allow_http, timeouts)
    }

    fn reach(
        &self,
        reach: &mut Reach,
        endpoint: Option<&Spanned<String>>,
        allow_http: Option<bool>,
        [connect, request]: [Option<&Spanned<HumanDuration>>; 2],
    ) -> Checked<()> {
        reach.endpoint = self.endpoint(endpoint)?.or(reach.endpoint.take());
        reach.allow_http = allow_http.unwrap_or(false);
        reach.connect_timeout = self.duration(connect, "connect_timeout", &TIMEOUT, reach.connect_timeout)?;
        reach.request_timeout = self.duration(request, "request_timeout", &TIMEOUT, reach.request_timeout)?;
        Ok(())
    }
}
