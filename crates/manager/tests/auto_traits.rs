//! What may be sent to another thread, shared with one, and carried through a panic.

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};

use manager::{
    Array, Barrier, Condition, Dict, Event, JoinableQueue, List, Lock, Manager, Namespace, Queue,
    RLock, Remote, RemoteIter, Semaphore, Set, ShmDict, ShmList, Value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn goes_everywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
fn proxy<T: Clone + Serialize + DeserializeOwned + 'static>() {}

macro_rules! proxies {
    ($($proxy:ty),+) => {$(
        goes_everywhere::<$proxy>();
        proxy::<$proxy>();
    )+};
}

#[test]
fn proxies_go_everywhere_and_are_data_of_messages() {
    goes_everywhere::<Manager>();
    proxies!(Dict<String, u64>, List<u64>, Set<u64>, Value<u64>, Array<u64>, Namespace);
    proxies!(Queue<u64>, JoinableQueue<u64>, Lock, RLock, Semaphore, Condition, Event, Barrier);
    proxies!(Remote<()>, ShmDict<u64, f64>, ShmList<bool>);
    goes_everywhere::<RemoteIter<u64>>();
}
