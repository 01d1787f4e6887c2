//! Objects of the user's types: `Object`, its `Methods`, and the `Types` that a server has.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ipc_core::wire;
use proc_core::Function;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::iterator::Iteration;
use super::{Answers, Kind, Payload, Request, Step, no_such_method};
use crate::client::{gathering, serving};
use crate::protocol::Fault;
use crate::protocol::methods::user as methods;
use crate::server::{Bell, Home};

/// A type whose objects can live in a manager.
///
/// [`#[object]`](macro@crate::object) implements it for the methods of an `impl` block, and is to be
/// preferred; here is what it does.
///
/// A manager has to be [told](crate::Builder::register) of it before it starts. Then
/// [`Manager::create`](crate::Manager::create) makes objects, and a [`Remote`](crate::Remote) calls them.
///
/// Methods are called by name, with one argument, which is a tuple where there are several. One runs at a
/// time, on a thread of the manager's: `&mut self` is safe, and others are not held up. A panic is
/// [`Error::Panicked`](crate::Error::Panicked) for the caller, and the object goes on as the panic left it.
///
/// A method may take and return proxies. It may call other objects of its manager
/// ([`Manager::current`](crate::Manager::current)); if it calls its own object, it waits for itself.
///
/// # Examples
///
/// ```
/// use manager::{Manager, Methods, Object};
///
/// struct Counter(u64);
///
/// impl Counter {
///     fn increase(&mut self, by: u64) -> u64 {
///         self.0 += by;
///         self.0
///     }
/// }
///
/// impl Object for Counter {
///     const NAME: &'static str = "counter";
///     type Init = u64;
///
///     fn make(start: u64) -> Self {
///         Self(start)
///     }
///
///     fn methods(methods: &mut Methods<Self>) {
///         methods.add("increase", Self::increase);
///     }
/// }
///
/// let manager = Manager::builder().register::<Counter>().start()?;
/// let counter = manager.create::<Counter>(40)?;
/// assert_eq!(counter.call::<_, u64>("increase", &2_u64)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Object: Sized + Send + 'static {
    /// What the type is called, by those who make objects.
    const NAME: &'static str;

    /// What an object is made of.
    type Init: Serialize + DeserializeOwned;

    /// Makes an object, in the manager.
    fn make(init: Self::Init) -> Self;

    /// Names the methods.
    fn methods(methods: &mut Methods<Self>);
}

/// The methods of a type, by their names.
pub struct Methods<T> {
    by_name: HashMap<&'static str, Method<T>>,
}

/// A method, and by which call it is called.
struct Method<T> {
    called_by: u64,
    call: Call<T>,
}

/// From the encoded argument to the encoded result.
type Call<T> = Box<dyn Fn(&mut T, &Home, &[u8]) -> Result<Payload, Fault> + Send + Sync>;

impl<T: Object> Methods<T> {
    fn of_type() -> Self {
        let mut methods = Self { by_name: HashMap::new() };
        T::methods(&mut methods);
        methods
    }

    /// Adds a method, which takes one argument; a later one of the same name takes its place.
    pub fn add<A, R>(
        &mut self,
        name: &'static str,
        method: impl Fn(&mut T, A) -> R + Send + Sync + 'static,
    ) -> &mut Self
    where
        A: DeserializeOwned,
        R: Serialize,
    {
        let call = move |object: &mut T, home: &Home, argument: &[u8]| {
            let argument = home.decode(argument)?;
            let returned = method(object, argument);
            home.encode(&returned)
        };
        self.by_name.insert(name, Method { called_by: methods::BY_NAME, call: Box::new(call) });
        self
    }

    /// Adds a method that returns an iterator, which stays in the manager: who calls it, by
    /// [`Remote::iterate`](crate::Remote::iterate), gets its items as it asks for them.
    ///
    /// The iterator has nothing borrowed from the object, which others use meanwhile: what it needs it has for
    /// itself. It ends with its caller's [`RemoteIter`](crate::RemoteIter), or with its caller.
    pub fn add_iterator<A, I>(
        &mut self,
        name: &'static str,
        method: impl Fn(&mut T, A) -> I + Send + Sync + 'static,
    ) -> &mut Self
    where
        A: DeserializeOwned,
        I: Iterator<Item: Serialize> + Send + 'static,
    {
        let call = move |object: &mut T, home: &Home, argument: &[u8]| {
            let argument = home.decode(argument)?;
            let made = Iteration::over(method(object, argument), home.clone());
            Ok(Payload { made: Some(made), ..Payload::default() })
        };
        self.by_name.insert(name, Method { called_by: methods::ITERATE, call: Box::new(call) });
        self
    }
}

impl<T> fmt::Debug for Methods<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.by_name.keys()).finish()
    }
}

/// An object of a user's type.
struct Foreign<T> {
    object: T,
    methods: Arc<Methods<T>>,
    home: Home,
}

impl<T: Object> Kind for Foreign<T> {
    fn call(&mut self, request: Request<'_>, _: &mut Answers) -> Result<Step, Fault> {
        match request.method {
            methods::BY_NAME | methods::ITERATE => Ok(Step::Work),
            other => Err(no_such_method(other)),
        }
    }

    fn work(&mut self, request: Request<'_>) -> Result<Payload, Fault> {
        let Request { method: called_by, mut argument, links, .. } = request;
        let name = String::from_utf8_lossy(argument.block()?);
        let found = self.methods.by_name.get(&*name);
        let method = found.filter(|method| method.called_by == called_by);
        let method = method.ok_or_else(|| Fault::NoSuchMethod(format!("{name:?}")))?;
        let call = || (method.call)(&mut self.object, &self.home, argument.rest());
        let returned = self.home.enter(call);
        // What the argument led to was kept until here.
        drop(links);
        returned
    }

    fn is_foreign(&self) -> bool {
        true
    }
}

/// Makes objects of one type.
pub(crate) trait Maker: Send + Sync {
    /// Makes an object, which may have threads of its own that ring the bell.
    fn make(&self, request: Request<'_>, bell: Bell) -> Result<Box<dyn Kind>, Fault>;
}

struct MakerOf<T> {
    methods: Arc<Methods<T>>,
    home: Home,
}

impl<T: Object> Maker for MakerOf<T> {
    fn make(&self, request: Request<'_>, _: Bell) -> Result<Box<dyn Kind>, Fault> {
        let home = self.home.clone();
        let init = home.decode::<T::Init>(request.argument.rest())?;
        let object = home.enter(|| T::make(init));
        drop(request.links);
        Ok(Box::new(Foreign { object, methods: Arc::clone(&self.methods), home }))
    }
}

/// A type that a server is to have, by a function that adds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registration {
    pub(crate) name: &'static str,
    pub(crate) add: fn(()),
}

impl Registration {
    pub(crate) fn of<T: Object>() -> Self {
        Self { name: type_name::<T>(), add: add::<T> }
    }

    /// Its name, for a process that runs the same program.
    pub(crate) fn function(self) -> Option<Function> {
        Function::of(self.add)
    }
}

/// The types that a server has.
#[derive(Default)]
pub(crate) struct Types {
    makers: HashMap<&'static str, MakeMaker>,
}

type MakeMaker = fn(Home) -> Arc<dyn Maker>;

thread_local! {
    /// Where [`add`] adds to.
    static ADDED: RefCell<Types> = RefCell::default();
}

fn add<T: Object>((): ()) {
    let make: MakeMaker =
        |home| Arc::new(MakerOf::<T> { methods: Methods::of_type().into(), home });
    ADDED.with_borrow_mut(|types| types.makers.extend([(T::NAME, make)]));
}

impl Types {
    /// The types that `work` adds.
    pub(crate) fn added_by(work: impl FnOnce()) -> Self {
        drop(ADDED.take());
        work();
        ADDED.take()
    }

    /// Who makes objects of each type in that server.
    pub(crate) fn makers(&self, home: &Home) -> HashMap<&'static str, Arc<dyn Maker>> {
        self.makers.iter().map(|(name, make)| (*name, make(home.clone()))).collect()
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.makers.keys()).finish()
    }
}

impl Home {
    /// A value that came with a call. Its proxies are the server's own.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Fault> {
        let decoded = serving(self, || wire::decode_plain(bytes));
        decoded.map_err(|error| Fault::BadArgument(error.to_string()))
    }

    /// A value that goes to whoever called.
    pub(super) fn encode<T: Serialize>(&self, value: &T) -> Result<Payload, Fault> {
        let mut bytes = Vec::new();
        let (encoded, proxies) = gathering(self.server(), || wire::encode_plain(value, &mut bytes));
        encoded.map_err(|error| Fault::Refused(error.to_string()))?;
        let grants = proxies.iter().map(|proxy| proxy.object()).collect();
        Ok(Payload { bytes, grants, proxies, ..Payload::default() })
    }
}
