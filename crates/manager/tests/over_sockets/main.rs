//! All that the other tests of objects, proxies and calls ask for, where every client has a socket only.

#![expect(
    clippy::duplicate_mod,
    reason = "each of them is a test binary too, and has it for itself"
)]

#[path = "../attribute.rs"]
mod attribute;
#[path = "../hostile.rs"]
mod hostile;
#[path = "../iterators.rs"]
mod iterators;
#[path = "../objects.rs"]
mod objects;
#[path = "../proxies.rs"]
mod proxies;
#[path = "../reference.rs"]
mod reference;
