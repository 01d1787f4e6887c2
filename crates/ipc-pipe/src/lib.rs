//! Two ends, whole messages between them: `pipe`, `channel`, `Connection`, `Listener`, `connect`, `wait`.
//!
//! There is no code here yet; a later issue fills it.
