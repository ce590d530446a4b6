//! The first packets of a connection: connect, accept or refuse, protocol, data types.

use std::net::SocketAddr;

use super::wire::{Incomplete, Reader, Writer};

/// Which release the server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 12.2: TNS 316.
    V12,
    /// 19c: TNS 318. Like 12.2 it does not say where an answer ends, and announces errors by markers.
    V19,
    /// 23ai: TNS 319, one round trip for the logon, each answer has an end.
    V23,
}

const FAST_LOGON: u32 = 0x1000_0000;
const ENDS_RESPONSES: u32 = 0x0200_0000;
const ENCRYPTION_REQUIRED: u8 = 0x10;
/// The field version of the logon inside a fast one, before the server has said its own.
pub const FAST_LOGON_FIELD_VERSION: u8 = 13;

const PROTOCOL: u8 = 1;
const DATA_TYPES: u8 = 2;
/// Place of the field version among the server's capabilities.
const FIELD_VERSION_AT: usize = 7;

impl Release {
    /// Which fields messages have.
    pub fn field_version(self) -> u8 {
        match self {
            Self::V12 => 8,
            Self::V19 => 12,
            Self::V23 => 24,
        }
    }

    /// Whether answers have a marked end; without it, errors are announced by markers.
    pub fn ends_responses(self) -> bool {
        self == Self::V23
    }

    /// As the logon says it: 12.2.0.1, 19.24 and 23.9.
    pub fn version_number(self) -> u32 {
        match self {
            Self::V12 => 0x0c20_0100,
            Self::V19 => 0x1318_0000,
            Self::V23 => 0x1709_0000,
        }
    }

    fn protocol(self) -> u16 {
        match self {
            Self::V12 => 316,
            Self::V19 => 318,
            Self::V23 => 319,
        }
    }
}

/// A connect packet.
pub struct Connect {
    /// The largest packet the client takes.
    pub sdu: u32,
    /// Bytes of the connect descriptor that follow in a packet of their own.
    pub follows: usize,
    /// The connect descriptor.
    pub descriptor: String,
}

impl Connect {
    /// Reads its body.
    pub fn read(body: &[u8]) -> Result<Self, Incomplete> {
        let mut reader = Reader::new(body);
        reader.raw(16)?;
        let count = usize::from(reader.u16_be()?);
        let offset = usize::from(reader.u16_be()?);
        reader.raw(30)?;
        let sdu = u32::from_be_bytes(reader.raw(4)?.try_into().expect("four bytes were taken"));
        // The offset counts from the beginning of the packet, eight bytes before its body.
        let inside = body.get(offset - 8..).unwrap_or_default();
        let follows = if inside.is_empty() { count } else { 0 };
        Ok(Self { sdu, follows, descriptor: String::from_utf8_lossy(inside).into_owned() })
    }
}

/// The body of an accept packet.
pub fn accept(release: Release, sdu: u32, requires_encryption: bool) -> Vec<u8> {
    let short_sdu = u16::try_from(sdu).unwrap_or(u16::MAX);
    let mut out = Writer::new();
    out.raw(&release.protocol().to_be_bytes());
    out.raw(&[0, 0]); // service options: no attention out of band
    out.raw(&short_sdu.to_be_bytes());
    out.raw(&short_sdu.to_be_bytes());
    out.raw(&[0, 1, 0, 0, 0, 45]); // byte order, no data, where it would be
    let flags = if requires_encryption { ENCRYPTION_REQUIRED } else { 0x04 };
    out.raw(&[flags, flags]);
    out.zeros(8);
    out.raw(&sdu.to_be_bytes());
    out.raw(&sdu.to_be_bytes());
    out.u8(0);
    let flags = if release == Release::V23 { FAST_LOGON | ENDS_RESPONSES } else { 0 };
    out.raw(&flags.to_be_bytes());
    out.into_bytes()
}

/// The body of a refuse packet.
pub fn refuse(code: u32) -> Vec<u8> {
    let text = format!(
        "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))"
    );
    let mut out = Writer::new();
    out.raw(&[0x22, 0]);
    out.raw(&u16::try_from(text.len()).expect("a short text").to_be_bytes());
    out.raw(text.as_bytes());
    out.into_bytes()
}

/// Where a redirect sends the client: an address, and what to say there.
pub fn redirect(address: SocketAddr, descriptor: &str) -> String {
    let (host, port) = (address.ip(), address.port());
    format!("(ADDRESS=(PROTOCOL=tcp)(HOST={host})(PORT={port}))\0{descriptor}")
}

/// Answers the protocol message.
pub fn protocol(out: &mut Writer, release: Release) {
    out.raw(&[PROTOCOL, 6, 0]);
    out.raw(b"x86_64/Linux 2.4.xx\0");
    out.raw(&873_u16.to_le_bytes()); // the database is in UTF-8
    out.raw(&[1, 0, 0]);
    out.raw(&11_u16.to_be_bytes());
    out.zeros(9);
    out.raw(&2000_u16.to_be_bytes()); // its national character set is UTF-16
    let mut capabilities = [0; 55];
    capabilities[FIELD_VERSION_AT] = release.field_version();
    out.bytes(&capabilities);
    out.bytes(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // strings have 4000 bytes at most
}

/// Answers the data types: as the client has them.
pub fn data_types(out: &mut Writer) {
    out.u8(DATA_TYPES);
    out.raw(&[0, 0]);
}

/// Passes over a protocol message.
pub fn skip_protocol(reader: &mut Reader<'_>) -> Result<(), Incomplete> {
    reader.u8()?;
    reader.until_zero()?;
    reader.until_zero()?;
    Ok(())
}

/// Passes over a data types message.
pub fn skip_data_types(reader: &mut Reader<'_>) -> Result<(), Incomplete> {
    reader.raw(6)?;
    reader.bytes()?;
    reader.bytes()?;
    while reader.u16_be()? != 0 {
        reader.raw(6)?;
    }
    Ok(())
}
