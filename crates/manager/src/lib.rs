//! Objects that live in a server process, and the proxies through which others use them.
//!
//! There is no code here yet; a later issue fills it.
