//! Who is measured: a file a rival, and a folder for us.

pub(crate) mod bare;
pub(crate) mod bare_line;
pub(crate) mod command;
pub(crate) mod crossbeam;
pub(crate) mod fork;
#[cfg(feature = "iceoryx2")]
pub(crate) mod iceoryx2;
pub(crate) mod ipc_channel;
pub(crate) mod ipmpsc;
pub(crate) mod mmap_sync;
pub(crate) mod multiproc;
pub(crate) mod parking_lot;
pub(crate) mod pipe;
pub(crate) mod posix;
pub(crate) mod posix_meeting;
pub(crate) mod procspawn;
pub(crate) mod pthread;
pub(crate) mod python;
pub(crate) mod rayon;
pub(crate) mod redis;
pub(crate) mod socketpair;
pub(crate) mod std_sync;
pub(crate) mod vyukov;
