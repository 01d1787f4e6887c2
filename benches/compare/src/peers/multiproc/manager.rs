//! `Dict` of a `Manager`.

use manager::{Address, Batch, Dict, Manager};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::manager::HUNDRED;
use crate::subjects::value::{KEYS, Work, next_key};

/// A look at a dict.
pub(crate) struct OurDict(Client);

/// A change in a dict.
pub(crate) struct OurSet(Client);

/// Looks at a dict, a hundred at once.
pub(crate) struct OurHundred(Client);

/// A client of a manager, which connects when it begins to work: in its own process.
struct Client {
    address: Address,
    dict: Option<Dict<u64, u64>>,
    /// Whoever started the manager ends it.
    _manager: Option<Manager>,
}

const NAME: &str = "the dict";

impl Client {
    fn new() -> Result<Self> {
        let manager = Manager::start()?;
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

    fn dict(&mut self) -> Result<&Dict<u64, u64>> {
        let dict = match self.dict.take() {
            Some(dict) => dict,
            None => Manager::connect(&self.address, None)?.look_up(NAME)?,
        };
        Ok(self.dict.insert(dict))
    }
}

impl Work for OurDict {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Client::new()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.share()))
    }

    fn work(&mut self) -> Result {
        let key = next_key();
        if self.0.dict()?.get(&key)? == Some(key) { Ok(()) } else { Err("a key is gone".into()) }
    }
}

impl Work for OurSet {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Client::new()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.share()))
    }

    fn work(&mut self) -> Result {
        let key = next_key();
        Ok(self.0.dict()?.set(&key, &(key + 1))?)
    }
}

impl Work for OurHundred {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Client::new()?))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.share()))
    }

    fn work(&mut self) -> Result {
        let dict = self.0.dict()?;
        let mut batch = Batch::new();
        let mut asked = vec![];
        for _ in 0..HUNDRED {
            let key = next_key();
            asked.push((key, dict.get_in(&mut batch, &key)?));
        }
        let mut done = batch.call()?;
        for (key, later) in asked {
            if done.take(later)? != Some(key) {
                return Err("a key is gone".into());
            }
        }
        Ok(())
    }
}
