//! A second writer of frames, after the table in the crate's `frame` module and nothing else of it.

/// The header's fields, as a test wants them.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) major: u16,
    pub(crate) minor: u16,
    pub(crate) extra: Vec<u8>,
    pub(crate) generation: u64,
    pub(crate) instance: [u8; 16],
    pub(crate) codec: u32,
    pub(crate) flags: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self { major: 3, minor: 0, extra: vec![], generation: 7, instance: [9; 16], codec: 1, flags: 0 }
    }
}

/// A file with `header` and `payload`, and right checksums.
pub(crate) fn frame(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89LCS\r\n\x1a\n".to_vec();
    bytes.extend(header.major.to_le_bytes());
    bytes.extend(header.minor.to_le_bytes());
    bytes.extend(u32::try_from(72 + header.extra.len()).unwrap().to_le_bytes());
    bytes.extend(header.generation.to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(header.instance);
    bytes.extend(header.codec.to_le_bytes());
    bytes.extend(header.flags.to_le_bytes());
    bytes.extend(crc64_nvme(payload).to_le_bytes());
    bytes.extend(&header.extra);
    bytes.extend(crc64_nvme(&bytes).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// CRC-64/NVME, bit by bit: polynomial `ad93d23594c93659` reflected, all ones in and out
/// (NVM Express NVM Command Set Specification 1.0c, section 5.2.1.3.4).
pub(crate) fn crc64_nvme(bytes: &[u8]) -> u64 {
    let mut crc = u64::MAX;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x9a6c_9329_ac4b_c9b5 } else { crc >> 1 };
        }
    }
    !crc
}
