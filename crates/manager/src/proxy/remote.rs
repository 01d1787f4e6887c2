//! `Remote<T>`: an object of a user's type.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RemoteIter, proxy};
use crate::client::Argument;
use crate::error::Error;
use crate::object::user::Object;
use crate::protocol::methods::user as methods;

proxy! {
    /// An object of a type of the program's own, in a manager; see [`Object`].
    ///
    /// # Process death
    ///
    /// A call that is under way when the caller dies is done nevertheless, and nobody hears of it.
    Remote<T>, "object"
}

impl<T: Object> Remote<T> {
    /// Calls a method by its name, and waits for what it returns.
    ///
    /// The types are for the two sides to agree on.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchMethod`], [`Error::BadArgument`] if it takes another argument, [`Error::Panicked`];
    /// [`Error`] says what else can be wrong.
    pub fn call<A, R>(&self, method: &str, argument: &A) -> Result<R, Error>
    where
        A: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let call = Argument::new().block(method.as_bytes());
        let call = call.value(self.handle.server(), argument)?;
        self.handle.call(methods::BY_NAME, call)?.decode()
    }

    /// Calls a method by its name that returns an iterator, of whose items this is one after the other.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`Error::NoSuchMethod`] also if the method does not return an iterator.
    pub fn iterate<A, I>(&self, method: &str, argument: &A) -> Result<RemoteIter<I>, Error>
    where
        A: Serialize + ?Sized,
        I: DeserializeOwned,
    {
        let call = Argument::new().block(method.as_bytes());
        let call = call.value(self.handle.server(), argument)?;
        Ok(RemoteIter::over(self.handle.call(methods::ITERATE, call)?.into_granted()?))
    }
}
