//! The numbers of the methods, by the sort of object.

/// Of the server itself.
pub(crate) mod desk {
    pub(crate) const LET_GO: u64 = 1;
    pub(crate) const CREATE: u64 = 2;
    pub(crate) const SEND: u64 = 3;
    pub(crate) const REDEEM: u64 = 4;
    pub(crate) const ATTACH: u64 = 5;
    pub(crate) const PUBLISH: u64 = 6;
    pub(crate) const UNPUBLISH: u64 = 7;
    pub(crate) const LOOK_UP: u64 = 8;
    pub(crate) const STATS: u64 = 9;
    pub(crate) const MAKE: u64 = 10;
}

/// Of dicts, sets and namespaces.
pub(crate) mod dict {
    pub(crate) const GET: u64 = 1;
    pub(crate) const SET: u64 = 2;
    pub(crate) const INSERT: u64 = 3;
    pub(crate) const REMOVE: u64 = 4;
    pub(crate) const CONTAINS: u64 = 5;
    pub(crate) const LEN: u64 = 6;
    pub(crate) const CLEAR: u64 = 7;
    pub(crate) const GET_OR_INSERT: u64 = 8;
    pub(crate) const COMPARE_AND_SET: u64 = 9;
    pub(crate) const PAGE: u64 = 10;
    pub(crate) const POP: u64 = 11;
    pub(crate) const EXTEND: u64 = 12;
    pub(crate) const UPDATE: u64 = 13;
}

/// Of lists and arrays.
pub(crate) mod list {
    pub(crate) const GET: u64 = 1;
    pub(crate) const SET: u64 = 2;
    pub(crate) const PUSH: u64 = 3;
    pub(crate) const POP: u64 = 4;
    pub(crate) const INSERT: u64 = 5;
    pub(crate) const REMOVE: u64 = 6;
    pub(crate) const LEN: u64 = 7;
    pub(crate) const CLEAR: u64 = 8;
    pub(crate) const EXTEND: u64 = 9;
    pub(crate) const PAGE: u64 = 10;
    pub(crate) const COMPARE_AND_SET: u64 = 11;
    pub(crate) const UPDATE: u64 = 12;
    pub(crate) const REVERSE: u64 = 13;
    pub(crate) const TRUNCATE: u64 = 14;
    pub(crate) const FIND: u64 = 15;
}

/// Of single values.
pub(crate) mod value {
    pub(crate) const GET: u64 = 1;
    pub(crate) const SET: u64 = 2;
    pub(crate) const REPLACE: u64 = 3;
    pub(crate) const COMPARE_AND_SET: u64 = 4;
    pub(crate) const UPDATE: u64 = 5;
}

/// Of dicts and lists in shared memory, beside those of dicts and of lists.
pub(crate) mod shared {
    pub(crate) const MEMORY: u64 = 100;
}

/// Of queues.
pub(crate) mod queue {
    pub(crate) const PUT: u64 = 1;
    pub(crate) const GET: u64 = 2;
    pub(crate) const LEN: u64 = 3;
    pub(crate) const CLOSE: u64 = 4;
    pub(crate) const DONE: u64 = 5;
    pub(crate) const JOIN: u64 = 6;
    pub(crate) const UNFINISHED: u64 = 7;
    pub(crate) const GIVE_BACK: u64 = 8;
}

/// Of locks and conditions.
pub(crate) mod lock {
    pub(crate) const LOCK: u64 = 1;
    pub(crate) const UNLOCK: u64 = 2;
    pub(crate) const IS_LOCKED: u64 = 3;
    pub(crate) const WAIT: u64 = 4;
    pub(crate) const NOTIFY: u64 = 5;
    pub(crate) const N_WAITING: u64 = 6;
}

/// Of semaphores.
pub(crate) mod semaphore {
    pub(crate) const HOLD: u64 = 1;
    pub(crate) const GIVE_BACK: u64 = 2;
    pub(crate) const TAKE: u64 = 3;
    pub(crate) const ADD: u64 = 4;
    pub(crate) const VALUE: u64 = 5;
}

/// Of events.
pub(crate) mod event {
    pub(crate) const SET: u64 = 1;
    pub(crate) const CLEAR: u64 = 2;
    pub(crate) const IS_SET: u64 = 3;
    pub(crate) const WAIT: u64 = 4;
}

/// Of barriers.
pub(crate) mod barrier {
    pub(crate) const WAIT: u64 = 1;
    pub(crate) const ABORT: u64 = 2;
    pub(crate) const RESET: u64 = 3;
    pub(crate) const N_WAITING: u64 = 4;
    pub(crate) const IS_BROKEN: u64 = 5;
    pub(crate) const PARTIES: u64 = 6;
}

/// Of pools.
#[cfg(feature = "pool")]
pub(crate) mod pool {
    pub(crate) const SUBMIT: u64 = 1;
    pub(crate) const TAKE: u64 = 2;
    pub(crate) const CANCEL: u64 = 3;
    pub(crate) const IS_DONE: u64 = 4;
    pub(crate) const LET_GO: u64 = 5;
    pub(crate) const CLOSE: u64 = 6;
    pub(crate) const DRAIN: u64 = 7;
    pub(crate) const END: u64 = 8;
    pub(crate) const WORKERS: u64 = 9;
}

/// Of objects of the user's types.
pub(crate) mod user {
    pub(crate) const BY_NAME: u64 = 1;
    pub(crate) const ITERATE: u64 = 2;
}

/// Of iterators.
pub(crate) mod iterator {
    pub(crate) const NEXT: u64 = 1;
}
