//! The handshake: each side says that it is ours, and proves that it knows the key.
//!
//! ```text
//! server                                   client
//!   hello: magic, wants a key, nonce   -->
//!                                      <--  proof: magic, has a key, nonce, MAC of the client
//!   verdict: welcome or not, MAC of the server -->
//! ```
//!
//! Each MAC is over a word that only its side says, both nonces, and nothing else. So a proof is good
//! for one handshake (each side has chosen a nonce) and one direction: what a server is sent cannot be
//! sent back as its own proof, nor to another server as a client's. All parts have fixed lengths.
//! Where no key is wanted the MACs are zeros.
//!
//! Nothing here reads or writes: these are the bytes, for whoever does. [`Challenge`] and [`Answer`] are for
//! those outside of this crate who carry them by themselves.

use std::io;

use crate::error::ConnectError;
use crate::key::{Key, PROOF_LEN};
use crate::sys::socket;

const MAGIC: [u8; 8] = *b"ipc-pipe";
const VERSION: u8 = 1;

/// Random bytes that are used once.
pub(crate) type Nonce = [u8; 32];

/// What a server says first.
pub(crate) type Hello = [u8; 8 + 1 + 1 + 32];
/// What a client answers.
pub(crate) type Proof = [u8; 8 + 1 + 1 + 32 + PROOF_LEN];
/// What a server says last.
pub(crate) type Verdict = [u8; 1 + PROOF_LEN];

const WITH_KEY: u8 = 1;
const WITHOUT_KEY: u8 = 2;

const WELCOME: u8 = 1;
const KEY_WANTED: u8 = 2;
const KEY_NOT_WANTED: u8 = 3;
const REFUSED: u8 = 4;

const CLIENT: &[u8] = b"ipc-pipe client:";
const SERVER: &[u8] = b"ipc-pipe server:";
const _: () = assert!(CLIENT.len() == SERVER.len());

/// A server's side of the handshake, for who carries the bytes by itself, as through TLS.
///
/// A [`Listener`](crate::Listener) does all this for its own connections.
///
/// # Examples
///
/// ```
/// use ipc_pipe::{Answer, Challenge, Key};
///
/// let key = Key::new("very secret");
/// let (server, mut client) = (Challenge::new(Some(&key))?, Answer::new(Some(&key))?);
/// let proof = client.prove(&server.hello())?;
/// let (verdict, is_let_in) = server.judge(&proof).ok_or("it speaks as we do")?;
/// assert!(is_let_in);
/// client.conclude(&verdict)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Challenge {
    key: Option<Key>,
    ours: Nonce,
}

impl Challenge {
    /// How many bytes a client answers.
    pub const PROOF_LEN: usize = size_of::<Proof>();

    /// Begins a handshake with a client that is to prove that it knows the key.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn new(key: Option<&Key>) -> io::Result<Self> {
        Ok(Self { key: key.cloned(), ours: socket::random()? })
    }

    /// What the server says first.
    #[must_use]
    pub fn hello(&self) -> [u8; Answer::HELLO_LEN] {
        hello(self.key.as_ref(), &self.ours)
    }

    /// What the server says last, and whether the client is let in; `None` if that was no answer of ours.
    #[must_use]
    pub fn judge(
        &self,
        proof: &[u8; Self::PROOF_LEN],
    ) -> Option<([u8; Answer::VERDICT_LEN], bool)> {
        judge(self.key.as_ref(), &self.ours, proof)
    }
}

/// A client's side of the handshake, for who carries the bytes by itself; see [`Challenge`].
#[derive(Debug)]
pub struct Answer {
    key: Option<Key>,
    ours: Nonce,
    /// The server's nonce; zeros until it has said it.
    theirs: Nonce,
}

impl Answer {
    /// How many bytes a server says first.
    pub const HELLO_LEN: usize = size_of::<Hello>();
    /// How many bytes a server says last.
    pub const VERDICT_LEN: usize = size_of::<Verdict>();

    /// Begins a handshake with a server, to which the key is to be proved.
    ///
    /// # Errors
    ///
    /// If the system has no random numbers.
    pub fn new(key: Option<&Key>) -> io::Result<Self> {
        Ok(Self { key: key.cloned(), ours: socket::random()?, theirs: [0; 32] })
    }

    /// What the client answers to what the server says first.
    ///
    /// # Errors
    ///
    /// [`ConnectError::NotOurs`] if the server does not speak as we do.
    pub fn prove(
        &mut self,
        hello: &[u8; Self::HELLO_LEN],
    ) -> Result<[u8; Challenge::PROOF_LEN], ConnectError> {
        let (proof, theirs) = answer(self.key.as_ref(), &self.ours, hello)?;
        self.theirs = theirs;
        Ok(proof)
    }

    /// What the client makes of what the server says last.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says why it is not let in, or why it does not believe the server.
    pub fn conclude(&self, verdict: &[u8; Self::VERDICT_LEN]) -> Result<(), ConnectError> {
        conclude(self.key.as_ref(), &self.ours, &self.theirs, verdict)
    }
}

/// What a server says first.
pub(crate) fn hello(key: Option<&Key>, ours: &Nonce) -> Hello {
    let mut hello = [0; size_of::<Hello>()];
    fill(&mut hello, &[&MAGIC, &[VERSION, wants(key)], ours]);
    hello
}

/// What a server makes of an answer: what it says last, and whether the client is let in; nothing, if
/// that was none of ours.
pub(crate) fn judge(key: Option<&Key>, ours: &Nonce, proof: &Proof) -> Option<(Verdict, bool)> {
    let (opening, mac) = proof.split_last_chunk::<PROOF_LEN>()?;
    let (keyed, theirs) = understand(opening)?;
    let verdict = match (key, keyed) {
        (None, WITHOUT_KEY) => WELCOME,
        (None, _) => KEY_NOT_WANTED,
        (Some(_), WITHOUT_KEY) => KEY_WANTED,
        (Some(key), _) if key.accepts(mac, [CLIENT, ours, &theirs]) => WELCOME,
        (Some(_), _) => REFUSED,
    };
    let mut said = [0; size_of::<Verdict>()];
    let mac = match key {
        // Only who has proved that it knows the key gets a proof.
        Some(key) if verdict == WELCOME => key.prove([SERVER, ours, &theirs]),
        _ => [0; PROOF_LEN],
    };
    fill(&mut said, &[&[verdict], &mac]);
    Some((said, verdict == WELCOME))
}

/// What a client answers, and the server's nonce.
pub(crate) fn answer(
    key: Option<&Key>,
    ours: &Nonce,
    hello: &Hello,
) -> Result<(Proof, Nonce), ConnectError> {
    let (_, theirs) = understand(hello).ok_or(ConnectError::NotOurs)?;
    let mac = key.map_or([0; PROOF_LEN], |key| key.prove([CLIENT, &theirs, ours]));
    let mut proof = [0; size_of::<Proof>()];
    fill(&mut proof, &[&MAGIC, &[VERSION, wants(key)], ours, &mac]);
    Ok((proof, theirs))
}

/// What a client makes of what the server says last.
pub(crate) fn conclude(
    key: Option<&Key>,
    ours: &Nonce,
    theirs: &Nonce,
    verdict: &Verdict,
) -> Result<(), ConnectError> {
    let [verdict, mac @ ..] = verdict;
    match (*verdict, key) {
        (WELCOME, None) => Ok(()),
        (WELCOME, Some(key)) if key.accepts(mac, [SERVER, theirs, ours]) => Ok(()),
        (WELCOME, Some(_)) => Err(ConnectError::Impostor),
        (KEY_WANTED, _) => Err(ConnectError::KeyWanted),
        (KEY_NOT_WANTED, _) => Err(ConnectError::KeyNotWanted),
        (REFUSED, _) => Err(ConnectError::Refused),
        _ => Err(ConnectError::NotOurs),
    }
}

fn wants(key: Option<&Key>) -> u8 {
    if key.is_some() { WITH_KEY } else { WITHOUT_KEY }
}

/// What an opening says: whether there is a key, and the nonce.
fn understand(opening: &[u8]) -> Option<(u8, Nonce)> {
    let rest = opening.strip_prefix(&MAGIC)?;
    let [VERSION, keyed @ (WITH_KEY | WITHOUT_KEY), nonce @ ..] = rest else { return None };
    Some((*keyed, nonce.try_into().ok()?))
}

/// Puts the parts one after the other.
fn fill(whole: &mut [u8], parts: &[&[u8]]) {
    let mut bytes = parts.iter().copied().flatten();
    whole.iter_mut().zip(&mut bytes).for_each(|(place, byte)| *place = *byte);
    debug_assert!(bytes.next().is_none(), "the parts are as long as the whole");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: Nonce = [1; 32];
    const THEIRS: Nonce = [2; 32];

    fn key(text: &str) -> Option<Key> {
        Some(Key::new(text))
    }

    /// What a handshake with these keys comes to, for the server and for the client.
    fn shake(server: Option<&Key>, client: Option<&Key>) -> (bool, Result<(), ConnectError>) {
        let hello = hello(server, &OURS);
        let (proof, nonce) = answer(client, &THEIRS, &hello).unwrap();
        let (verdict, is_in) = judge(server, &OURS, &proof).unwrap();
        (is_in, conclude(client, &THEIRS, &nonce, &verdict))
    }

    #[test]
    fn who_knows_the_key_is_let_in() {
        let (a, b, empty) = (key("a"), key("b"), key(""));
        assert!(matches!(shake(None, None), (true, Ok(()))));
        assert!(matches!(shake(a.as_ref(), a.as_ref()), (true, Ok(()))));
        assert!(matches!(shake(empty.as_ref(), empty.as_ref()), (true, Ok(()))));
        assert!(matches!(shake(a.as_ref(), b.as_ref()), (false, Err(ConnectError::Refused))));
        assert!(matches!(shake(a.as_ref(), empty.as_ref()), (false, Err(ConnectError::Refused))));
        assert!(matches!(shake(a.as_ref(), None), (false, Err(ConnectError::KeyWanted))));
        assert!(matches!(shake(None, a.as_ref()), (false, Err(ConnectError::KeyNotWanted))));
    }

    #[test]
    fn a_proof_is_good_for_one_pair_of_nonces() {
        let a = key("a");
        let (proof, _) = answer(a.as_ref(), &THEIRS, &hello(a.as_ref(), &OURS)).unwrap();
        assert!(judge(a.as_ref(), &OURS, &proof).unwrap().1);
        assert!(!judge(a.as_ref(), &[3; 32], &proof).unwrap().1, "played again to another");
    }

    #[test]
    fn a_proof_cannot_be_sent_back() {
        let a = key("a");
        // A server without the key lets the client's own proof, or another client's, be its own.
        let (proof, nonce) = answer(a.as_ref(), &THEIRS, &hello(a.as_ref(), &OURS)).unwrap();
        let mut verdict = [0; size_of::<Verdict>()];
        fill(&mut verdict, &[&[WELCOME], &proof[42..]]);
        let reflected = conclude(a.as_ref(), &THEIRS, &nonce, &verdict);
        assert!(matches!(reflected, Err(ConnectError::Impostor)), "{reflected:?}");
        // A client without the key lets a server prove it, and uses that with another server.
        let (verdict, _) = judge(a.as_ref(), &OURS, &proof).unwrap();
        let mut forged = proof;
        forged[42..].copy_from_slice(&verdict[1..]);
        assert!(!judge(a.as_ref(), &OURS, &forged).unwrap().1);
    }

    #[test]
    fn a_server_that_does_not_know_the_key_cannot_say_welcome() {
        let a = key("a");
        let (_, nonce) = answer(a.as_ref(), &THEIRS, &hello(None, &OURS)).unwrap();
        let mut verdict = [0; size_of::<Verdict>()];
        verdict[0] = WELCOME;
        let fooled = conclude(a.as_ref(), &THEIRS, &nonce, &verdict);
        assert!(matches!(fooled, Err(ConnectError::Impostor)), "{fooled:?}");
    }

    #[test]
    fn the_proof_is_that_of_the_standard() {
        // RFC 4231, test case 2: what two others say goes for us.
        let key = Key::new("Jefe");
        let proof = key.prove([b"what do ya want ", b"for ", b"nothing?"]);
        let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    proptest! {
        #[test]
        fn whatever_is_changed_nobody_is_let_in(at in 0_usize..74, change in 1_u8..) {
            let a = key("a");
            let (mut proof, _) = answer(a.as_ref(), &THEIRS, &hello(a.as_ref(), &OURS)).unwrap();
            proof[at] ^= change;
            let judged = judge(a.as_ref(), &OURS, &proof);
            prop_assert!(judged.is_none_or(|(verdict, is_in)| !is_in && verdict[1..] == [0; 32]));
        }

        #[test]
        fn whatever_the_server_says_it_is_not_believed(verdict in prop::array::uniform(any::<u8>()), hello in prop::array::uniform(any::<u8>())) {
            let a = key("a");
            prop_assert!(conclude(a.as_ref(), &THEIRS, &OURS, &verdict).is_err());
            answer(a.as_ref(), &THEIRS, &hello).ok();
        }
    }
}
