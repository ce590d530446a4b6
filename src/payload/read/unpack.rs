//! Decompresses a payload and hashes it on the way.

use std::io::{self, Read};

use aws_lc_rs::digest;

use super::PayloadSum;

/// RFC 1952, section 2.3.1.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878, section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Read at once when only the hash is wanted.
const REST_BYTES: usize = 64 * 1024;

/// The uncompressed payload of an object.
pub(super) struct Unpacker<'a> {
    from: Unpack<'a>,
    digest: digest::Context,
    payload_bytes: u64,
}

enum Unpack<'a> {
    Stored(&'a [u8]),
    // As RFC 1952 has it, several members are one stream.
    Gzip(Box<flate2::bufread::MultiGzDecoder<&'a [u8]>>),
    Zstd(zstd::stream::read::Decoder<'static, &'a [u8]>),
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(stored: &'a [u8]) -> io::Result<Self> {
        let from = if stored.starts_with(&GZIP_MAGIC) {
            Unpack::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(stored)))
        } else if stored.starts_with(&ZSTD_MAGIC) {
            Unpack::Zstd(zstd::stream::read::Decoder::with_buffer(stored)?)
        } else {
            Unpack::Stored(stored)
        };
        Ok(Self { from, digest: digest::Context::new(&digest::SHA256), payload_bytes: 0 })
    }

    /// Reads the rest and sums up all that was read.
    pub(super) fn finish(mut self) -> io::Result<PayloadSum> {
        let mut rest = vec![0; REST_BYTES];
        while self.read(&mut rest)? > 0 {}
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.finish().as_ref());
        Ok(PayloadSum { digest, payload_bytes: self.payload_bytes })
    }
}

impl Read for Unpacker<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.from {
            Unpack::Stored(bytes) => bytes.read(into)?,
            Unpack::Gzip(decoder) => decoder.read(into)?,
            Unpack::Zstd(decoder) => decoder.read(into)?,
        };
        self.digest.update(&into[..count]);
        self.payload_bytes += count as u64;
        Ok(count)
    }
}
