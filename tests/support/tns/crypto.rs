//! What a logon computes: AES in CBC mode without padding and with a zero vector, PBKDF2 over SHA-512,
//! and hexadecimal text.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::{digest, iv::FixedLength, pbkdf2, rand};

pub const BLOCK_BYTES: usize = 16;

/// Bytes nobody can guess.
pub fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// Encrypts whole blocks.
pub fn encrypt(key: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut bytes = plain.to_vec();
    let context = EncryptionContext::Iv128(FixedLength::from([0; BLOCK_BYTES]));
    EncryptingKey::cbc(cipher_key(key))
        .and_then(|key| key.less_safe_encrypt(&mut bytes, context))
        .expect("whole blocks");
    bytes
}

/// Decrypts whole blocks; `None` where they are not.
pub fn decrypt(key: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = secret.to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from([0; BLOCK_BYTES]));
    DecryptingKey::cbc(cipher_key(key)).and_then(|key| key.decrypt(&mut bytes, context).map(drop)).ok()?;
    Some(bytes)
}

fn cipher_key(key: &[u8]) -> UnboundCipherKey {
    let algorithm = if key.len() == 24 { &AES_192 } else { &AES_256 };
    UnboundCipherKey::new(algorithm, key).expect("a key has 24 or 32 bytes")
}

/// Derives `count` bytes from a secret.
pub fn derive(secret: &[u8], salt: &[u8], iterations: u32, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let iterations = NonZeroU32::new(iterations).expect("at least once");
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, secret, &mut bytes);
    bytes
}

/// The SHA-512 of two parts.
pub fn sha512(first: &[u8], second: &[u8]) -> Vec<u8> {
    hash(&digest::SHA512, first, second)
}

/// The SHA-1 of two parts.
pub fn sha1(first: &[u8], second: &[u8]) -> Vec<u8> {
    hash(&digest::SHA1_FOR_LEGACY_USE_ONLY, first, second)
}

fn hash(algorithm: &'static digest::Algorithm, first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut context = digest::Context::new(algorithm);
    context.update(first);
    context.update(second);
    context.finish().as_ref().to_vec()
}

/// Upper-case hexadecimal text.
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").expect("a string takes all");
        text
    })
}

/// The bytes of hexadecimal text; `None` where it is none.
pub fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
