//! Names: how objects are found by those who have no proxy of them yet.

use super::Manager;
use crate::client::Argument;
use crate::error::Error;
use crate::protocol::methods::desk;
use crate::proxy::Proxy;

impl Manager {
    /// Publishes an object under a name, by which others [look it up](Self::look_up).
    ///
    /// It lives until the name is [taken back](Self::unpublish), at least.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NameTaken`]; [`Error::Refused`] if the object is another manager's.
    #[doc(alias = "register")]
    pub fn publish<P: Proxy>(&self, name: &str, proxy: &P) -> Result<(), Error> {
        let handle = proxy.handle().here()?;
        if handle.server() != self.client.server() {
            return Err(Error::Refused("the object is another manager's".into()));
        }
        let argument = Argument::new().block(name.as_bytes()).number(handle.object());
        handle.client().call_desk(desk::PUBLISH, argument).map(drop)
    }

    /// Takes back the name of an object.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchName`].
    pub fn unpublish(&self, name: &str) -> Result<(), Error> {
        let argument = Argument::new().block(name.as_bytes());
        self.client()?.call_desk(desk::UNPUBLISH, argument).map(drop)
    }

    /// The object that is published under a name.
    ///
    /// # Errors
    ///
    /// As [`stats`](Self::stats); [`Error::NoSuchName`]; [`Error::OtherType`] if it has another type.
    pub fn look_up<P: Proxy>(&self, name: &str) -> Result<P, Error> {
        let mut argument = Argument::new().block(name.as_bytes());
        argument.bytes.extend_from_slice(P::label().as_bytes());
        let got = self.client()?.call_desk(desk::LOOK_UP, argument)?;
        Ok(P::over(got.into_handle()?))
    }
}
