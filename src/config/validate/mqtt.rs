//! The `[sink.mqtt]` section.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;

use super::super::TableConfig;
use super::super::path::expand;
use super::super::raw::{RawFacts, RawMqtt, RawVersion};
use super::sink::TIMEOUT;
use super::{Check, Checked};
use crate::secret::Secret;
use crate::sink::Settings;
use crate::sink::mqtt::{FactsIn, MqttSettings, Topic, Version, check_literal};

const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(18);
const PACKET_BYTES: RangeInclusive<u64> = 2 << 10..=256 << 20;
/// As long as any text of MQTT may be.
const CLIENT_ID_BYTES_MAX: usize = 65_535;

impl Check<'_> {
    pub(super) fn mqtt(&self, raw: &RawMqtt, settings: &mut MqttSettings) -> Checked<()> {
        settings.version = match raw.version.as_ref().map(Spanned::get_ref) {
            Some(RawVersion::V311) => Version::V311,
            Some(RawVersion::V5) | None => Version::V5,
        };
        settings.facts = self.facts(raw, settings.version)?;
        if let Some(topic) = &raw.topic {
            settings.topic = Topic::parse(topic.get_ref()).map_err(|error| self.at(topic, error))?;
        }
        settings.status_topic = self.status_topic(raw)?;
        settings.client_id = self.client_id(raw)?;
        settings.login = self.mqtt_login(raw)?;
        settings.certificate = self.identity(raw.certificate.as_ref(), raw.certificate_key.as_ref())?;
        settings.ca = raw.ca.as_ref().map(|ca| self.file(ca)).transpose()?;
        settings.alpn = self.text(raw.alpn.as_ref(), "alpn")?;
        self.is_for_encryption(raw, settings.is_encrypted)?;
        settings.allow_plain = raw.allow_plain.unwrap_or(false);
        if let Some(most) = &raw.packet_bytes_max {
            settings.packet_bytes_max = Some(self.size(Some(most), "packet_bytes_max", &PACKET_BYTES, 0)?);
        }
        let duration = |written, key, range, usual| self.duration(written, key, range, usual);
        settings.keep_alive =
            duration(raw.keep_alive.as_ref(), "keep_alive", &KEEP_ALIVE, settings.keep_alive)?;
        settings.connect_timeout =
            duration(raw.connect_timeout.as_ref(), "connect_timeout", &TIMEOUT, settings.connect_timeout)?;
        settings.request_timeout =
            duration(raw.request_timeout.as_ref(), "request_timeout", &TIMEOUT, settings.request_timeout)?;
        Ok(())
    }

    fn facts(&self, raw: &RawMqtt, version: Version) -> Checked<FactsIn> {
        let Some(written) = &raw.facts else {
            return Ok(if version == Version::V5 { FactsIn::Properties } else { FactsIn::None });
        };
        match written.get_ref() {
            RawFacts::Properties if version == Version::V311 => Err(self.at(
                written,
                "MQTT 3.1.1 has no properties; set facts to \"line\" or \"none\", or version to \"5\"",
            )),
            RawFacts::Properties => Ok(FactsIn::Properties),
            RawFacts::Line => Ok(FactsIn::Line),
            RawFacts::None => Ok(FactsIn::None),
        }
    }

    fn status_topic(&self, raw: &RawMqtt) -> Checked<Option<String>> {
        let Some(written) = &raw.status_topic else { return Ok(None) };
        let topic = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        check_literal(&topic).map_err(|error| self.at(written, error))?;
        Ok(Some(topic))
    }

    /// Told apart by machine and table, unless the operator says how.
    fn client_id(&self, raw: &RawMqtt) -> Checked<String> {
        let Some(written) = &raw.client_id else {
            let name =
                format!("livecosmos-{}-{}", rustix::system::uname().nodename().to_string_lossy(), self.table);
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            return Ok(name.chars().map(|c| if plain(c) { c } else { '-' }).collect());
        };
        self.text(Some(written), "client_id")?;
        let client_id = expand(written.get_ref(), self.table).map_err(|error| self.at(written, error))?;
        if client_id.len() > CLIENT_ID_BYTES_MAX || client_id.chars().any(char::is_control) {
            return Err(
                self.at(written, "client_id is none that MQTT allows; use letters, digits, '-' and '_'")
            );
        }
        Ok(client_id)
    }

    fn mqtt_login(&self, raw: &RawMqtt) -> Checked<Option<(String, Secret)>> {
        let said = [&raw.password, &raw.password_file, &raw.password_credential];
        let password = self.secret("password", said)?;
        match (self.text(raw.user.as_ref(), "user")?, password) {
            (None, None) => Ok(None),
            (Some(user), password) => Ok(Some((user, password.unwrap_or(Secret::Usual)))),
            (None, Some(_)) => Err(self.document.error(
                &self.header,
                format!("[sink.mqtt] of table {} has a password and no user", self.table),
                "set user",
            )),
        }
    }

    /// What says how to encrypt has no place where nothing is encrypted.
    fn is_for_encryption(&self, raw: &RawMqtt, is_encrypted: bool) -> Checked<()> {
        let keys = [("ca", &raw.ca), ("certificate", &raw.certificate), ("alpn", &raw.alpn)].into_iter();
        let mut written = keys.filter_map(|(key, written)| Some((key, written.as_ref()?)));
        match written.next().filter(|_| !is_encrypted) {
            None => Ok(()),
            Some((key, written)) => Err(self.at(
                written,
                format!(
                    "{key} is about encryption, and this url has none; write mqtts:// in url, or remove {key}"
                ),
            )),
        }
    }
}

/// Whether the two tables would be one client to one broker, which lets in one of them alone.
pub(super) fn share_client(one: &TableConfig, other: &TableConfig) -> bool {
    let (Settings::Mqtt(one), Settings::Mqtt(other)) = (&one.sink, &other.sink) else { return false };
    let who = |mqtt: &MqttSettings| (mqtt.host.clone(), mqtt.port, mqtt.client_id.clone());
    who(one) == who(other)
}
