//! A state file: a header of 72 bytes, then the payload. Little-endian.
//!
//! | offset | bytes | what |
//! |---:|---:|---|
//! | 0 | 8 | magic `89 4C 43 53 0D 0A 1A 0A` |
//! | 8 | 2 + 2 | major and minor version: 3, 0; or 2, 0; or 1, 0 |
//! | 12 | 4 | length of the header: 72 |
//! | 16 | 8 | generation: grows with every write |
//! | 24 | 8 | length of the payload |
//! | 32 | 16 | UUID of the instance, made with the first state and kept |
//! | 48 | 4 + 4 | codec (1: bincode 2, standard) and flags (none) |
//! | 56 | 8 | CRC-64/NVME of the payload |
//! | 64 | 8 | CRC-64/NVME of the header before these bytes |
//!
//! Frozen for all versions to come: magic, versions, header length, and that the last 8 bytes of the
//! header are the CRC of those before. So a file of a newer release is told from a damaged one. A
//! higher minor version is one that this release may read and write back. The formats differ in
//! their payload alone; a file of format 1 or 2 is read, and the next write is of format 3.

use crate::PAYLOAD_BYTES_MAX;
use crate::record::State;
use crate::wire::{self, Format};

const MAGIC: [u8; 8] = [0x89, b'L', b'C', b'S', 0x0d, 0x0a, 0x1a, 0x0a];
/// The newest format this release reads, and the one it writes.
pub(crate) const MAJOR: u16 = 3;
const MINOR: u16 = 0;
/// Bytes of the header of formats 1 to 3.
pub(crate) const HEADER_BYTES: usize = HEADER_BYTES_WRITTEN as usize;
const HEADER_BYTES_WRITTEN: u32 = 72;
/// No format will have a header longer than this.
const HEADER_BYTES_MAX: usize = 4096;
const CODEC_BINCODE: u32 = 1;
const NO_FLAGS: u32 = 0;

/// What a state file that is whole holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Whole {
    /// Major version of the format it was written in: what is newer is not read.
    pub major: u16,
    /// Minor version of that format.
    pub minor: u16,
    /// Grows with every write; the highest that is whole is the newest.
    pub generation: u64,
    /// UUID made with the first state of this table here, and kept.
    pub instance: [u8; 16],
    /// The record.
    pub state: State,
}

/// Why bytes are no state of this format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Not what any release wrote, in a few words.
    Corrupt(String),
    /// Whole, and of a newer format.
    Newer { major: u16 },
}

/// Replaces `out` with the file of `state`.
///
/// # Errors
/// The payload's length, when it is above [`PAYLOAD_BYTES_MAX`].
pub(crate) fn encode(
    state: &State,
    generation: u64,
    instance: [u8; 16],
    out: &mut Vec<u8>,
) -> Result<(), usize> {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    wire::encode(state, out);
    let (header, payload) = out.split_at_mut(HEADER_BYTES);
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(payload.len());
    }
    header[0..8].copy_from_slice(&MAGIC);
    header[8..10].copy_from_slice(&MAJOR.to_le_bytes());
    header[10..12].copy_from_slice(&MINOR.to_le_bytes());
    header[12..16].copy_from_slice(&HEADER_BYTES_WRITTEN.to_le_bytes());
    header[16..24].copy_from_slice(&generation.to_le_bytes());
    header[24..32].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    header[32..48].copy_from_slice(&instance);
    header[48..52].copy_from_slice(&CODEC_BINCODE.to_le_bytes());
    header[52..56].copy_from_slice(&NO_FLAGS.to_le_bytes());
    header[56..64].copy_from_slice(&crc(payload).to_le_bytes());
    let header_crc = crc(&header[..64]);
    header[64..72].copy_from_slice(&header_crc.to_le_bytes());
    Ok(())
}

/// Reads a whole file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Whole, Unfit> {
    let (format, header) = checked_header(bytes)?;
    let payload = &bytes[HEADER_BYTES..];
    let payload_bytes = u64::from_le_bytes(field(header, 24));
    if payload_bytes != payload.len() as u64 {
        return Err(corrupt(format!("its payload is {} bytes long, not {payload_bytes}", payload.len())));
    }
    if u64::from_le_bytes(field(header, 56)) != crc(payload) {
        return Err(corrupt("its payload fails its checksum"));
    }
    Ok(Whole {
        major: u16::from_le_bytes(field(header, 8)),
        minor: u16::from_le_bytes(field(header, 10)),
        generation: u64::from_le_bytes(field(header, 16)),
        instance: field(header, 32),
        state: wire::decode(format, payload).map_err(Unfit::Corrupt)?,
    })
}

/// The format and the header, whole; or why there is none.
fn checked_header(bytes: &[u8]) -> Result<(Format, &[u8]), Unfit> {
    if bytes.is_empty() {
        return Err(corrupt("it is empty"));
    }
    if bytes.len() < HEADER_BYTES {
        return Err(corrupt(format!("it ends after {} bytes, within its header", bytes.len())));
    }
    if bytes[..8] != MAGIC {
        return Err(corrupt("it does not begin as a state file does"));
    }
    let header_bytes = u32::from_le_bytes(field(bytes, 12)) as usize;
    if !(HEADER_BYTES..=HEADER_BYTES_MAX.min(bytes.len())).contains(&header_bytes) {
        return Err(corrupt("its header has an impossible length"));
    }
    let (header, header_crc) = bytes[..header_bytes].split_at(header_bytes - 8);
    if u64::from_le_bytes(field(header_crc, 0)) != crc(header) {
        return Err(corrupt("its header fails its checksum"));
    }
    let major = u16::from_le_bytes(field(bytes, 8));
    let codec = u32::from_le_bytes(field(bytes, 48));
    let flags = u32::from_le_bytes(field(bytes, 52));
    match (Format::of(major), header_bytes, codec, flags) {
        (Some(format), HEADER_BYTES, CODEC_BINCODE, NO_FLAGS) => Ok((format, header)),
        (None, ..) if major == 0 => Err(corrupt("it claims format 0, which never was")),
        _ => Err(Unfit::Newer { major }),
    }
}

fn corrupt(why: impl Into<String>) -> Unfit {
    Unfit::Corrupt(why.into())
}

/// The bytes of `header` from `at`; the caller has checked that they are there.
fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

fn crc(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}
