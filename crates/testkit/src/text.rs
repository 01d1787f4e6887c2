//! A short text in shared memory, written by one process and read by another.
#![expect(unsafe_code, reason = "it is one of the types that may live in an arena")]

use std::sync::atomic::{
    AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::arena::Zeroed;

/// Up to `N` bytes of text; what is too long is cut.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Text<const N: usize> {
    len: AtomicUsize,
    bytes: [AtomicU8; N],
}

// SAFETY: atomics only, `repr(C)`; zero is the empty text.
unsafe impl<const N: usize> Zeroed for Text<N> {}

impl<const N: usize> Text<N> {
    /// Writes the text; only one process does so at a time.
    pub(crate) fn set(&self, text: &str) {
        let bytes = text.as_bytes();
        for (to, from) in self.bytes.iter().zip(bytes) {
            to.store(*from, Relaxed);
        }
        self.len.store(bytes.len().min(N), Release);
    }

    /// Reads it, whatever stands there: its writer may have died on the way.
    pub(crate) fn get(&self) -> String {
        let len = self.len.load(Acquire).min(N);
        let bytes: Vec<u8> = self.bytes.iter().take(len).map(|byte| byte.load(Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
