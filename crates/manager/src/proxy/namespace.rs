//! `Namespace`: values of any types, by names.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Dict, Inner as _, proxy};
use crate::error::Error;

proxy! {
    /// Values of any types in a manager, by names.
    ///
    /// Who gets a value says of what type it is. A value of another type is an error, if its bytes are no
    /// value of the type that was asked for; so prefer a [`Dict`] where all are of one type.
    ///
    /// # Process death
    ///
    /// As with a [`Dict`].
    ///
    /// # Examples
    ///
    /// ```
    /// use manager::Manager;
    ///
    /// let manager = Manager::start()?;
    /// let settings = manager.namespace()?;
    /// settings.set("name", &"Ann")?;
    /// settings.set("age", &42_u32)?;
    /// assert_eq!(settings.get::<String>("name")?.as_deref(), Some("Ann"));
    /// assert_eq!(settings.names()?, ["name", "age"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Namespace, "namespace"
}

impl Namespace {
    fn dict<V>(&self) -> Dict<String, V> {
        Dict::over(Arc::clone(&self.handle))
    }

    /// The value of a name.
    ///
    /// # Errors
    ///
    /// [`Error`] says why there is no answer; so it does for all methods.
    pub fn get<V: Serialize + DeserializeOwned>(&self, name: &str) -> Result<Option<V>, Error> {
        self.dict().get(name)
    }

    /// Sets the value of a name.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set<V: Serialize + ?Sized>(&self, name: &str, value: &V) -> Result<(), Error> {
        let argument = crate::client::Argument::new().key_block(name)?;
        let argument = argument.value(self.handle.server(), value)?;
        self.handle.call(crate::protocol::methods::dict::SET, argument).map(drop)
    }

    /// Takes a name out; whether it was there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn remove(&self, name: &str) -> Result<bool, Error> {
        let argument = crate::client::Argument::new().key(name)?;
        let got = self.handle.call(crate::protocol::methods::dict::REMOVE, argument)?;
        Ok(got.bytes().first() == Some(&1))
    }

    /// Changes the value of a name by a function; see [`Dict::update`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update<V, A>(
        &self,
        name: &str,
        function: fn((Option<V>, A)) -> Option<V>,
        argument: &A,
    ) -> Result<Option<V>, Error>
    where
        V: Serialize + DeserializeOwned,
        A: Serialize + DeserializeOwned,
    {
        self.dict().update(name, function, argument)
    }

    /// All names, in the order in which they came.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn names(&self) -> Result<Vec<String>, Error> {
        self.dict::<()>().keys()
    }
}
