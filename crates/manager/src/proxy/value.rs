//! `Value<T>`: one value that many share.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::proxy;
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::methods::value as methods;

proxy! {
    /// A value in a manager.
    ///
    /// To change it by what it is, use [`update`](Self::update) or [`compare_and_set`](Self::compare_and_set):
    /// between a `get` and a `set` others have their turn.
    ///
    /// # Process death
    ///
    /// Who dies while it calls has changed the value as it wanted, or not at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let total = manager.value(&40_u64)?;
    /// assert_eq!(total.update(|(total, more)| total + more, &2)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Value<T>, "value"
}

impl<T: Serialize + DeserializeOwned> Value<T> {
    /// The value.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn get(&self) -> Result<T, Error> {
        self.handle.call(methods::GET, Argument::new())?.decode()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set(&self, value: &T) -> Result<(), Error> {
        let argument = Argument::new().value(self.handle.server(), value)?;
        self.handle.call(methods::SET, argument).map(drop)
    }

    /// Sets the value; returns the old one.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn replace(&self, value: &T) -> Result<T, Error> {
        let argument = Argument::new().value(self.handle.server(), value)?;
        self.handle.call(methods::REPLACE, argument)?.decode()
    }

    /// Sets the value if it is the expected one; whether it was. Neither may have proxies in it.
    ///
    /// Two values are the same if they are encoded alike.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn compare_and_set(&self, expected: &T, new: &T) -> Result<bool, Error> {
        let argument = Argument::new().key_block(expected)?.key(new)?;
        self.handle.call(methods::COMPARE_AND_SET, argument)?.decode()
    }

    /// Changes the value by a function, which runs in the manager; returns the new one.
    ///
    /// As [`Dict::update`](crate::Dict::update).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update<A>(&self, function: fn((T, A)) -> T, argument: &A) -> Result<T, Error>
    where
        A: Serialize + DeserializeOwned,
    {
        let call = Argument::new().function(function)?.key(argument)?;
        self.handle.call(methods::UPDATE, call)?.decode()
    }
}
