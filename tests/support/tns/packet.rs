//! TNS packets: what a message is cut into on the way.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

pub const CONNECT: u8 = 1;
pub const ACCEPT: u8 = 2;
pub const REFUSE: u8 = 4;
pub const REDIRECT: u8 = 5;
pub const DATA: u8 = 6;
pub const MARKER: u8 = 12;

/// Kinds of markers: the client, or the server, breaks off what is under way; both begin anew.
pub const BREAK: u8 = 1;
pub const RESET: u8 = 2;

/// Data flag: the last packet of an answer.
const END_OF_RESPONSE: u16 = 0x2000;
/// Data flag: the client says good-bye.
const END_OF_FILE: u16 = 0x0040;
const HEADER_BYTES: usize = 8;
const DATA_HEADER_BYTES: usize = 10;

/// A packet from the client.
pub struct Packet {
    /// One of the kinds above.
    pub kind: u8,
    /// What follows the header.
    pub body: Vec<u8>,
    /// The client says good-bye.
    pub is_last: bool,
}

/// A connection, by packets.
pub struct Line {
    stream: TcpStream,
    /// Lengths take four bytes of the header, once the connection is accepted.
    pub is_accepted: bool,
    /// The largest packet.
    pub sdu: usize,
    /// The last packet of an answer is marked.
    pub marks_end: bool,
}

impl Line {
    /// Speaks over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, is_accepted: false, sdu: 8192, marks_end: false }
    }

    /// Waits for a packet.
    pub fn receive(&mut self) -> io::Result<Packet> {
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header)?;
        let short = usize::from(u16::from_be_bytes([header[0], header[1]]));
        let long = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let count = if self.is_accepted { long } else { short };
        let mut body = vec![0; count.checked_sub(HEADER_BYTES).ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut body)?;
        let mut is_last = false;
        if header[4] == DATA {
            let flags: Vec<u8> = body.drain(..DATA_HEADER_BYTES - HEADER_BYTES).collect();
            is_last = u16::from_be_bytes([flags[0], flags[1]]) & END_OF_FILE != 0;
        }
        Ok(Packet { kind: header[4], body, is_last })
    }

    /// Sends a packet that is no data.
    pub fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut packet = self.header(HEADER_BYTES + body.len(), kind);
        packet.extend_from_slice(body);
        self.stream.write_all(&packet)
    }

    /// Sends a marker.
    pub fn send_marker(&mut self, kind: u8) -> io::Result<()> {
        self.send(MARKER, &[1, 0, kind])
    }

    /// Sends a message, in as many packets as it takes.
    pub fn send_data(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(&self.cut(message))
    }

    /// Sends a message up to the middle of its last packet, and closes the connection.
    pub fn send_half(&mut self, message: &[u8]) -> io::Result<()> {
        let bytes = self.cut(message);
        let last = message.len() % (self.sdu - DATA_HEADER_BYTES);
        self.stream.write_all(&bytes[..bytes.len() - last / 2])?;
        self.close()
    }

    /// Closes the connection.
    pub fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Both)
    }

    fn cut(&self, message: &[u8]) -> Vec<u8> {
        let mut chunks = message.chunks(self.sdu - DATA_HEADER_BYTES).peekable();
        let mut packets = Vec::new();
        while let Some(chunk) = chunks.next() {
            let ends = self.marks_end && chunks.peek().is_none();
            let flags = if ends { END_OF_RESPONSE } else { 0 };
            packets.extend(self.header(DATA_HEADER_BYTES + chunk.len(), DATA));
            packets.extend_from_slice(&flags.to_be_bytes());
            packets.extend_from_slice(chunk);
        }
        packets
    }

    fn header(&self, count: usize, kind: u8) -> Vec<u8> {
        let count = u32::try_from(count).expect("a packet is small");
        let length = if self.is_accepted { count } else { count << 16 };
        let mut header = length.to_be_bytes().to_vec();
        header.extend_from_slice(&[kind, 0, 0, 0]);
        header
    }
}
