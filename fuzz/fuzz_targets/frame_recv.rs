//! Any bytes that come out of a socket, in pieces of any size.
#![no_main]

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use ipc_core::wire::{Limits, MessageSocket, RecvError};
use libfuzzer_sys::{Corpus, fuzz_target};

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_handles: 4 };

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((piece, bytes)) = data.split_first() else { return Corpus::Reject };
    let Ok((mut near, far)) = UnixStream::pair() else { return Corpus::Reject };
    let far = MessageSocket::from(far);
    let mut n_messages = 0_usize;
    let mut is_broken = false;
    'pieces: for piece in bytes.chunks(usize::from(*piece).max(1)) {
        if near.write_all(piece).is_err() {
            return Corpus::Reject;
        }
        // All that has come is taken at once, so that nothing fills up.
        loop {
            match far.try_recv(&LIMITS) {
                Ok(Some(message)) => {
                    assert!(message.bytes.len() <= LIMITS.max_bytes && message.handles.is_empty());
                    n_messages += 1;
                }
                Ok(None) => unreachable!("this end is open"),
                Err(RecvError::TimedOut) => break,
                Err(_) => {
                    // Nobody reads any more, so the rest would fill up.
                    is_broken = true;
                    break 'pieces;
                }
            }
        }
    }
    drop(near);
    match far.try_recv(&LIMITS) {
        Ok(None) => assert!(!is_broken),
        Ok(Some(_)) => unreachable!("all messages were taken"),
        Err(RecvError::Broken) => assert!(is_broken),
        Err(error) => assert!(matches!(error, RecvError::Truncated), "{error}"),
    }
    // A message is twelve bytes at least.
    assert!(n_messages <= bytes.len() / 12);
    Corpus::Keep
});
