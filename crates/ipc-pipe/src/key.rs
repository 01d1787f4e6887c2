//! `Key`: what two sides know and others do not.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A secret that both sides of a connection know; each proves to the other that it does.
///
/// Any bytes will do, and 32 random ones are best. The key itself is never sent. What is sent
/// afterwards is not encrypted: over TCP, whoever can read or change what goes by can do so.
///
/// # Examples
///
/// ```
/// use ipc_pipe::Key;
///
/// let key = Key::new(std::env::var("PROGRAM_KEY").unwrap_or_default());
/// assert_eq!(format!("{key:?}"), "Key(..)");
/// ```
#[doc(alias = "authkey")]
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

/// The length of a proof.
pub(crate) const PROOF_LEN: usize = 32;

impl Key {
    /// Makes a key of bytes.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        match Hmac::new_from_slice(bytes.as_ref()) {
            Ok(state) => Self(state),
            Err(_) => unreachable!("an HMAC takes keys of any length"),
        }
    }

    /// A proof of the key for what the parts say, one after the other; all but the first have fixed
    /// lengths, and no first one begins another.
    pub(crate) fn prove(&self, parts: [&[u8]; 3]) -> [u8; PROOF_LEN] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// Whether that is the proof, compared in constant time.
    pub(crate) fn accepts(&self, proof: &[u8; PROOF_LEN], parts: [&[u8]; 3]) -> bool {
        self.over(parts).verify_slice(proof).is_ok()
    }

    fn over(&self, parts: [&[u8]; 3]) -> Hmac<Sha256> {
        let mut state = self.0.clone();
        parts.iter().for_each(|part| state.update(part));
        state
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}
