//! From an address to a broker that has welcomed us.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::settings::MqttSettings;
use super::wire::{self, Broker, Hello, Incoming};
use super::{OFFLINE, answer};
use crate::sink::{SinkError, pem};

/// What connections are made with.
pub(super) struct Dial {
    tls: Option<TlsConnector>,
    place: String,
}

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dial {
    /// Reads certificates; sends nothing yet.
    pub(super) fn new(settings: &MqttSettings) -> Result<Self, SinkError> {
        let tls = settings.is_encrypted.then(|| {
            let identity = settings.certificate.as_ref().map(|(cert, key)| (cert.as_path(), key.as_path()));
            let mut config = pem::client_config(settings.ca.as_deref(), identity)?;
            config.alpn_protocols = settings.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
            Ok::<_, SinkError>(TlsConnector::from(Arc::new(config)))
        });
        Ok(Self { tls: tls.transpose()?, place: settings.describe() })
    }

    /// Connects, and says hello.
    pub(super) async fn connect(
        &self,
        settings: &MqttSettings,
    ) -> Result<(Box<dyn Stream>, Broker), SinkError> {
        let hello = self.hello(settings)?;
        let mut stream = within(settings.connect_timeout, self.reach(settings)).await.map_err(|why| {
            SinkError::Away(format!(
                "{} does not answer: {why}; check the network, the broker and url",
                self.place
            ))
        })?;
        let welcome = async {
            stream.write_all(&hello).await?;
            stream.flush().await?;
            wire::read(settings.version, &mut stream).await
        };
        let welcome = within(settings.connect_timeout, async { welcome.await.map_err(|error| told(&error)) });
        let welcome = welcome.await.map_err(|why| {
            SinkError::Away(format!(
                "{} does not welcome us: {why}; check that it speaks MQTT there, and version, certificate and alpn \
                 under [sink.mqtt]",
                self.place
            ))
        })?;
        let Incoming::Welcome { code, words, broker } = welcome else {
            return Err(SinkError::Away(format!(
                "{} begins with something other than a welcome; check that url names an MQTT broker",
                self.place
            )));
        };
        answer::of_welcome(&self.place, code, words.as_deref())?;
        if !broker.has_qos_1 {
            return Err(SinkError::Fatal(format!(
                "{} acknowledges nothing (maximum QoS 0), and without that no row is known to be stored; use another \
                 broker, or allow QoS 1",
                self.place
            )));
        }
        Ok((stream, broker))
    }

    async fn reach(&self, settings: &MqttSettings) -> Result<Box<dyn Stream>, String> {
        let tcp = TcpStream::connect((settings.host.as_str(), settings.port)).await;
        let tcp = tcp.map_err(|error| error.to_string())?;
        // A batch is written at once, and is not to wait for more.
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(settings.host.clone()).map_err(|error| error.to_string())?;
        let stream = tls.connect(name, tcp).await.map_err(|error| error.to_string())?;
        Ok(Box::new(stream))
    }

    /// Secrets are read anew for each connection.
    fn hello(&self, settings: &MqttSettings) -> Result<Vec<u8>, SinkError> {
        let password = match &settings.login {
            None => None,
            Some((_, secret)) => secret
                .read("password", &["LIVECOSMOS_PASSWORD"])
                .map_err(|error| SinkError::Fatal(error.to_string()))?,
        };
        let password: Option<&SecretString> = password.as_ref();
        let hello = Hello {
            client_id: &settings.client_id,
            is_passing: settings.is_passing,
            keep_alive_s: u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
            user: settings.login.as_ref().map(|(user, _)| user.as_str()),
            password,
            will: settings.status_topic.as_deref().map(|topic| (topic, OFFLINE)),
        };
        wire::connect(settings.version, &hello).map_err(|error| {
            SinkError::Fatal(format!(
                "{}: no greeting can be made of client_id, user and status_topic ({error}); shorten them",
                self.place
            ))
        })
    }
}

/// What went wrong, as people say it.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

async fn within<T>(limit: Duration, what: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(limit, what).await {
        Ok(result) => result,
        Err(_) => Err(format!("it took longer than {} s", limit.as_secs())),
    }
}
