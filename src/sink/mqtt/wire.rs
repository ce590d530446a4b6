//! Packets of both versions of the protocol, as bytes: what a publisher sends, and what a broker answers.
//!
//! OASIS, MQTT 3.1.1 and MQTT 5.0; packets are spelled and read by the crate `mqtt-proto`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mqtt_proto::{Encodable, Error, Pid, Protocol, QoS, QosPid, TopicName, v3, v5};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::settings::Version;

/// The largest packet that is read: answers are small, and we subscribe to nothing.
const ANSWER_BYTES_MAX: u32 = 64 << 10;
/// The largest packet there is.
pub(super) const PACKET_BYTES_MAX: usize = 268_435_455;
/// So long a broker keeps what it knows of a client that is away.
const SESSION_EXPIRY_S: u32 = 24 * 3_600;
/// The answer to CONNECT, whose body has two bytes in MQTT 3.1.1 and more in MQTT 5.
const CONNACK: u8 = 0x20;
/// What MQTT 5 calls the one answer of MQTT 3.1.1 brokers to its CONNECT.
pub(super) const UNSUPPORTED_VERSION: u8 = 0x84;

/// What a connection begins with.
pub(super) struct Hello<'a> {
    pub(super) client_id: &'a str,
    /// Leaves no session behind.
    pub(super) is_passing: bool,
    pub(super) keep_alive_s: u16,
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a SecretString>,
    /// Topic and text that the broker publishes, retained, when we are gone.
    pub(super) will: Option<(&'a str, &'static str)>,
}

/// A message on its way, but for its payload.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) is_retained: bool,
    /// What goes with it; MQTT 5 alone has a place for that.
    pub(super) properties: Vec<(String, String)>,
    pub(super) content_type: Option<&'static str>,
}

/// What a broker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The answer to CONNECT.
    Welcome { code: u8, words: Option<Box<str>>, broker: Broker },
    /// A message is taken, or is not.
    Acknowledged { pid: u16, code: u8, words: Option<Box<str>> },
    /// It is there.
    Pong,
    /// It ends the connection.
    Leave { code: u8, words: Option<Box<str>> },
    /// Nothing that concerns a publisher.
    Other,
}

/// What a broker allows, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) has_session: bool,
    pub(super) packet_bytes_max: Option<usize>,
    /// Messages that may be unacknowledged at the same time.
    pub(super) receive_max: u16,
    pub(super) has_qos_1: bool,
    pub(super) is_retaining: bool,
    /// How often it wants to hear of us, where it decides that.
    pub(super) keep_alive_s: Option<u16>,
}

impl Broker {
    fn of_v3(has_session: bool) -> Self {
        Self {
            has_session,
            packet_bytes_max: None,
            receive_max: u16::MAX,
            has_qos_1: true,
            is_retaining: true,
            keep_alive_s: None,
        }
    }
}

/// The bytes of CONNECT.
pub(super) fn connect(version: Version, hello: &Hello<'_>) -> Result<Vec<u8>, Error> {
    let client_id = Arc::from(hello.client_id);
    let username = hello.user.map(Arc::from);
    let password = hello.password.map(|password| Bytes::copy_from_slice(password.expose_secret().as_bytes()));
    let keep_alive = hello.keep_alive_s;
    let will = hello.will.map(|(topic, text)| TopicName::try_from(topic).map(|topic| (topic, text)));
    let will = will.transpose()?.map(|(topic, text)| (topic, Bytes::from_static(text.as_bytes())));
    let encoded = match version {
        Version::V311 => v3::Packet::Connect(v3::Connect {
            protocol: Protocol::V311,
            clean_session: hello.is_passing,
            keep_alive,
            client_id,
            last_will: will.map(|(topic, text)| v3::LastWill {
                retain: true,
                ..v3::LastWill::new(QoS::Level1, topic, text)
            }),
            username,
            password,
        })
        .encode()?,
        Version::V5 => v5::Packet::Connect(v5::Connect {
            protocol: Protocol::V500,
            clean_start: hello.is_passing,
            keep_alive,
            properties: v5::ConnectProperties {
                session_expiry_interval: (!hello.is_passing).then_some(SESSION_EXPIRY_S),
                max_packet_size: Some(ANSWER_BYTES_MAX),
                ..v5::ConnectProperties::default()
            },
            client_id,
            last_will: will.map(|(topic, text)| v5::LastWill {
                retain: true,
                ..v5::LastWill::new(QoS::Level1, topic, text)
            }),
            username,
            password,
        })
        .encode()?,
    };
    Ok(encoded.as_ref().to_vec())
}

/// The bytes of PUBLISH with `QoS` 1, up to a payload of `payload_bytes`, which follows as it is.
pub(super) fn publish(
    version: Version,
    message: &Message,
    (pid, is_again): (u16, bool),
    payload_bytes: usize,
) -> Result<Vec<u8>, Error> {
    let topic = TopicName::try_from(message.topic.as_str())?;
    let qos = QosPid::Level1(Pid::try_from(pid)?);
    let mut body = Vec::new();
    match version {
        Version::V311 => v3::Publish::new(qos, topic, Bytes::new()).encode(&mut body)?,
        Version::V5 => {
            let property = |(name, value): &(String, String)| v5::UserProperty {
                name: name.as_str().into(),
                value: value.as_str().into(),
            };
            let mut publish = v5::Publish::new(qos, topic, Bytes::new());
            publish.properties.user_properties = message.properties.iter().map(property).collect();
            publish.properties.content_type = message.content_type.map(Into::into);
            publish.encode(&mut body)?;
        }
    }
    // The payload is not copied: it is what a batch's memory is for.
    let first = 0x32 | u8::from(is_again) << 3 | u8::from(message.is_retained);
    let mut head = vec![first];
    push_length(&mut head, body.len() + payload_bytes);
    head.append(&mut body);
    Ok(head)
}

/// Seven bits a byte, the lowest first.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0x7f);
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

/// The bytes of PINGREQ.
pub(super) fn ping() -> Vec<u8> {
    vec![0xc0, 0]
}

/// The bytes of DISCONNECT: we leave, and the will is not to be published.
pub(super) fn goodbye() -> Vec<u8> {
    vec![0xe0, 0]
}

/// Reads the next packet.
///
/// # Errors
/// Where the connection ends, or what comes is no packet, or larger than any answer.
pub(super) async fn read(version: Version, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Incoming> {
    let mut packet = vec![reader.read_u8().await?];
    let mut length: u32 = 0;
    for shift in [0, 7, 14, 21] {
        let byte = reader.read_u8().await?;
        packet.push(byte);
        length |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it sends a packet of {length} bytes, which no answer of a broker has"
        )));
    }
    let head = packet.len();
    packet.resize(head + length as usize, 0);
    reader.read_exact(&mut packet[head..]).await?;
    parse(version, &packet).ok_or_else(|| io::Error::other("what it sends is not MQTT"))
}

fn parse(version: Version, packet: &[u8]) -> Option<Incoming> {
    match version {
        Version::V311 => Some(incoming_v3(&v3::Packet::decode(packet).ok()??)),
        // A broker that knows 3.1.1 alone answers in its own way.
        Version::V5 if matches!(packet, [CONNACK, 2, ..]) => {
            let v3::Packet::Connack(connack) = v3::Packet::decode(packet).ok()?? else { return None };
            let broker = Broker::of_v3(false);
            (connack.code != v3::ConnectReturnCode::Accepted).then_some(Incoming::Welcome {
                code: UNSUPPORTED_VERSION,
                words: None,
                broker,
            })
        }
        Version::V5 => Some(incoming_v5(v5::Packet::decode(packet).ok()??)),
    }
}

fn incoming_v3(packet: &v3::Packet) -> Incoming {
    match packet {
        v3::Packet::Connack(v3::Connack { session_present, code }) => {
            // As MQTT 5 says it.
            let code = match code {
                v3::ConnectReturnCode::Accepted => 0,
                v3::ConnectReturnCode::UnacceptableProtocolVersion => UNSUPPORTED_VERSION,
                v3::ConnectReturnCode::IdentifierRejected => 0x85,
                v3::ConnectReturnCode::ServerUnavailable => 0x88,
                v3::ConnectReturnCode::BadUserNameOrPassword => 0x86,
                v3::ConnectReturnCode::NotAuthorized => 0x87,
            };
            Incoming::Welcome { code, words: None, broker: Broker::of_v3(*session_present) }
        }
        v3::Packet::Puback(pid) => Incoming::Acknowledged { pid: pid.value(), code: 0, words: None },
        v3::Packet::Pingresp => Incoming::Pong,
        _ => Incoming::Other,
    }
}

fn incoming_v5(packet: v5::Packet) -> Incoming {
    let words = |text: Option<Arc<str>>| text.map(|text| Box::from(&*text));
    match packet {
        v5::Packet::Connack(connack) => {
            let told = connack.properties;
            let broker = Broker {
                has_session: connack.session_present,
                packet_bytes_max: told.max_packet_size.and_then(|bytes| usize::try_from(bytes).ok()),
                receive_max: told.receive_max.unwrap_or(u16::MAX),
                has_qos_1: told.max_qos != Some(QoS::Level0),
                is_retaining: told.retain_available.unwrap_or(true),
                keep_alive_s: told.server_keep_alive,
            };
            Incoming::Welcome { code: connack.reason_code as u8, words: words(told.reason_string), broker }
        }
        v5::Packet::Puback(v5::Puback { pid, reason_code, properties }) => Incoming::Acknowledged {
            pid: pid.value(),
            code: reason_code as u8,
            words: words(properties.reason_string),
        },
        v5::Packet::Pingresp => Incoming::Pong,
        v5::Packet::Disconnect(v5::Disconnect { reason_code, properties }) => {
            Incoming::Leave { code: reason_code as u8, words: words(properties.reason_string) }
        }
        _ => Incoming::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_spelled_as_the_codec_spells_it_and_its_payload_follows() {
        let message = Message {
            topic: "rows/A".into(),
            is_retained: true,
            properties: vec![("idempotency-key".into(), "\"i/T/A/live/0\"".into())],
            content_type: Some("text/csv"),
        };
        for payload_bytes in [0, 5, 200, 20_000, 3_000_000] {
            let payload = vec![b'x'; payload_bytes];
            let mut bytes = publish(Version::V5, &message, (7, true), payload_bytes).unwrap();
            bytes.extend(&payload);
            let Ok(Some(v5::Packet::Publish(read))) = v5::Packet::decode(&bytes) else {
                panic!("no PUBLISH")
            };
            assert_eq!(v5::Packet::Publish(read.clone()).encode().unwrap().as_ref(), bytes);
            assert!(read.dup && read.retain && read.payload == payload);
            assert_eq!(read.qos_pid, QosPid::Level1(Pid::try_from(7).unwrap()));
            assert_eq!(&*read.properties.user_properties[0].value, "\"i/T/A/live/0\"");

            let mut bytes = publish(Version::V311, &message, (7, false), payload_bytes).unwrap();
            bytes.extend(&payload);
            let Ok(Some(v3::Packet::Publish(read))) = v3::Packet::decode(&bytes) else {
                panic!("no PUBLISH")
            };
            assert!(!read.dup && &*read.topic_name == "rows/A" && read.payload == payload);
        }
    }

    #[test]
    fn an_answer_of_the_older_version_to_the_newer_says_which_is_spoken() {
        let Some(Incoming::Welcome { code, .. }) = parse(Version::V5, &[0x20, 2, 0, 1]) else {
            panic!("not understood")
        };
        assert_eq!(code, UNSUPPORTED_VERSION);
    }

    #[tokio::test]
    async fn what_is_no_answer_of_a_broker_is_refused_and_never_held() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            &[0x20, 0xff, 0xff, 0xff, 0xff],
            &[0x40, 2, 0, 0],
            &[0x40, 0xff, 0xff, 0xff, 0x7f],
            &[0x20],
            &[],
        ] {
            for version in [Version::V311, Version::V5] {
                let mut reader = bytes;
                assert!(read(version, &mut reader).await.is_err(), "{bytes:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        /// Seeds are printed by proptest where it fails.
        #[test]
        fn whatever_a_broker_sends_is_an_answer_or_no_mqtt(
            head in prop::sample::select(vec![0x20u8, 0x30, 0x32, 0x40, 0x90, 0xd0, 0xe0, 0xf0, 0x00]),
            body in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..90),
            is_v5 in any::<bool>(),
        ) {
            let version = if is_v5 { Version::V5 } else { Version::V311 };
            let length = u8::try_from(body.len()).unwrap();
            let mut packet = vec![head, length];
            packet.extend(body);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut reader = packet.as_slice();
            let answer = runtime.block_on(read(version, &mut reader));
            prop_assert!(reader.is_empty(), "it is read to its end, and no further: {answer:?}");
        }
    }
}
