//! O5LOGON, the logon with a password: both sides prove that they know it, and it never travels.
//!
//! The server sends half of a session key, encrypted with what it keeps of the password; the client its
//! half. Both halves make the key under which the client sends the password, and the server a greeting.

use super::crypto::{BLOCK_BYTES, decrypt, derive, encrypt, from_hex, random, sha1, sha512, to_hex};
use super::wire::{Incomplete, Reader};

/// Rounds of the 12c verifier. The database has 4096, for which a client built without optimisation takes
/// a second; the client does as many as it is told.
const VERIFIER_ROUNDS: u32 = 128;
const KEY_ROUNDS: u32 = 3;
const KEY_BYTES: usize = 32;
const VERIFIER_12C: u64 = 0x4815;
const VERIFIER_11G: u64 = 0xb152;

/// What the database keeps of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifier {
    /// PBKDF2 over SHA-512, since 12c.
    V12c,
    /// SHA-1, of an account whose password was set under 11g or with its compatibility.
    V11g,
    /// The same, as a server sends it that knows no other: its half of the key has 48 bytes.
    V11gOnly,
}

/// What the server keeps in mind between its challenge and the client's answer.
pub struct Challenge {
    verifier: Verifier,
    password: String,
    /// The key that both know who know the password.
    shared: Vec<u8>,
    server_half: Vec<u8>,
    key_salt: [u8; BLOCK_BYTES],
    verifier_salt: Vec<u8>,
}

/// A call of the logon: who, and what the client says.
pub struct LogonCall {
    /// The user's name.
    pub user: String,
    /// What else it says, by name.
    pub pairs: Vec<(String, Vec<u8>)>,
}

impl LogonCall {
    /// Reads it behind the function's number.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Incomplete> {
        reader.u8()?;
        reader.skip_uints(2)?;
        reader.u8()?;
        let count = reader.uint()?;
        reader.raw(2)?;
        let user = text(&reader.bytes()?);
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((text(&reader.counted_bytes()?), reader.counted_bytes()?));
            reader.uint()?;
        }
        Ok(Self { user, pairs })
    }

    /// What it says under `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_slice())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Challenge {
    /// Makes a challenge for a password.
    pub fn new(password: &str, verifier: Verifier) -> Self {
        let salt = random::<BLOCK_BYTES>();
        let (verifier_salt, shared) = if verifier == Verifier::V12c {
            let key = speedy_key(password, &salt);
            (salt.to_vec(), sha512(&key, &salt)[..KEY_BYTES].to_vec())
        } else {
            let mut hash = sha1(password.as_bytes(), &salt[..10]);
            hash.resize(24, 0);
            (salt[..10].to_vec(), hash)
        };
        let half_bytes = if verifier == Verifier::V11gOnly { 48 } else { KEY_BYTES };
        let server_half = random::<48>()[..half_bytes].to_vec();
        let password = password.to_owned();
        Self { verifier, password, shared, server_half, key_salt: random(), verifier_salt }
    }

    /// What the server says first.
    pub fn pairs(&self) -> Vec<(&'static str, String, u64)> {
        let kind = if self.verifier == Verifier::V12c { VERIFIER_12C } else { VERIFIER_11G };
        vec![
            ("AUTH_SESSKEY", to_hex(&encrypt(&self.shared, &self.server_half)), 1),
            ("AUTH_VFR_DATA", to_hex(&self.verifier_salt), kind),
            ("AUTH_PBKDF2_CSK_SALT", to_hex(&self.key_salt), 0),
            ("AUTH_PBKDF2_VGEN_COUNT", VERIFIER_ROUNDS.to_string(), 0),
            ("AUTH_PBKDF2_SDER_COUNT", KEY_ROUNDS.to_string(), 0),
            ("AUTH_GLOBALLY_UNIQUE_DBID\0", "0123456789ABCDEF0123456789ABCDEF".to_owned(), 0),
        ]
    }

    /// Checks the client's answer; the server's greeting where it knows the password.
    pub fn check(&self, call: &LogonCall) -> Option<String> {
        let client_half = decrypt(&self.shared, &from_hex(call.get("AUTH_SESSKEY")?)?)?;
        let key_bytes = self.shared.len();
        let mut both = client_half.get(..key_bytes)?.to_vec();
        both.extend_from_slice(self.server_half.get(..key_bytes)?);
        let key = derive(to_hex(&both).as_bytes(), &self.key_salt, KEY_ROUNDS, key_bytes);
        let password = decrypt(&key, &from_hex(call.get("AUTH_PASSWORD")?)?)?;
        let padding = usize::from(*password.last()?);
        let sent = password.get(BLOCK_BYTES..password.len().checked_sub(padding)?)?;
        if sent != self.password.as_bytes() {
            return None;
        }
        let mut greeting = random::<BLOCK_BYTES>().to_vec();
        greeting.extend_from_slice(b"SERVER_TO_CLIENT");
        greeting.extend_from_slice(&[16; BLOCK_BYTES]);
        Some(to_hex(&encrypt(&key, &greeting)))
    }
}

fn speedy_key(password: &str, salt: &[u8]) -> Vec<u8> {
    let mut salt = salt.to_vec();
    salt.extend_from_slice(b"AUTH_PBKDF2_SPEEDY_KEY");
    derive(password.as_bytes(), &salt, VERIFIER_ROUNDS, 64)
}
