//! `Dict` and `ShmDict` of a `Manager`.

use manager::{Address, Batch, Dict, Manager, ShmDict};

use crate::Result;
use crate::subjects::manager::Client;
use crate::subjects::value::KEYS;

/// A client of a manager whose calls go through memory.
pub(crate) type OurDict = Ours<true>;

/// One whose calls go through its socket.
pub(crate) type OurSocketDict = Ours<false>;

/// A client of a manager, which connects when it begins to work: in its own process.
pub(crate) struct Ours<const HAS_LANE: bool> {
    address: Address,
    dict: Option<Dict<u64, u64>>,
    /// Whoever started the manager ends it.
    _manager: Option<Manager>,
}

const NAME: &str = "the dict";

impl<const HAS_LANE: bool> Ours<HAS_LANE> {
    fn dict(&mut self) -> Result<&Dict<u64, u64>> {
        let dict = match self.dict.take() {
            Some(dict) => dict,
            None => Manager::connect(&self.address, None)?.look_up(NAME)?,
        };
        Ok(self.dict.insert(dict))
    }
}

impl<const HAS_LANE: bool> Client for Ours<HAS_LANE> {
    fn new() -> Result<Self> {
        let builder = Manager::builder();
        let manager = if HAS_LANE { builder } else { builder.max_lanes(0) }.start()?;
        let dict: Dict<u64, u64> = manager.dict()?;
        for key in 0..KEYS {
            dict.set(&key, &key)?;
        }
        manager.publish(NAME, &dict)?;
        Ok(Self { address: manager.address().clone(), dict: None, _manager: Some(manager) })
    }

    fn share(&self) -> Self {
        Self { address: self.address.clone(), dict: None, _manager: None }
    }

    fn get(&mut self, key: u64) -> Result<Option<u64>> {
        Ok(self.dict()?.get(&key)?)
    }

    fn set(&mut self, key: u64, value: u64) -> Result {
        Ok(self.dict()?.set(&key, &value)?)
    }

    fn get_all(&mut self, keys: &[u64]) -> Result<Vec<Option<u64>>> {
        let dict = self.dict()?;
        let mut batch = Batch::new();
        let asked: std::result::Result<Vec<_>, _> =
            keys.iter().map(|key| dict.get_in(&mut batch, key)).collect();
        let mut done = batch.call()?;
        asked?.into_iter().map(|later| Ok(done.take(later)?)).collect()
    }
}

/// A client of a manager whose dict lies in shared memory.
pub(crate) struct OurShmDict {
    address: Address,
    dict: Option<ShmDict<u64, u64>>,
    /// Whoever started the manager ends it.
    _manager: Option<Manager>,
}

impl OurShmDict {
    #[inline]
    fn dict(&mut self) -> Result<&ShmDict<u64, u64>> {
        if self.dict.is_none() {
            self.dict = Some(Manager::connect(&self.address, None)?.look_up(NAME)?);
        }
        Ok(self.dict.as_ref().ok_or("it was looked up")?)
    }
}

impl Client for OurShmDict {
    fn new() -> Result<Self> {
        let manager = Manager::start()?;
        let dict: ShmDict<u64, u64> = manager.shm_dict(usize::try_from(KEYS)?)?;
        for key in 0..KEYS {
            dict.set(&key, &key)?;
        }
        manager.publish(NAME, &dict)?;
        Ok(Self { address: manager.address().clone(), dict: None, _manager: Some(manager) })
    }

    fn share(&self) -> Self {
        Self { address: self.address.clone(), dict: None, _manager: None }
    }

    fn get(&mut self, key: u64) -> Result<Option<u64>> {
        Ok(self.dict()?.get(&key)?)
    }

    fn set(&mut self, key: u64, value: u64) -> Result {
        Ok(self.dict()?.set(&key, &value)?)
    }

    fn get_all(&mut self, keys: &[u64]) -> Result<Vec<Option<u64>>> {
        keys.iter().map(|key| self.get(*key)).collect()
    }
}
