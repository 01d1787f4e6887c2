//! Looking at other processes' segments from outside: for people and tools that watch.
//!
//! Who uses a segment maps it, joins it and trusts its words. Who only wants to know what lies in it
//! must not disturb those who use it, and has no reason to trust any of it. So nothing is mapped here:
//! a [`View`] is a descriptor for reading, and a [`Snapshot`] is what was read, in private memory, where
//! nobody changes it any more. The crates above describe what they find there by the very code that
//! they use in a segment, as that borrows its words and does not know where they lie.
//!
//! | what | why it cannot harm |
//! |------|--------------------|
//! | a file that shrinks meanwhile | reading it is an error, or gives less; a mapping would end the process |
//! | a hole in the file | reads as zeros and stays a hole; a mapping would take memory for it |
//! | locks and sleepers | no word is written and nobody is woken |
//! | bytes that are anything | copied first, then looked at like all that others can write |
//!
//! What is read while others work may belong to different moments, and a word may even be caught half
//! changed: descriptions are for people, and nothing may depend on them.

mod description;
mod snapshot;
mod view;

pub use description::Description;
pub use snapshot::Snapshot;
pub use view::View;
