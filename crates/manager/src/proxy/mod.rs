//! Proxies: what programs hold of objects.
//!
//! Each is a handle and the types of what is in the object. A call encodes its argument, has the client
//! call, and decodes what was returned.

mod array;
mod barrier;
mod condition;
mod dict;
mod event;
mod iterate;
mod joinable;
mod list;
mod lock;
mod namespace;
#[cfg(feature = "pool")]
mod pool;
mod queue;
mod remote;
mod remote_iter;
mod semaphore;
mod set;
mod shared;
#[cfg(feature = "tokio")]
mod tasks;
mod value;

use std::sync::{Arc, Mutex, PoisonError};

use crate::client::Handle;

pub use array::Array;
pub use barrier::Barrier;
pub use condition::{Condition, ConditionGuard};
pub use dict::{Dict, DictIter};
pub use event::Event;
pub use iterate::SetIter;
pub use joinable::{JoinableQueue, Lease};
pub use list::{List, ListIter};
pub use lock::{Lock, LockGuard, RLock, RLockGuard};
pub use namespace::Namespace;
#[cfg(feature = "pool")]
pub use pool::{Pool, PoolBuilder, PoolCalls, PoolImap, PoolTask};
pub use queue::Queue;
pub use remote::Remote;
pub use remote_iter::RemoteIter;
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};
pub use set::Set;
pub use shared::{ShmDict, ShmList};
pub use value::Value;

/// What can be published under a name, and looked up.
///
/// All proxies are; other types cannot be.
pub trait Proxy: Inner {}

impl<T: Inner> Proxy for T {}

/// What every proxy is made of.
pub trait Inner: Sized {
    /// The type, in words.
    fn label() -> String;
    /// A proxy of the object that the handle leads to.
    fn over(handle: Arc<Handle>) -> Self;
    /// The handle to the object.
    fn handle(&self) -> &Arc<Handle>;
}

/// Makes the type of a proxy, with what all proxies have.
macro_rules! proxy {
    (
        $(#[$docs:meta])*
        $name:ident $(<$($part:ident),+>)?, $label:expr $(, $more:ident: $type:ty)?
    ) => {
        $(#[$docs])*
        ///
        /// Proxies are equal if they are of the same object. They may go anywhere where values go: see
        /// [the crate's page](crate#proxies-travel).
        pub struct $name $(<$($part),+>)? {
            handle: std::sync::Arc<crate::client::Handle>,
            types: std::marker::PhantomData<fn() -> ($($($part,)+)?)>,
            $(
                /// The same for all clones.
                $more: std::sync::Arc<$type>,
            )?
        }

        impl $(<$($part),+>)? crate::proxy::Inner for $name $(<$($part),+>)? {
            fn label() -> String {
                let parts: &[&str] = &[$($(std::any::type_name::<$part>()),+)?];
                if parts.is_empty() { $label.into() } else { format!("{}<{}>", $label, parts.join(", ")) }
            }

            fn over(handle: std::sync::Arc<crate::client::Handle>) -> Self {
                let types = std::marker::PhantomData;
                Self { handle, types, $($more: <std::sync::Arc<$type>>::default())? }
            }

            fn handle(&self) -> &std::sync::Arc<crate::client::Handle> {
                &self.handle
            }
        }

        impl $(<$($part),+>)? Clone for $name $(<$($part),+>)? {
            fn clone(&self) -> Self {
                let handle = std::sync::Arc::clone(&self.handle);
                Self { handle, types: self.types, $($more: std::sync::Arc::clone(&self.$more))? }
            }
        }

        impl $(<$($part),+>)? PartialEq for $name $(<$($part),+>)? {
            fn eq(&self, other: &Self) -> bool {
                self.handle.is_same(&other.handle)
            }
        }

        impl $(<$($part),+>)? Eq for $name $(<$($part),+>)? {}

        impl $(<$($part),+>)? std::fmt::Debug for $name $(<$($part),+>)? {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut debug = formatter.debug_struct(stringify!($name));
                debug.field("object", &self.handle.object()).finish_non_exhaustive()
            }
        }

        impl $(<$($part),+>)? serde::Serialize for $name $(<$($part),+>)? {
            fn serialize<Z: serde::Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
                crate::client::serialize(&self.handle, serializer)
            }
        }

        impl<'de $(, $($part),+)?> serde::Deserialize<'de> for $name $(<$($part),+>)? {
            fn deserialize<Z: serde::Deserializer<'de>>(deserializer: Z) -> Result<Self, Z::Error> {
                crate::client::deserialize(deserializer).map(crate::proxy::Inner::over)
            }
        }
    };
}
use proxy;

/// The calling thread, as owner of locks: no other of this process ever has its number.
fn this_thread() -> u64 {
    static LAST: Mutex<u64> = Mutex::new(0);
    thread_local! {
        static MINE: u64 = {
            let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            *last += 1;
            *last
        };
    }
    // A thread that is ending is nobody.
    MINE.try_with(|mine| *mine).unwrap_or(0)
}
