//! The payload of a state file: one module for each format that was ever released, all frozen.
//!
//! A field more is a new format, with a module of its own: it is written from then on, and those
//! before it are read for ever.
//!
//! bincode 2 with serde and its standard configuration: integers as varints, signed ones as
//! zigzag, texts and lists with their length in front, variants and options by number. The crate is
//! unmaintained (RUSTSEC-2025-0141), so nothing but this module names it, its version is pinned, and
//! the bytes are held by `tests/golden/*.state`, which a second implementation reads too.
//!
//! Texts are borrowed from the payload: a length is compared with what is there before anything of
//! that size is allocated.

mod parts;
mod v1;
mod v2;
mod v3;

use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Deserialize;

use crate::PAYLOAD_BYTES_MAX;
use crate::record::State;

/// What bincode may claim while it reads. It counts a varint by its widest form: 8 bytes for 1.
const CLAIM_BYTES_MAX: usize = 8 * PAYLOAD_BYTES_MAX;
/// Why a payload that bincode wrote would not be one: none of its types can fail to be written.
const WRITABLE: &str = "plain data is written into memory";

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    V1,
    V2,
    V3,
}

impl Format {
    /// The format of a major version; nothing for one that is newer, or never was.
    pub(crate) fn of(major: u16) -> Option<Self> {
        match major {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            _ => None,
        }
    }
}

/// Appends the payload of `state` in the newest format to `out`.
pub(crate) fn encode(state: &State, out: &mut Vec<u8>) {
    bincode::serde::encode_into_writer(v3::StateV3::of(state), Appended(out), bincode::config::standard())
        .expect(WRITABLE);
}

/// Reads a payload, all of it.
///
/// # Errors
/// Says in a few words why `payload` is none that a release wrote.
pub(crate) fn decode(format: Format, payload: &[u8]) -> Result<State, String> {
    let checked = match format {
        Format::V1 => plain::<v1::StateV1<'_>>(payload)?.checked(),
        Format::V2 => plain::<v2::StateV2<'_>>(payload)?.checked(),
        Format::V3 => plain::<v3::StateV3<'_>>(payload)?.checked(),
    };
    checked.map_err(|error| format!("its payload holds a wrong value ({error})"))
}

fn plain<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, String> {
    let config = bincode::config::standard().with_limit::<CLAIM_BYTES_MAX>();
    let (wire, consumed) = bincode::serde::borrow_decode_from_slice(payload, config)
        .map_err(|error| format!("its payload does not decode ({error})"))?;
    if consumed != payload.len() {
        return Err(format!("its payload has {} bytes too many", payload.len() - consumed));
    }
    Ok(wire)
}

/// Memory that bincode writes to without asking for each byte whether it failed.
struct Appended<'a>(&'a mut Vec<u8>);

impl Writer for Appended<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn words(error: impl ToString) -> String {
    error.to_string()
}
