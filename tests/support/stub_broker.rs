//! A broker that answers as a test says: for answers that no real broker gives on demand.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use mqtt_proto::v5;

use super::process::listener;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It came.
    Connect(v5::Connect),
    /// It published.
    Publish(v5::Publish),
    /// It left.
    Disconnect,
}

/// What it does about that.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends nothing.
    Silence,
    /// Sends these bytes and closes the connection.
    Close(Vec<u8>),
}

type Script = dyn FnMut(&Said) -> Reply + Send;

/// A stub, until the test's end.
pub struct StubBroker {
    address: SocketAddr,
    said: Arc<Mutex<Vec<Said>>>,
}

impl StubBroker {
    /// Answers what clients say as `script` says; a ping it answers itself.
    pub fn start(script: impl FnMut(&Said) -> Reply + Send + 'static) -> Self {
        let listener = listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let said: Arc<Mutex<Vec<Said>>> = Arc::default();
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let seen = Arc::clone(&said);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, &script, &seen));
            }
        });
        Self { address, said }
    }

    /// What to give as the sink's `url`.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// All that clients said so far.
    pub fn said(&self) -> Vec<Said> {
        self.said.lock().expect("no thread panics").clone()
    }

    /// What was published so far, but for the status.
    pub fn published(&self) -> Vec<v5::Publish> {
        let published = |said| match said {
            Said::Publish(publish) => Some(publish),
            _ => None,
        };
        self.said().into_iter().filter_map(published).collect()
    }
}

/// CONNACK with these properties.
pub fn welcome(code: v5::ConnectReasonCode, properties: v5::ConnackProperties) -> Reply {
    let connack = v5::Connack { session_present: false, reason_code: code, properties };
    Reply::Bytes(encoded(&connack.into()))
}

/// CONNACK that lets in.
pub fn let_in() -> Reply {
    welcome(v5::ConnectReasonCode::Success, v5::ConnackProperties::default())
}

/// PUBACK for `publish`.
pub fn acknowledge(publish: &v5::Publish, code: v5::PubackReasonCode) -> Reply {
    let pid = publish.qos_pid.pid().expect("QoS 1");
    Reply::Bytes(encoded(&v5::Puback::new(pid, code).into()))
}

/// DISCONNECT with this code.
pub fn leave(code: v5::DisconnectReasonCode) -> Reply {
    Reply::Close(encoded(&v5::Disconnect::new(code).into()))
}

fn encoded(packet: &v5::Packet) -> Vec<u8> {
    packet.encode().expect("a packet").as_ref().to_vec()
}

fn serve(mut stream: TcpStream, script: &Mutex<Box<Script>>, seen: &Mutex<Vec<Said>>) -> Option<()> {
    loop {
        let said = match read(&mut stream)? {
            v5::Packet::Pingreq => {
                stream.write_all(&encoded(&v5::Packet::Pingresp)).ok()?;
                continue;
            }
            v5::Packet::Connect(connect) => Said::Connect(connect),
            v5::Packet::Publish(publish) => Said::Publish(publish),
            _ => Said::Disconnect,
        };
        seen.lock().ok()?.push(said.clone());
        let reply = (script.lock().ok()?)(&said);
        match reply {
            Reply::Bytes(bytes) => stream.write_all(&bytes).ok()?,
            Reply::Silence => {}
            Reply::Close(bytes) => {
                stream.write_all(&bytes).ok()?;
                return None;
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<v5::Packet> {
    let mut packet = vec![0; 1];
    stream.read_exact(&mut packet).ok()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.push(byte[0]);
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let head = packet.len();
    packet.resize(head + length, 0);
    stream.read_exact(&mut packet[head..]).ok()?;
    v5::Packet::decode(&packet).ok()?
}
