//! A client that says whatever it likes.

use ipc_pipe::{Connection, Limits, connect};
use manager::Address;

pub(crate) const MAGIC: &[u8] = b"mp-mngr\0";
pub(crate) const DESK: u64 = 0;
pub(crate) const LET_GO: u64 = 1;
pub(crate) const CREATE: u64 = 2;
pub(crate) const SEND: u64 = 3;
pub(crate) const REDEEM: u64 = 4;
pub(crate) const ATTACH: u64 = 5;
pub(crate) const MAKE: u64 = 10;

/// A client that says whatever it likes.
pub(crate) struct Raw {
    pub(crate) line: Connection<(), ()>,
}

pub(crate) fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

pub(crate) fn numbers(of: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    of.iter().for_each(|one| number(&mut bytes, *one));
    bytes
}

pub(crate) fn block(bytes: &[u8]) -> Vec<u8> {
    [numbers(&[bytes.len() as u64]), bytes.to_vec()].concat()
}

pub(crate) fn call(id: u64, object: u64, method: u64, links: &[u64], argument: &[u8]) -> Vec<u8> {
    let head = numbers(&[id, object, method, links.len() as u64]);
    [head, numbers(links), block(argument)].concat()
}

/// The number that a reply returns: behind a byte that says that there are no links, and the length.
pub(crate) fn number_in(reply: &[u8]) -> u64 {
    reply[2..].iter().rev().fold(0, |sum, byte| (sum << 7) | u64::from(byte & 0x7f))
}

impl Raw {
    pub(crate) fn connect(address: &Address) -> Self {
        let line: Connection<(), ()> = connect(address, None).unwrap();
        Self { line: line.with_limits(Limits::NONE) }
    }

    /// One that has said hello.
    pub(crate) fn greeted(address: &Address) -> Self {
        let raw = Self::connect(address);
        raw.say(&[MAGIC, &[1, 0, 0]].concat());
        assert!(raw.hear().unwrap().starts_with(MAGIC));
        raw
    }

    pub(crate) fn say(&self, bytes: &[u8]) {
        self.line.send_bytes(bytes).ok();
    }

    pub(crate) fn hear(&self) -> Option<Vec<u8>> {
        self.line.recv_bytes(usize::MAX).ok()
    }

    /// Calls; whether it returned, and what.
    pub(crate) fn call(&self, object: u64, method: u64, argument: &[u8]) -> (bool, Vec<u8>) {
        self.say(&call(7, object, method, &[], argument));
        let reply = self.hear().unwrap();
        assert_eq!(reply[0], 7);
        (reply[1] == 1, reply[2..].to_vec())
    }

    pub(crate) fn make(&self, sort: &str, init: &[u8]) -> u64 {
        let argument = [block(sort.as_bytes()), block(b"x"), init.to_vec()].concat();
        let (is_made, bytes) = self.call(DESK, CREATE, &argument);
        assert!(is_made);
        number_in(&bytes)
    }
}
