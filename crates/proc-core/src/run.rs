//! `Run`: processes as objects.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that is made in one process and runs in another.
///
/// It is Python's subclass of `Process`: a type whose fields are set in the parent, and whose
/// [`run`](Self::run) is called in the child, by [`Builder::run`](crate::Builder::run) or
/// [`Process::run`](crate::Process::run). The process is named after the type.
///
/// # Examples
///
/// ```
/// use proc_core::{Process, Run};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Greeter {
///     whom: String,
/// }
///
/// impl Run for Greeter {
///     type Output = String;
///
///     fn run(self) -> String {
///         format!("hello {}", self.whom)
///     }
/// }
///
/// let child = Process::run(Greeter { whom: "Ann".to_owned() })?;
/// assert!(child.name().starts_with("Greeter-"));
/// assert_eq!(child.join()?, "hello Ann");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Run: Serialize + DeserializeOwned {
    /// What comes of it.
    type Output: Serialize + DeserializeOwned;

    /// What the process does.
    fn run(self) -> Self::Output;
}

/// The name of a type, without where it is and of what.
pub(crate) fn type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}
