//! What the codes of a broker mean (MQTT 5, 2.4); those of MQTT 3.1.1 are translated before they come here.

use super::wire::UNSUPPORTED_VERSION;
use crate::sink::SinkError;

/// How much of a broker's own words goes into a message.
const WORDS_CHARS_MAX: usize = 300;

const SUCCESS: u8 = 0x00;
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const NOT_AUTHORIZED: u8 = 0x87;
const SERVER_BUSY: u8 = 0x89;
const RATE_TOO_HIGH: u8 = 0x96;
const QUOTA_EXCEEDED: u8 = 0x97;
const TOPIC_NAME_INVALID: u8 = 0x90;
const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
/// Another client has come under our name.
pub(super) const SESSION_TAKEN_OVER: u8 = 0x8e;
/// Of DISCONNECT: something that we sent was larger than the broker takes.
pub(super) const PACKET_TOO_LARGE: u8 = 0x95;

/// How a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// The broker has it.
    Stored,
    /// The broker had it, and nobody to keep it for.
    ByNobody,
}

/// What the broker says of one message, which went to `topic`. Where each site has a topic of its own, what is
/// wrong with one stops no other.
pub(super) fn of_message(
    place: &str,
    topic: &str,
    is_of_one_site: bool,
    (code, words): (u8, Option<&str>),
) -> Result<Taken, SinkError> {
    let said = format!("{place} answers {} for topic {topic}", spelled(code, words));
    Err(match code {
        SUCCESS => return Ok(Taken::Stored),
        NO_MATCHING_SUBSCRIBERS => return Ok(Taken::ByNobody),
        NOT_AUTHORIZED => {
            let text = format!("{said}; let its access rules allow this user to publish there");
            if is_of_one_site { SinkError::Retry(text) } else { SinkError::Denied(text) }
        }
        TOPIC_NAME_INVALID => {
            let text = format!("{said}; set another topic under [sink.mqtt]");
            if is_of_one_site { SinkError::Retry(text) } else { SinkError::Fatal(text) }
        }
        PAYLOAD_FORMAT_INVALID | PACKET_TOO_LARGE => SinkError::Refused(said),
        SERVER_BUSY | RATE_TOO_HIGH | QUOTA_EXCEEDED => SinkError::Busy { words: said, wait: None },
        _ => SinkError::Retry(said),
    })
}

/// What the broker says to a new connection; `Ok` where we are welcome.
pub(super) fn of_welcome(place: &str, code: u8, words: Option<&str>) -> Result<(), SinkError> {
    let said = format!("{place} answers {}", spelled(code, words));
    Err(match code {
        SUCCESS => return Ok(()),
        UNSUPPORTED_VERSION => SinkError::Fatal(format!("{said}; set version = \"3.1.1\" under [sink.mqtt]")),
        0x85 => SinkError::Fatal(format!("{said}; set another client_id under [sink.mqtt]")),
        0x86 => SinkError::Denied(format!("{said}; check user and password under [sink.mqtt]")),
        NOT_AUTHORIZED => SinkError::Denied(format!(
            "{said}; check user, password, certificate, client_id and status_topic under [sink.mqtt], and the \
             broker's access rules"
        )),
        0x8a => SinkError::Denied(format!("{said}; ask who runs it")),
        0x8c => SinkError::Denied(format!("{said}; let it allow users with passwords, or certificates")),
        TOPIC_NAME_INVALID | 0x99 | 0x9a => {
            SinkError::Fatal(format!("{said}; set another status_topic under [sink.mqtt], or none"))
        }
        0x81 | 0x82 | PACKET_TOO_LARGE | 0x9b => {
            SinkError::Fatal(format!("{said}; set another version under [sink.mqtt]"))
        }
        0x9d => SinkError::Fatal(format!("{said}; set url to where it is now")),
        // Busy, unavailable, over a quota, another server for now: such things pass.
        _ => SinkError::Away(said),
    })
}

/// Why the broker ended the connection.
pub(super) fn of_leave(code: u8, words: Option<&str>) -> String {
    let remedy = match code {
        SESSION_TAKEN_OVER => "; another client came under our client_id: give each one of its own",
        NOT_AUTHORIZED => "; check its access rules for this user, client_id and topic",
        PACKET_TOO_LARGE => "; set packet_bytes_max under [sink.mqtt]",
        _ => "",
    };
    format!("it ended the connection: {}{remedy}", spelled(code, words))
}

/// A code as its standard names it, and the broker's own words on one line.
fn spelled(code: u8, words: Option<&str>) -> String {
    let name = match code {
        SUCCESS => "that it is well",
        0x04 => "that it publishes our last will",
        0x80 => "an unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "an error of its own",
        UNSUPPORTED_VERSION => "unsupported protocol version",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        NOT_AUTHORIZED => "not authorized",
        0x88 => "server unavailable",
        SERVER_BUSY => "server busy",
        0x8a => "banned",
        0x8b => "server shutting down",
        0x8c => "bad authentication method",
        0x8d => "keep alive timeout",
        SESSION_TAKEN_OVER => "session taken over",
        TOPIC_NAME_INVALID => "topic name invalid",
        0x91 => "packet identifier in use",
        0x93 => "receive maximum exceeded",
        PACKET_TOO_LARGE => "packet too large",
        RATE_TOO_HIGH => "message rate too high",
        QUOTA_EXCEEDED => "quota exceeded",
        0x98 => "administrative action",
        PAYLOAD_FORMAT_INVALID => "payload format invalid",
        0x9a => "retain not supported",
        0x9b => "QoS not supported",
        0x9c => "use another server",
        0x9d => "server moved",
        0x9f => "connection rate exceeded",
        _ => "a code of its own",
    };
    let line = words.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect();
    let own = if line.is_empty() { String::new() } else { format!(" ({line})") };
    format!("{name} [0x{code:02x}]{own}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<impl Sized, SinkError>) -> &'static str {
        match result {
            Ok(_) => "well",
            Err(SinkError::Refused(_)) => "refused",
            Err(SinkError::Denied(_)) => "denied",
            Err(SinkError::Fatal(_)) => "fatal",
            Err(_) => "retry",
        }
    }

    #[test]
    fn each_code_of_an_acknowledgement_has_its_meaning() {
        for (codes, one_topic, topic_a_site) in [
            (&[0x00, 0x10][..], "well", "well"),
            (&[0x80, 0x83, 0x91, 0x97, 0x89], "retry", "retry"),
            (&[0x87], "denied", "retry"),
            (&[0x90], "fatal", "retry"),
            (&[0x99, 0x95], "refused", "refused"),
        ] {
            for code in codes {
                assert_eq!(
                    kind(of_message("mqtt://h:1", "t", false, (*code, None))),
                    one_topic,
                    "{code:02x}"
                );
                assert_eq!(
                    kind(of_message("mqtt://h:1", "t", true, (*code, None))),
                    topic_a_site,
                    "{code:02x}"
                );
            }
        }
    }

    #[test]
    fn each_code_of_a_welcome_has_its_meaning() {
        for (codes, meaning) in [
            (&[0x00][..], "well"),
            (&[0x80, 0x83, 0x88, 0x89, 0x97, 0x9c, 0x9f], "retry"),
            (&[0x86, 0x87, 0x8a, 0x8c], "denied"),
            (&[0x81, 0x82, 0x84, 0x85, 0x90, 0x95, 0x99, 0x9a, 0x9b, 0x9d], "fatal"),
        ] {
            for code in codes {
                assert_eq!(kind(of_welcome("mqtt://h:1", *code, None)), meaning, "{code:02x}");
            }
        }
    }

    #[test]
    fn a_message_has_the_brokers_own_words_on_one_line() {
        let error = of_message("mqtt://h:1", "t", false, (0x97, Some("wait\n a\u{7} bit"))).unwrap_err();
        assert_eq!(error.to_string(), "mqtt://h:1 answers quota exceeded [0x97] (wait a bit) for topic t");
    }
}
