//! How a broker is reached.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::topic::Topic;
use crate::secret::Secret;
use crate::sink::InvalidSettings;

/// What the larger part of brokers takes, where none of them can say: AWS `IoT` Core takes no more.
const PACKET_BYTES_USUAL: usize = 128 << 10;
/// Name of a client that only looks, in place of one that may be at work.
const CHECK: &str = "-check";

/// How a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `mqtts`: nothing goes unencrypted.
    pub is_encrypted: bool,
    /// Which version is spoken.
    pub version: Version,
    /// Where batches are published.
    pub topic: Topic,
    /// By what the broker knows us; nobody else may use it.
    pub client_id: String,
    /// Who we are.
    pub login: Option<(String, Secret)>,
    /// Files with a certificate and its key, by which the broker knows us.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// File with the certificates that the broker's is checked by; `None` for those of this machine.
    pub ca: Option<PathBuf>,
    /// The protocol that is asked for while encryption is agreed on (ALPN).
    pub alpn: Option<String>,
    /// Where the facts of a batch go.
    pub facts: FactsIn,
    /// Where `online` and `offline` stand, retained.
    pub status_topic: Option<String>,
    /// The largest packet to send, where the broker does not ask for less; `None` for what it says.
    pub packet_bytes_max: Option<usize>,
    /// Allows an unencrypted connection to another machine.
    pub allow_plain: bool,
    /// The broker hears of us at least this often.
    pub keep_alive: Duration,
    /// Longest wait for a connection, and for the broker's welcome.
    pub connect_timeout: Duration,
    /// Longest wait for an acknowledgement; a batch has a second more for each 64 KiB.
    pub request_timeout: Duration,
    /// Only looks: leaves no session and no will behind, and pushes no daemon of the same name out.
    pub is_passing: bool,
}

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    #[default]
    V5,
}

/// Where the facts of a batch go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsIn {
    /// User properties of MQTT 5.
    Properties,
    /// A line of JSON before the payload.
    Line,
    /// Nowhere: a message is the payload alone.
    None,
}

impl MqttSettings {
    /// The settings of `url` with their defaults, for the caller to change; `client_id` is for it to decide.
    ///
    /// # Errors
    /// [`InvalidSettings`] where it is no address of a broker.
    pub fn new(url: &str) -> Result<Self, InvalidSettings> {
        let refused = |why: &str| {
            InvalidSettings::new(format!(
                "sink url '{url}' {why}; write mqtts://host:8883 or mqtt://host:1883, and the topic as topic under \
                 [sink.mqtt]"
            ))
        };
        let parsed = Url::parse(url).map_err(|_| refused("is no address of a broker"))?;
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refused("names no broker"))?;
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refused("has more than a host and a port"));
        }
        let is_encrypted = parsed.scheme() == "mqtts";
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: parsed.port().unwrap_or(if is_encrypted { 8883 } else { 1883 }),
            is_encrypted,
            version: Version::default(),
            topic: Topic::default(),
            client_id: String::new(),
            login: None,
            certificate: None,
            ca: None,
            alpn: None,
            facts: FactsIn::Properties,
            status_topic: None,
            packet_bytes_max: None,
            allow_plain: false,
            keep_alive: Duration::from_mins(1),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_mins(1),
            is_passing: false,
        })
    }

    /// For messages: scheme, host and port.
    #[must_use]
    pub fn describe(&self) -> String {
        let scheme = if self.is_encrypted { "mqtts" } else { "mqtt" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// The same broker for one that only looks.
    #[must_use]
    pub fn for_check(&self) -> Self {
        let client_id = format!("{}{CHECK}", self.client_id);
        Self { client_id, status_topic: None, is_passing: true, ..self.clone() }
    }

    /// The largest packet to send, before the broker has said anything.
    pub(super) fn packet_bytes_max(&self) -> Option<usize> {
        let usual = (self.version == Version::V311).then_some(PACKET_BYTES_USUAL);
        self.packet_bytes_max.or(usual)
    }
}
