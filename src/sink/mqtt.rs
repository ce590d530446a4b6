//! An MQTT broker that takes batches: one message a batch, with `QoS` 1.
//!
//! A batch counts as stored when the broker has acknowledged it (PUBACK), and not before. What was sent and not
//! acknowledged is sent again, under the same number where the broker kept our session, and always as it was: the
//! idempotency key and the digest that go with it let a receiver store it once. `docs/mqtt.md` is the contract.
//!
//! A broker cannot be asked what it took, as an HTTP endpoint cannot. Unlike that, it cannot say what it holds
//! instead: a receiver has nobody to answer to.
//!
//! As with every sink there is one attempt per call; retries are the uploader's.

mod answer;
mod dial;
mod hold;
mod link;
mod settings;
mod topic;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Facts, Guard, Object, Probed, PutOutcome, Sink, SinkError, key, labels};
use answer::Taken;
use dial::Dial;
use hold::Hold;
use link::{Fate, Link};
pub use settings::{FactsIn, MqttSettings, Version};
pub use topic::Topic;
pub(crate) use topic::check_literal;
use wire::{Broker, Message};

/// What stands under the status topic while we are there, and when we are not.
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";
/// Messages of broken connections whose numbers are kept for when they are sent again.
const NUMBERS_MAX: usize = 4096;
/// How long a name that another client uses too is left to it.
const TAKEN_OVER_WAIT: Duration = Duration::from_secs(10);
/// That nobody listens is said this often.
const NOBODY_EVERY: Duration = Duration::from_mins(1);
/// Between two attempts to be back, where only the status depends on it.
const BACK_WAIT_MIN: Duration = Duration::from_secs(1);
const BACK_WAIT_MAX: Duration = Duration::from_mins(1);
/// Part of a packet for topic, properties and facts.
const HEAD_BYTES: usize = 4 << 10;
/// How long a broker may take over our leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// A broker.
#[derive(Debug)]
pub struct MqttSink(Arc<Client>);

struct Client {
    settings: MqttSettings,
    dial: Dial,
    place: String,
    hold: Hold,
    /// One attempt to connect at a time.
    line: tokio::sync::Mutex<Line>,
    known: Mutex<Known>,
}

/// The connection, or what came of the last attempt at one.
#[derive(Default)]
struct Line {
    link: Option<Arc<Link>>,
    failed: Option<(Instant, SinkError)>,
    has_left: bool,
}

/// What outlives a connection.
#[derive(Default)]
struct Known {
    /// Of messages whose fate is not known: their keys, and their numbers.
    numbers: HashMap<String, u16>,
    /// What the broker said last of the size of packets.
    packet_bytes_max: Option<usize>,
    nobody_said: Option<Instant>,
}

impl MqttSink {
    /// Reads certificates; sends nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Fatal`] where a file cannot be read, or rows would travel unencrypted.
    pub fn open(settings: &MqttSettings) -> Result<Self, SinkError> {
        let place = settings.describe();
        if !settings.is_encrypted && !settings.allow_plain && !super::encrypted::is_loopback(&settings.host) {
            return Err(SinkError::Fatal(format!(
                "{place} is not encrypted; use mqtts, or set allow_plain = true in [sink.mqtt]"
            )));
        }
        Ok(Self(Arc::new(Client {
            dial: Dial::new(settings)?,
            settings: settings.clone(),
            place,
            hold: Hold::default(),
            line: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        })))
    }

    /// Connects, and tells in a few words what the broker offers.
    ///
    /// # Errors
    /// As [`Sink::probe`].
    pub async fn look(&self) -> Result<String, SinkError> {
        let link = self.0.link().await?;
        let Broker { packet_bytes_max, is_retaining, receive_max, .. } = link.broker.clone();
        let version = match self.0.settings.version {
            Version::V311 => "MQTT 3.1.1, which does not say what it allows",
            Version::V5 => "MQTT 5",
        };
        let mut parts = vec![format!("{} speaks {version}", self.0.place), "QoS 1".to_owned()];
        parts.push(match self.0.settings.packet_bytes_max().into_iter().chain(packet_bytes_max).min() {
            Some(bytes) => format!("packets of {bytes} bytes at most"),
            None => "packets of any size".to_owned(),
        });
        if self.0.settings.version == Version::V5 {
            parts.push(format!("{receive_max} messages at a time"));
            parts.push(format!("retained messages {}", if is_retaining { "kept" } else { "not kept" }));
        }
        parts.push(format!("topic {}", self.0.settings.topic));
        Ok(parts.join(", "))
    }
}

impl Client {
    /// The connection, made anew where it broke. Who waited while an attempt failed shares its failure.
    async fn link(self: &Arc<Self>) -> Result<Arc<Link>, SinkError> {
        let asked = Instant::now();
        let mut line = self.line.lock().await;
        if line.has_left {
            return Err(SinkError::Retry(format!("{}: we have left", self.place)));
        }
        if let Some(link) = line.link.as_ref().filter(|link| link.broken().is_none()) {
            return Ok(Arc::clone(link));
        }
        if line.link.take().is_some_and(|broken| broken.is_taken_over()) {
            tracing::warn!(
                place = self.place,
                client_id = self.settings.client_id,
                "another client came under \
                our client_id, which is left to it for a while: give each one of its own"
            );
            self.hold.obey(TAKEN_OVER_WAIT, "another client came under our client_id");
        }
        self.hold.check(&self.place)?;
        if let Some((_, error)) = line.failed.as_ref().filter(|(when, _)| *when >= asked) {
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(link) => {
                line.link = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                line.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Arc<Link>, SinkError> {
        let settings = &self.settings;
        let (stream, broker) = self.dial.connect(settings).await?;
        {
            let mut known = self.known();
            known.packet_bytes_max = broker.packet_bytes_max;
            // Of a session that is gone, nothing is sent again: it is sent anew.
            if !broker.has_session {
                known.numbers.clear();
            }
        }
        if settings.status_topic.is_some() && !broker.is_retaining {
            tracing::warn!(
                place = self.place,
                "this broker keeps no retained messages: the status is seen by those \
                who listen, and by nobody later"
            );
        }
        let times = (settings.keep_alive, settings.request_timeout);
        let link = Arc::new(Link::new(stream, broker, settings.version, times));
        if settings.status_topic.is_some() {
            keep_status(Arc::downgrade(self), Arc::clone(&link));
        }
        Ok(link)
    }

    /// Publishes the status; whether it is taken changes nothing for rows.
    async fn tell(&self, link: &Link, status: &'static str) {
        let Some(topic) = &self.settings.status_topic else { return };
        let is_retained = link.broker.is_retaining;
        let message = Message { topic: topic.clone(), is_retained, ..Message::default() };
        let pid = link.pid(None, |pid| self.is_reserved(pid));
        let payload = Bytes::from_static(status.as_bytes());
        let head = wire::publish(self.settings.version, &message, (pid.number, false), payload.len());
        let Ok(head) = head else { return };
        if let Fate::Answered { code, words } = link.publish(&pid, head, payload).await
            && let Err(error) = answer::of_message(&self.place, topic, false, (code, words.as_deref()))
        {
            tracing::warn!("the status cannot be published: {error}");
        }
    }

    /// The packet of an object, but for its payload.
    fn head(&self, object: &Object, pid: u16, is_again: bool) -> Result<Vec<u8>, SinkError> {
        let mut message = Message { topic: self.settings.topic.of(&object.facts), ..Message::default() };
        let mut line = Vec::new();
        match self.settings.facts {
            FactsIn::Properties => {
                message.content_type = Some(object.content_type);
                message.properties =
                    labels::of(object).into_iter().filter(|(name, _)| name != labels::CONTENT_TYPE).collect();
            }
            FactsIn::Line => line = facts_line(object),
            FactsIn::None => {}
        }
        let rest_bytes = line.len() + object.bytes.len();
        let head = wire::publish(self.settings.version, &message, (pid, is_again), rest_bytes);
        let mut head = head.map_err(|error| {
            SinkError::Refused(format!("{}: no message can be made of the batch ({error})", self.place))
        })?;
        head.append(&mut line);
        Ok(head)
    }

    /// Refuses what is larger than the broker takes: it is cut smaller then.
    fn check_size(&self, bytes: usize) -> Result<(), SinkError> {
        match self.packet_bytes_max().filter(|most| bytes > *most) {
            None => Ok(()),
            Some(most) => Err(SinkError::Refused(format!(
                "{} takes packets of {most} bytes, and this one has {bytes}",
                self.place
            ))),
        }
    }

    fn packet_bytes_max(&self) -> Option<usize> {
        let told = self.known().packet_bytes_max;
        self.settings.packet_bytes_max().into_iter().chain(told).chain([wire::PACKET_BYTES_MAX]).min()
    }

    /// Says now and then that what is published is kept for nobody.
    fn note_nobody(&self, topic: &str) {
        let mut known = self.known();
        if known.nobody_said.is_none_or(|said| said.elapsed() >= NOBODY_EVERY) {
            known.nobody_said = Some(Instant::now());
            tracing::warn!(
                place = self.place,
                topic,
                "the broker took a batch, and nobody subscribes to its topic: \
                rows that nobody takes are gone; let the receiver subscribe with a session that stays"
            );
        }
    }

    fn is_reserved(&self, pid: u16) -> bool {
        self.known().numbers.values().any(|known| *known == pid)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line of JSON before the payload.
fn facts_line(object: &Object) -> Vec<u8> {
    let facts: BTreeMap<String, String> = labels::of(object).into_iter().collect();
    // Texts under texts: nothing that JSON could not hold.
    let mut line = serde_json::to_vec(&facts).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Says that we are there, and comes back when the connection breaks, for as long as there is a sink.
fn keep_status(client: Weak<Client>, link: Arc<Link>) {
    tokio::spawn(status_kept(client, link));
}

async fn status_kept(client: Weak<Client>, link: Arc<Link>) {
    match client.upgrade() {
        Some(client) => client.tell(&link, ONLINE).await,
        None => return,
    }
    link.ended().await;
    drop(link);
    let mut wait = BACK_WAIT_MIN;
    loop {
        tokio::time::sleep(wait).await;
        let Some(client) = client.upgrade() else { return };
        // A new connection has a keeper of its own.
        if client.line.lock().await.has_left || client.link().await.is_ok() {
            return;
        }
        wait = (wait * 2).min(BACK_WAIT_MAX);
    }
}

#[async_trait]
impl Sink for MqttSink {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        key::check(key)?;
        let client = &self.0;
        let link = client.link().await?;
        let again = client.known().numbers.get(key).copied();
        let pid = link.pid(again, |pid| client.is_reserved(pid));
        let head = client.head(object, pid.number, again == Some(pid.number))?;
        client.check_size(head.len() + object.bytes.len())?;
        let fate = link.publish(&pid, head, object.bytes.clone()).await;
        let mut known = client.known();
        known.numbers.remove(key);
        match fate {
            Fate::Answered { code, words } => {
                drop(known);
                let topic = client.settings.topic.of(&object.facts);
                let is_of_one_site = client.settings.topic.is_of_one_site();
                let taken =
                    answer::of_message(&client.place, &topic, is_of_one_site, (code, words.as_deref()))?;
                if taken == Taken::ByNobody {
                    client.note_nobody(&topic);
                }
                Ok(PutOutcome::Stored)
            }
            Fate::TooLarge(why) => Err(SinkError::Refused(format!("{}: {why}", client.place))),
            Fate::Unknown(why) => {
                if known.numbers.len() >= NUMBERS_MAX {
                    known.numbers.clear();
                }
                known.numbers.insert(key.to_owned(), pid.number);
                Err(SinkError::Away(format!("{} has not acknowledged {key}: {why}", client.place)))
            }
        }
    }

    async fn head(&self, _: &str) -> Result<Option<Facts>, SinkError> {
        Ok(None)
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        Err(SinkError::Refused(format!(
            "{} takes objects and gives none back, '{key}' neither",
            self.describe()
        )))
    }

    async fn list(&self, _: &str, _: &str, _: usize) -> Result<Vec<String>, SinkError> {
        Ok(Vec::new())
    }

    /// Connects: nothing is published to find out.
    async fn probe(&self) -> Result<Probed, SinkError> {
        self.0.link().await.map(|_| Guard::Receiver.into())
    }

    fn can_be_read(&self) -> bool {
        false
    }

    fn object_bytes_max(&self) -> Option<usize> {
        self.0.packet_bytes_max().map(|most| most.saturating_sub(HEAD_BYTES).max(most / 2))
    }

    /// Says `offline` itself: a broker publishes no will of a client that takes leave.
    async fn close(&self) {
        let leave = async {
            let mut line = self.0.line.lock().await;
            line.has_left = true;
            let Some(link) = line.link.take() else { return };
            drop(line);
            self.0.tell(&link, OFFLINE).await;
            link.close().await;
        };
        // What the broker makes of it is seen in the status: its will says the same.
        let _ = tokio::time::timeout(LEAVE_WITHIN, leave).await;
    }

    fn describe(&self) -> &str {
        &self.0.place
    }
}

/// Shows no secret, and not what changes.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).finish_non_exhaustive()
    }
}
