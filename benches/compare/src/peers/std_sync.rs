//! The standard library's locks, between threads.

use std::collections::HashMap;
use std::sync::{Arc, Barrier as StdBarrier, Condvar, Mutex, RwLock as StdRwLock};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::lock::Locking;
use crate::subjects::sync::meeting;
use crate::subjects::sync::others::Operation;
use crate::subjects::value::{KEYS, Work, next_key};

#[repr(align(128))]
pub(crate) struct Lock(Mutex<()>);

impl Locking for Lock {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(Mutex::new(())))
    }

    #[inline]
    fn locked(&self, work: impl FnOnce()) -> Result {
        let _guard = self.0.lock().map_err(|_| "a holder panicked")?;
        work();
        Ok(())
    }
}

#[repr(align(128))]
pub(crate) struct RwLock(StdRwLock<()>);

impl Operation for RwLock {
    fn new() -> Result<Self> {
        Ok(Self(StdRwLock::new(())))
    }

    #[inline]
    fn operate(&self) -> Result {
        let _guard = self.0.read().map_err(|_| "a holder panicked")?;
        Ok(())
    }
}

pub(crate) struct Barrier(StdBarrier);

impl meeting::Meeting for Barrier {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(StdBarrier::new(2)))
    }

    fn meet_while(&self, mut goes_on: impl FnMut() -> bool) -> Result {
        while goes_on() {
            self.0.wait();
        }
        Ok(())
    }
}

pub(crate) struct Turns {
    turn: Mutex<u64>,
    changed: Condvar,
}

impl meeting::Turns for Turns {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self { turn: Mutex::new(0), changed: Condvar::new() })
    }

    fn take(&self, mine: u64) -> Result {
        let turn = self.turn.lock().map_err(|_| "a holder panicked")?;
        let waited = self.changed.wait_while(turn, |turn| *turn != mine);
        *waited.map_err(|_| "a holder panicked")? = 1 - mine;
        self.changed.notify_one();
        Ok(())
    }
}

/// A look at a map.
pub(crate) struct Map(Arc<StdRwLock<HashMap<u64, u64>>>);

/// A change in a map.
pub(crate) struct MapSet(Arc<StdRwLock<HashMap<u64, u64>>>);

fn filled() -> Arc<StdRwLock<HashMap<u64, u64>>> {
    Arc::new(StdRwLock::new((0..KEYS).map(|key| (key, key)).collect()))
}

impl Work for Map {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(filled()))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        let key = next_key();
        let map = self.0.read().map_err(|_| "a holder panicked")?;
        if map.get(&key) == Some(&key) { Ok(()) } else { Err("a key is gone".into()) }
    }
}

impl Work for MapSet {
    const KIND: Kind = Kind::Threads;

    fn new() -> Result<Self> {
        Ok(Self(filled()))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        let key = next_key();
        let mut map = self.0.write().map_err(|_| "a holder panicked")?;
        map.insert(key, key + 1).map(drop).ok_or_else(|| "a key is gone".into())
    }
}
