//! The spelling of numbers and byte strings inside TTC messages, both ways.
//!
//! Integers are "universal": one byte says how many bytes follow, most significant first. A byte string
//! has its length in one byte up to 252; 254 announces chunks, each with its length, ended by a zero.

/// A byte string longer than this is sent in chunks.
const SHORT_MAX: usize = 252;
/// Announces a byte string in chunks.
const CHUNKED: u8 = 254;
/// Stands for a null where a length is expected.
const NULL: u8 = 255;
/// Bytes of one chunk.
const CHUNK_BYTES_MAX: usize = 32_767;

/// The message goes on in a packet that has not been read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incomplete;

/// Reads a message.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether all of it has been read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Takes `count` bytes as they are.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Incomplete> {
        let bytes = self.bytes.get(self.at..self.at + count).ok_or(Incomplete)?;
        self.at += count;
        Ok(bytes)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, Incomplete> {
        Ok(self.raw(1)?[0])
    }

    /// Takes two bytes, most significant first.
    pub fn u16_be(&mut self) -> Result<u16, Incomplete> {
        let bytes = self.raw(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// Takes a universal integer.
    pub fn uint(&mut self) -> Result<u64, Incomplete> {
        let count = usize::from(self.u8()? & 0x7f);
        Ok(self.raw(count)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Takes a universal integer as a count of things held in memory.
    pub fn count(&mut self) -> Result<usize, Incomplete> {
        Ok(usize::try_from(self.uint()?).expect("counts fit into memory"))
    }

    /// Takes universal integers that say nothing to this server.
    pub fn skip_uints(&mut self, count: usize) -> Result<(), Incomplete> {
        (0..count).try_for_each(|_| self.uint().map(drop))
    }

    /// Takes a byte string; a null is an empty one.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Incomplete> {
        match self.u8()? {
            NULL => Ok(Vec::new()),
            CHUNKED => {
                let mut whole = Vec::new();
                loop {
                    let count = self.count()?;
                    if count == 0 {
                        return Ok(whole);
                    }
                    whole.extend_from_slice(self.raw(count)?);
                }
            }
            count => Ok(self.raw(count.into())?.to_vec()),
        }
    }

    /// Takes a byte string that has its length before it once more.
    pub fn counted_bytes(&mut self) -> Result<Vec<u8>, Incomplete> {
        if self.uint()? == 0 { Ok(Vec::new()) } else { self.bytes() }
    }

    /// Takes bytes up to a zero.
    pub fn until_zero(&mut self) -> Result<&'a [u8], Incomplete> {
        let count = self.bytes[self.at..].iter().position(|byte| *byte == 0).ok_or(Incomplete)?;
        let bytes = self.raw(count)?;
        self.raw(1)?;
        Ok(bytes)
    }
}

/// Writes a message.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins an empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// The message as it is on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Puts bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Puts a universal integer.
    pub fn uint(&mut self, value: u64) {
        let bytes = value.to_be_bytes();
        let zeros = value.leading_zeros() as usize / 8;
        self.u8(u8::try_from(bytes.len() - zeros).expect("eight at most"));
        self.raw(&bytes[zeros..]);
    }

    /// Puts a count as a universal integer.
    pub fn count(&mut self, value: usize) {
        self.uint(value as u64);
    }

    /// Puts universal zeros.
    pub fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    /// Puts a byte string.
    pub fn bytes(&mut self, value: &[u8]) {
        if value.len() <= SHORT_MAX {
            self.u8(u8::try_from(value.len()).expect("a short length"));
            self.raw(value);
            return;
        }
        self.u8(CHUNKED);
        for chunk in value.chunks(CHUNK_BYTES_MAX) {
            self.count(chunk.len());
            self.raw(chunk);
        }
        self.u8(0);
    }

    /// Puts a byte string with its length before it once more; an empty one is the length alone.
    pub fn counted_bytes(&mut self, value: &[u8]) {
        self.count(value.len());
        if !value.is_empty() {
            self.bytes(value);
        }
    }
}
