//! The two widths of atomic word.

#![cfg_attr(
    not(ipc_loom),
    expect(clippy::disallowed_types, reason = "this is what stands behind the door")
)]

use super::{Ordering, step, world};

macro_rules! word {
    ($name:ident, $int:ty, $world:ty, $doc:literal) => {
        #[doc = $doc]
        ///
        /// It has the size and alignment of the integer in the real and the crash world, and may
        /// be placed in shared memory there.
        #[cfg_attr(not(ipc_loom), repr(transparent))]
        #[derive(Debug, Default)]
        pub struct $name($world);

        impl $name {
            /// Makes a word that holds `value`.
            #[must_use]
            #[cfg(not(ipc_loom))]
            pub const fn new(value: $int) -> Self {
                Self(<$world>::new(value))
            }

            /// Makes a word that holds `value`.
            #[must_use]
            #[cfg(ipc_loom)]
            pub fn new(value: $int) -> Self {
                Self(<$world>::new(value))
            }

            /// Reads the word.
            #[inline]
            pub fn load(&self, ordering: Ordering) -> $int {
                step();
                self.0.load(ordering)
            }

            /// Writes the word.
            #[inline]
            pub fn store(&self, value: $int, ordering: Ordering) {
                step();
                self.0.store(value, ordering);
            }

            /// Writes the word and returns what it held.
            #[inline]
            pub fn swap(&self, value: $int, ordering: Ordering) -> $int {
                step();
                self.0.swap(value, ordering)
            }

            /// Writes `new` if the word holds `current`; returns what it held, as `Err` if it
            /// held something else.
            ///
            /// # Errors
            ///
            /// The value found, if it was not `current`.
            #[inline]
            pub fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                step();
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Sets the bits of `bits` and returns what the word held.
            #[inline]
            pub fn fetch_or(&self, bits: $int, ordering: Ordering) -> $int {
                step();
                self.0.fetch_or(bits, ordering)
            }

            /// Adds `addend`, wrapping, and returns what the word held.
            #[inline]
            pub fn fetch_add(&self, addend: $int, ordering: Ordering) -> $int {
                step();
                self.0.fetch_add(addend, ordering)
            }

            /// Writes the word, then lets no later access of this thread pass before it.
            ///
            /// It is a `swap` followed by a sequentially consistent fence, and one instruction
            /// where the hardware's exchange is both.
            #[inline]
            pub fn swap_and_fence(&self, value: $int) -> $int {
                step();
                let found = self.0.swap(value, Ordering::SeqCst);
                world::fence_after_exchange();
                found
            }

            /// The world's own word, for its futex calls.
            #[inline]
            pub(super) fn inner(&self) -> &$world {
                &self.0
            }
        }
    };
}

word!(
    AtomicU32,
    u32,
    world::RawU32,
    "A 32-bit word that several processes may change, and sleep on."
);
word!(AtomicU64, u64, world::RawU64, "A 64-bit word that several processes may change.");
