//! `Value` and `ShmMap`, between processes.

use shm_value::{Atomic, ShmMap, Value};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::value::{KEYS, Work, next_key};

/// An addition without a lock, by who adds all the time and has the number at hand.
#[derive(Clone, Copy)]
pub(crate) struct OurAdd(&'static Atomic<u64>);

/// An addition without a lock, by the handle.
pub(crate) struct OurHandleAdd(Value<u64>);

/// An addition under the lock.
pub(crate) struct OurUpdate(Value<u64>);

/// A look at 64 bytes.
pub(crate) struct OurGet(Value<[u64; 8]>);

/// A look at a map.
pub(crate) struct OurMap(ShmMap<u64, u64>);

/// A change in a map.
pub(crate) struct OurMapSet(ShmMap<u64, u64>);

impl Work for OurAdd {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        // It lives as long as those who measure it.
        Ok(Self(Box::leak(Box::new(Value::new(0)?))))
    }

    fn share(&self) -> Result<Self> {
        Ok(*self)
    }

    #[inline]
    fn work(&mut self) -> Result {
        self.0.fetch_add(1);
        Ok(())
    }
}

impl Work for OurHandleAdd {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Value::new(0)?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        self.0.fetch_add(1);
        Ok(())
    }
}

impl Work for OurUpdate {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Value::new(0)?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        self.0.update(|number| number + 1)?;
        Ok(())
    }
}

impl Work for OurGet {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Value::new([7; 8])?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        if self.0.get()? == [7; 8] { Ok(()) } else { Err("somebody wrote it".into()) }
    }
}

fn filled() -> Result<ShmMap<u64, u64>> {
    let map = ShmMap::with_capacity(usize::try_from(KEYS)?)?;
    for key in 0..KEYS {
        map.insert(key, key)?;
    }
    Ok(map)
}

impl Work for OurMap {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(filled()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        let key = next_key();
        if self.0.get(key)? == Some(key) { Ok(()) } else { Err("a key is gone".into()) }
    }
}

impl Work for OurMapSet {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(filled()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.clone()))
    }

    #[inline]
    fn work(&mut self) -> Result {
        let key = next_key();
        self.0.insert(key, key + 1)?.map(drop).ok_or_else(|| "a key is gone".into())
    }
}
