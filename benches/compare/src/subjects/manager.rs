//! Dicts that live in a server's process: a round trip for each look and each change.
//!
//! - `manager/get/1`, `manager/set/1`: nanoseconds that one client takes, wherever it and the server run.
//! - `manager/get/one-core`: the same, with both on one core.
//! - `manager/get/2`: how often a second 2 clients on different cores look something up.
//! - `manager/pipeline/100`: how often a second one client does, which asks for 100 things at once.
//! - `manager/socket-…`: the same, where our calls go through a socket, as those of the others do.
//! - `manager/shm-dict-get/1`, `manager/shm-dict-set/1`: with a dict of the server's in shared memory.
//! - `manager/memory-get/1`, `manager/memory-set/1`: with a map in shared memory, which needs no server.

use std::marker::PhantomData;

use crate::Result;
use crate::bench::{Bench, Metric};
use crate::crew::Kind;
use crate::flags::Effort;
use crate::peers::multiproc::manager::{OurDict, OurShmDict, OurSocketDict};
use crate::peers::multiproc::value::{OurMap, OurMapSet};
use crate::peers::python;
use crate::peers::redis::Redis;
use crate::rounds::OURS;
use crate::subjects::value::{Work, free, next_key, rate};
use crate::timing;

/// So many things are asked for at once.
const HUNDRED: u32 = 100;

/// A client of a dict in a server, which connects when it begins to work: in its own process.
pub(crate) trait Client: Send + Sized + 'static {
    /// Starts a server in whose dict each key has itself as its value.
    fn new() -> Result<Self>;

    /// Another client of the same server.
    fn share(&self) -> Self;

    fn get(&mut self, key: u64) -> Result<Option<u64>>;

    fn set(&mut self, key: u64, value: u64) -> Result;

    /// Looks at all of them, in one round trip.
    fn get_all(&mut self, keys: &[u64]) -> Result<Vec<Option<u64>>>;
}

/// What a client does over and over.
trait Deed: Send + 'static {
    fn by(client: &mut impl Client) -> Result;
}

/// A look.
struct Get;

/// A change.
struct Set;

/// A hundred looks at once.
struct Hundred;

/// A client at its work.
struct At<D, C>(C, PhantomData<D>);

impl Deed for Get {
    fn by(client: &mut impl Client) -> Result {
        let key = next_key();
        check(client.get(key)? == Some(key))
    }
}

impl Deed for Set {
    fn by(client: &mut impl Client) -> Result {
        let key = next_key();
        client.set(key, key + 1)
    }
}

impl Deed for Hundred {
    fn by(client: &mut impl Client) -> Result {
        let keys: Vec<u64> = (0..HUNDRED).map(|_| next_key()).collect();
        let found = client.get_all(&keys)?;
        check(found.into_iter().eq(keys.into_iter().map(Some)))
    }
}

fn check(is_there: bool) -> Result {
    if is_there { Ok(()) } else { Err("a key is gone".into()) }
}

impl<D: Deed, C: Client> Work for At<D, C> {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(C::new()?, PhantomData))
    }

    fn share(&self) -> Result<Self> {
        Ok(Self(self.0.share(), PhantomData))
    }

    fn work(&mut self) -> Result {
        D::by(&mut self.0)
    }
}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let python = |what: &'static str| move |effort| python::measure("values", &[what], effort);
    vec![
        Bench::new("manager/get/1", Metric::Ns)
            .peer(OURS, anywhere::<At<Get, OurDict>>)
            .peer("redis", anywhere::<At<Get, Redis>>)
            .peer("python", python("dict-get")),
        Bench::new("manager/set/1", Metric::Ns)
            .peer(OURS, anywhere::<At<Set, OurDict>>)
            .peer("redis", anywhere::<At<Set, Redis>>)
            .peer("python", python("dict-set")),
        Bench::new("manager/get/one-core", Metric::Ns)
            .peer(OURS, free::<At<Get, OurDict>>)
            .peer("redis", free::<At<Get, Redis>>),
        Bench::new("manager/get/2", Metric::Operations)
            .peer(OURS, |effort| rate::<At<Get, OurDict>>(2, effort))
            .peer("redis", |effort| rate::<At<Get, Redis>>(2, effort)),
        Bench::new("manager/pipeline/100", Metric::Operations)
            .peer(OURS, hundreds::<At<Hundred, OurDict>>)
            .peer("redis", hundreds::<At<Hundred, Redis>>),
        Bench::new("manager/socket-get/1", Metric::Ns)
            .peer(OURS, anywhere::<At<Get, OurSocketDict>>)
            .peer("redis", anywhere::<At<Get, Redis>>),
        Bench::new("manager/socket-get/one-core", Metric::Ns)
            .peer(OURS, free::<At<Get, OurSocketDict>>)
            .peer("redis", free::<At<Get, Redis>>),
        Bench::new("manager/socket-pipeline/100", Metric::Operations)
            .peer(OURS, hundreds::<At<Hundred, OurSocketDict>>)
            .peer("redis", hundreds::<At<Hundred, Redis>>),
        Bench::new("manager/shm-dict-get/1", Metric::Ns)
            .peer(OURS, anywhere::<At<Get, OurShmDict>>)
            .peer("redis", anywhere::<At<Get, Redis>>)
            .peer("python", python("dict-get")),
        Bench::new("manager/shm-dict-set/1", Metric::Ns)
            .peer(OURS, anywhere::<At<Set, OurShmDict>>)
            .peer("redis", anywhere::<At<Set, Redis>>)
            .peer("python", python("dict-set")),
        Bench::new("manager/memory-get/1", Metric::Ns)
            .peer(OURS, anywhere::<OurMap>)
            .peer("python", python("dict-get")),
        Bench::new("manager/memory-set/1", Metric::Ns)
            .peer(OURS, anywhere::<OurMapSet>)
            .peer("python", python("dict-set")),
    ]
}

fn anywhere<W: Work>(effort: Effort) -> Result<f64> {
    let mut thing = W::new()?;
    timing::mean(effort, || thing.work())
}

/// How many a second, where each `work` is a hundred.
fn hundreds<W: Work>(effort: Effort) -> Result<f64> {
    Ok(f64::from(HUNDRED) * 1e9 / anywhere::<W>(effort)?)
}
