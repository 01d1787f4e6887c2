//! Bytes in shared memory that anybody may write at any time: read and written word by word.
//!
//! Each word is whole; bytes of different words may come from different writers. Who wants more than
//! that takes a lock.
//!
//! # Edges
//!
//! Every access is `Relaxed`: what order there is comes from elsewhere.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;

use crate::plain::WORD;
use crate::raw::planted::faces::WRITES_WHOLE_WORDS;

/// The bytes of some words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'w>(pub(crate) &'w [AtomicU64]);

impl Bytes<'_> {
    /// Copies the bytes from `offset` on; those that are not there are left as they are.
    pub(crate) fn read(self, offset: usize, target: &mut [u8]) {
        let (head, rest) = target.split_at_mut(head_len(offset, target.len()));
        let mut words = self.words_from(offset);
        if let (false, Some(word)) = (head.is_empty(), words.clone().next()) {
            words.next();
            copy(head, word.load(Relaxed).to_le_bytes().get(offset % WORD..).unwrap_or(&[]));
        }
        let (whole, tail) = rest.as_chunks_mut::<WORD>();
        for (chunk, word) in whole.iter_mut().zip(words.by_ref()) {
            *chunk = word.load(Relaxed).to_le_bytes();
        }
        if let (false, Some(word)) = (tail.is_empty(), words.next()) {
            copy(tail, &word.load(Relaxed).to_le_bytes());
        }
    }

    /// Writes the bytes from `offset` on; those for which there is no room are dropped.
    pub(crate) fn write(self, offset: usize, source: &[u8]) {
        let (head, rest) = source.split_at(head_len(offset, source.len()));
        let mut words = self.words_from(offset);
        if let (false, Some(word)) = (head.is_empty(), words.clone().next()) {
            words.next();
            write_part(word, offset % WORD, head);
        }
        let (whole, tail) = rest.as_chunks::<WORD>();
        for (chunk, word) in whole.iter().zip(words.by_ref()) {
            word.store(u64::from_le_bytes(*chunk), Relaxed);
        }
        if let (false, Some(word)) = (tail.is_empty(), words.next()) {
            write_part(word, 0, tail);
        }
    }

    fn words_from(&self, offset: usize) -> core::slice::Iter<'_, AtomicU64> {
        self.0.get(offset / WORD..).unwrap_or(&[]).iter()
    }
}

/// How many of `len` bytes from `offset` on lie in a word that begins before them.
fn head_len(offset: usize, len: usize) -> usize {
    match offset % WORD {
        0 => 0,
        inside => len.min(WORD - inside),
    }
}

fn copy(target: &mut [u8], source: &[u8]) {
    for (place, byte) in target.iter_mut().zip(source) {
        *place = *byte;
    }
}

/// Changes some bytes of a word, and none that somebody else changes at the same time.
fn write_part(word: &AtomicU64, at: usize, part: &[u8]) {
    let mut found = word.load(Relaxed);
    loop {
        let mut bytes = if WRITES_WHOLE_WORDS { [0; WORD] } else { found.to_le_bytes() };
        copy(bytes.get_mut(at..).unwrap_or(&mut []), part);
        match word.compare_exchange(found, u64::from_le_bytes(bytes), Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => found = now,
        }
    }
}
