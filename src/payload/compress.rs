//! Hashes and compresses a payload while it is being written.

use std::io::Write;

use aws_lc_rs::digest;
use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::Encoded;

/// Payload bytes that are gathered before they are hashed and compressed: large enough for both to
/// run at full speed, small enough to be still in the cache.
const CHUNK_BYTES: usize = 64 * 1024;

/// RFC 1952 "unknown": the same bytes on every system.
const GZIP_SYSTEM_UNKNOWN: u8 = 255;

/// On rows of numbers as JSON, level 1 gives objects half as large again for a third less time, and
/// level 6 saves a quarter of their size for more than twice the time.
const GZIP_LEVEL: u32 = 2;

/// On rows of numbers as JSON, Zstandard's own default of 3 takes up to twice the time and gives
/// objects that are a tenth larger.
const ZSTD_LEVEL: i32 = 1;

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Stored as it is.
    #[default]
    None,
    /// RFC 1952, with no name and no time in its header.
    Gzip,
    /// RFC 8878, with the checksum of its content.
    Zstd,
}

impl Compression {
    /// Ending of a key, with its dot, after that of the format; empty without compression.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// Name of the content coding in HTTP, where there is one.
    #[must_use]
    pub fn content_encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// Takes a payload in pieces: writers append to [`PayloadWriter::buffer`] and then call
/// [`PayloadWriter::advance`], so that a value is copied once and a piece may be of any size.
pub(super) struct PayloadWriter {
    digest: digest::Context,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are hashed already; always 0 when compressing.
    hashed: usize,
    payload_bytes: u64,
    encoder: Encoder,
}

enum Encoder {
    /// The buffer itself becomes the object.
    Store,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl PayloadWriter {
    /// Starts a payload of about `expected_bytes`.
    pub(super) fn new(compression: Compression, expected_bytes: usize) -> std::io::Result<Self> {
        let encoder = match compression {
            Compression::None => Encoder::Store,
            Compression::Gzip => Encoder::Gzip(
                GzBuilder::new()
                    .mtime(0)
                    .operating_system(GZIP_SYSTEM_UNKNOWN)
                    .write(Vec::new(), flate2::Compression::new(GZIP_LEVEL)),
            ),
            Compression::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
        };
        let capacity = if matches!(encoder, Encoder::Store) { expected_bytes } else { 2 * CHUNK_BYTES };
        Ok(Self {
            digest: digest::Context::new(&digest::SHA256),
            buffer: Vec::with_capacity(capacity),
            hashed: 0,
            payload_bytes: 0,
            encoder,
        })
    }

    /// Where the next bytes of the payload are appended. What stands in it already stays.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Passes on what was appended, once it is worth it.
    #[inline]
    pub(super) fn advance(&mut self) -> std::io::Result<()> {
        if self.buffer.len() - self.hashed < CHUNK_BYTES { Ok(()) } else { self.pass_on() }
    }

    fn pass_on(&mut self) -> std::io::Result<()> {
        let piece = &self.buffer[self.hashed..];
        self.digest.update(piece);
        self.payload_bytes += piece.len() as u64;
        match &mut self.encoder {
            Encoder::Store => {
                self.hashed = self.buffer.len();
                return Ok(());
            }
            Encoder::Gzip(encoder) => encoder.write_all(piece)?,
            Encoder::Zstd(encoder) => encoder.write_all(piece)?,
        }
        self.buffer.clear();
        Ok(())
    }

    /// Ends the payload.
    pub(super) fn finish(mut self) -> std::io::Result<Encoded> {
        self.pass_on()?;
        let mut bytes = match self.encoder {
            Encoder::Store => self.buffer,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstd(encoder) => encoder.finish()?,
        };
        // The object waits in memory for its upload; what its vector grew in vain would wait with it.
        bytes.shrink_to_fit();
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        Ok(Encoded { bytes: bytes.into(), digest, payload_bytes: self.payload_bytes, misfits: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    fn encode(pieces: &[&[u8]], compression: Compression) -> Encoded {
        let mut writer = PayloadWriter::new(compression, 0).unwrap();
        for piece in pieces {
            writer.buffer().extend_from_slice(piece);
            writer.advance().unwrap();
        }
        writer.finish().unwrap()
    }

    fn decode(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut payload = Vec::new();
        match compression {
            Compression::None => payload.extend_from_slice(bytes),
            Compression::Gzip => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut payload).unwrap()),
            Compression::Zstd => payload = zstd::decode_all(bytes).unwrap(),
        }
        payload
    }

    #[test]
    fn every_compression_gives_back_the_payload_with_its_digest_and_length() {
        let row: Vec<u8> = (0..=255).collect();
        let pieces: Vec<&[u8]> = (0..3_000).map(|piece| &row[..piece % 257]).collect();
        let payload = pieces.concat();
        for compression in ALL {
            let encoded = encode(&pieces, compression);
            assert_eq!(decode(&encoded.bytes, compression), payload, "{compression:?}");
            assert_eq!(encoded.digest, digest::digest(&digest::SHA256, &payload).as_ref(), "{compression:?}");
            assert_eq!(encoded.payload_bytes, payload.len() as u64, "{compression:?}");
        }
    }

    #[test]
    fn the_size_of_the_pieces_leaves_no_trace_in_the_object() {
        let payload: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for compression in ALL {
            let whole = encode(&[&payload], compression);
            let again = encode(&[&payload], compression);
            assert_eq!(whole.bytes, again.bytes, "{compression:?}");
            let pieces: Vec<&[u8]> = payload.chunks(1_000).collect();
            assert_eq!(encode(&pieces, compression).digest, whole.digest, "{compression:?}");
        }
    }

    #[test]
    fn an_empty_payload_is_whole() {
        for compression in ALL {
            let encoded = encode(&[], compression);
            assert_eq!((decode(&encoded.bytes, compression), encoded.payload_bytes), (Vec::new(), 0));
        }
    }

    #[test]
    fn a_gzip_header_holds_no_name_no_time_and_no_system() {
        let encoded = encode(&[b"x"], Compression::Gzip);
        assert_eq!(encoded.bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn a_zstd_frame_carries_the_checksum_of_its_content() {
        let mut bytes = encode(&[&vec![7; 100_000]], Compression::Zstd).bytes.to_vec();
        assert_eq!(bytes[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(bytes[4] & 0b100, 0b100, "content checksum flag, RFC 8878 section 3.1.1.1.1");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert!(zstd::decode_all(&bytes[..]).is_err());
    }

    #[test]
    fn an_object_holds_no_more_memory_than_it_has_bytes() {
        for compression in ALL {
            let encoded = encode(&[&vec![b'a'; 200_000]], compression);
            let len = encoded.bytes.len();
            assert_eq!(Vec::from(encoded.bytes).capacity(), len, "{compression:?}");
        }
    }
}
