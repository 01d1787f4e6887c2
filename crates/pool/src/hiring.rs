//! What workers are started with: everything about them that is said of the pool.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::wire::{self, Handle, Message};
use proc_core::{Function, Outcome, Process, Start};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::PoolError;
use crate::find;
use crate::state::Made;

/// What a pool's workers are to be like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hiring {
    /// The beginning of their names.
    pub(crate) name: Option<String>,
    /// What all their processes are to be like; as this one, mostly.
    pub(crate) process: Option<proc_core::Builder>,
    /// What else one is to be like, by its place.
    pub(crate) by_place: Option<ByPlace>,
    pub(crate) start: Option<Start>,
    pub(crate) initializer: Option<Initializer>,
    pub(crate) limits: Limits,
}

/// Says what the process of a worker is to be like, which has this place.
pub(crate) type ByPlace = fn(usize, proc_core::Builder) -> proc_core::Builder;

/// When a worker makes room for another one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// After so many tasks.
    pub(crate) max_tasks: Option<u64>,
    /// If it has more bytes of memory than this after a task.
    pub(crate) max_memory: Option<u64>,
}

/// How long a worker's start may take. It has nothing to do but to open what it was given.
const LONGEST_START: Duration = Duration::from_secs(10);

impl Hiring {
    /// Nothing is said.
    pub(crate) const fn new() -> Self {
        let limits = Limits { max_tasks: None, max_memory: None };
        Self { name: None, process: None, by_place: None, start: None, initializer: None, limits }
    }

    /// How the process of the worker in a place is started.
    pub(crate) fn process(&self, place: usize) -> proc_core::Builder {
        let name = self.name.as_deref().unwrap_or("pool-worker");
        let process = self.process.clone().unwrap_or_else(Process::<()>::builder);
        let process = process.name(format!("{name}-{place}"));
        let process = self.by_place.map_or(process.clone(), |by_place| by_place(place, process));
        process
            .start(self.start.unwrap_or(Start::ForkServer))
            .dies_with_parent(true)
            .start_timeout(LONGEST_START)
    }
}

/// A function that makes the state of a worker, and its argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Initializer {
    function: Function,
    #[serde(serialize_with = "serialize_shared", deserialize_with = "deserialize_shared")]
    argument: Arc<Argument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Argument {
    bytes: Vec<u8>,
    handles: Vec<Handle>,
}

impl Initializer {
    /// Encodes a call of a function that makes the state.
    pub(crate) fn new<A>(function: fn(A) -> Made, argument: &A) -> Result<Self, PoolError>
    where
        A: Serialize + DeserializeOwned,
    {
        let function = Function::of(function).ok_or(PoolError::NotInProgram)?;
        let Message { bytes, handles } = wire::encode(argument).map_err(PoolError::Argument)?;
        let handles = handles.into_iter().map(Handle::from).collect();
        Ok(Self { function, argument: Arc::new(Argument { bytes, handles }) })
    }

    /// In the worker: makes the state, or says why not.
    pub(crate) fn run(self) -> Result<(), String> {
        let Self { function, argument } = self;
        let argument = Arc::try_unwrap(argument).map_err(|_| "it is used elsewhere".to_owned())?;
        let handles = argument.handles.into_iter().map(Into::into).collect();
        let argument = Message { bytes: argument.bytes, handles };
        let callable = find::find(&function).map_err(|refusal| refusal.to_string())?;
        let answer = callable.call(argument).map_err(|refusal| refusal.to_string())?;
        match Function::outcome::<Made>(answer) {
            Ok(Outcome::Returned(made)) => {
                made.map_err(|reason| format!("the initializer failed: {reason}"))
            }
            Ok(Outcome::Panicked(panic)) => Err(format!("the initializer {panic}")),
            Ok(Outcome::Unsendable(reason)) => Err(reason),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn serialize_shared<S: Serializer>(
    value: &Arc<Argument>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().serialize(serializer)
}

fn deserialize_shared<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Argument>, D::Error> {
    Argument::deserialize(deserializer).map(Arc::new)
}
