//! Pools of as many workers as there are cores; nobody is kept on a core.
//!
//! - `pool/empty/…`: tasks a second that do nothing but add one to a number. `map` maps over many
//!   numbers in chunks of the pool's choice, `map1` with one task a message; `submit` hands in many
//!   tasks one by one and then waits for all of them, `call` waits for each.
//! - `pool/1mib/map1`: tasks a second that read a byte of every cache line of a buffer of 1 MiB,
//!   which was made before the clock ran. The buffer is given away, and freed while it runs.
//! - `pool/1mib/slice`: the same for buffers that are not given away: the caller lends the same ones again
//!   and again, and nobody frees one while the clock runs.
//! - `pool/1mib/echo`: tasks a second that get a buffer of 1 MiB and return it.
//! - `pool/spin10us/map1`: tasks that use 10 us each; the figure is that time by the time that all
//!   workers had.
//!
//! - `pool/first`: nanoseconds from when nobody works to the first result of a pool of two, in the middle of
//!   many; and its end. `pool/replaced`: from the death of the only worker to the next result,
//!   beside the start of a process by the fork server, and its end.
//! - `pool/segment`: tasks a second that get a segment of 64 MiB of shared memory as a handle, beside those
//!   that get one of 4 KiB.
//!
//! The results of all tasks are checked.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ipc_core::wire::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use crate::bench::{Bench, Metric};
use crate::flags::Effort;
use crate::peers::multiproc::pool::OurPool;
use crate::peers::multiproc::process::{self, Way};
use crate::peers::{procspawn, python, rayon};
use crate::rounds::OURS;
use crate::{Result, cores, timing};

/// A pool of workers.
pub(crate) trait Pooling: Sized {
    /// Starts the workers.
    fn new(n_workers: usize) -> Result<Self>;

    /// Maps in chunks of the pool's choice.
    fn map<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>>;

    /// Maps with one task a message.
    fn map1<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>) -> Result<Vec<R>>;

    /// The same for arguments that are too large to lie in a socket.
    fn map1_large<A: Value, R: Value>(
        &self,
        function: fn(A) -> R,
        arguments: Vec<A>,
    ) -> Result<Vec<R>> {
        self.map1(function, arguments)
    }

    /// The same for large buffers that the caller keeps; `owned` does what `lent` does.
    fn map1_lent(
        &self,
        _lent: fn(&[u8]) -> u64,
        owned: fn(Bytes<'static>) -> u64,
        buffers: &'static [Vec<u8>],
    ) -> Result<Vec<u64>> {
        let arguments = buffers.iter().map(|buffer| Bytes(Cow::Borrowed(buffer))).collect();
        self.map1_large(owned, arguments)
    }

    /// Hands in task by task, then waits for all.
    fn submit<A: Value, R: Value>(&self, function: fn(A) -> R, arguments: Vec<A>)
    -> Result<Vec<R>>;

    /// Hands in a task and waits for it.
    fn call<A: Value, R: Value>(&self, function: fn(A) -> R, argument: A) -> Result<R>;
}

/// What goes to a worker and comes back.
pub(crate) trait Value: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {}

/// What there is to measure.
pub(crate) fn benches() -> Vec<Bench> {
    let empty_map = Bench::new("pool/empty/map", Metric::Tasks)
        .peer(OURS, empty_map::<OurPool>)
        .peer("rayon", empty_map::<rayon::Pool>)
        .peer("python", python("map"));
    let empty_map1 = Bench::new("pool/empty/map1", Metric::Tasks)
        .peer(OURS, empty_map1::<OurPool>)
        .peer("procspawn", empty_map1::<procspawn::Pool>)
        .peer("rayon", empty_map1::<rayon::Pool>)
        .peer("python", python("map1"));
    let empty_submit = Bench::new("pool/empty/submit", Metric::Tasks)
        .peer(OURS, empty_submit::<OurPool>)
        .peer("procspawn", empty_submit::<procspawn::Pool>)
        .peer("rayon", empty_submit::<rayon::Pool>)
        .peer("python", python("submit"));
    let empty_call = Bench::new("pool/empty/call", Metric::Tasks)
        .peer(OURS, empty_call::<OurPool>)
        .peer("procspawn", empty_call::<procspawn::Pool>)
        .peer("rayon", empty_call::<rayon::Pool>)
        .peer("python", python("call"));
    let large_map1 = Bench::new("pool/1mib/map1", Metric::Tasks)
        .peer(OURS, large_map1::<OurPool>)
        .peer("procspawn", large_map1::<procspawn::Pool>)
        .peer("rayon", large_map1::<rayon::Pool>)
        .peer("python", python("1mib"));
    let large_slice = Bench::new("pool/1mib/slice", Metric::Tasks)
        .peer(OURS, large_slice::<OurPool>)
        .peer("procspawn", large_slice::<procspawn::Pool>)
        .peer("rayon", large_slice::<rayon::Pool>)
        .peer("python", python("1mib-kept"));
    let large_echo = Bench::new("pool/1mib/echo", Metric::Tasks)
        .peer(OURS, large_echo::<OurPool>)
        .peer("procspawn", large_echo::<procspawn::Pool>)
        .peer("rayon", large_echo::<rayon::Pool>)
        .peer("python", python("1mib-echo"));
    let spin_map1 = SPINS.map(|(name, micros)| {
        Bench::new(format!("pool/spin{name}/map1"), Metric::Efficiency)
            .peer(OURS, move |effort| spin_map1::<OurPool>(micros, effort))
            .peer("procspawn", move |effort| spin_map1::<procspawn::Pool>(micros, effort))
            .peer("rayon", move |effort| spin_map1::<rayon::Pool>(micros, effort))
            .peer("python", move |effort| {
                let [n_workers, n] = [cores::count()?, spins(micros).try_into()?];
                let numbers = [n_workers.to_string(), n.to_string(), micros.to_string()];
                let [n_workers, n, micros] = numbers.each_ref().map(String::as_str);
                python::measure("pools", &["spin", n_workers, n, n, n, micros], effort)
            })
    });
    let first = Bench::new("pool/first", Metric::Ns)
        .peer(OURS, first::<OurPool>)
        .peer("procspawn", first::<procspawn::Pool>)
        .peer("rayon", first::<rayon::Pool>)
        .peer("python", python("first"));
    let replaced = Bench::new("pool/replaced", Metric::Ns)
        .peer(OURS, OurPool::replaced)
        .peer("start", |effort| timing::middle(effort, || process::start(Way::ForkServer)));
    let segment = Bench::new("pool/segment", Metric::Tasks)
        .peer(OURS, |effort| OurPool::segment(64 << 20, effort))
        .peer("4kib", |effort| OurPool::segment(4 << 10, effort));
    [empty_map, empty_map1, empty_submit, empty_call, large_map1, large_slice, large_echo]
        .into_iter()
        .chain([first, replaced, segment])
        .chain(spin_map1)
        .collect()
}

/// How long tasks take that take a time, in microseconds.
const SPINS: [(&str, u32); 3] = [("10us", 10), ("100us", 100), ("1ms", 1000)];

/// How many of them are mapped at a time.
const fn spins(micros: u32) -> u32 {
    let n = 40_000 / micros;
    if n < SINGLE { if n > 64 { n } else { 64 } } else { SINGLE }
}

/// How many tasks are mapped at a time: in chunks, one by one, and with much in each.
const CHUNKED: u32 = 100_000;
const SINGLE: u32 = 4_000;
const LARGE: u32 = 32;

/// How many calls are made between two looks at the clock.
const CALLS: u32 = 64;

fn python(scenario: &'static str) -> impl Fn(Effort) -> Result<f64> {
    move |effort| {
        let numbers = [cores::count()?, CHUNKED.try_into()?, SINGLE.try_into()?, LARGE.try_into()?];
        let [n_workers, chunked, single, large] = numbers.map(|number| number.to_string());
        python::measure("pools", &[scenario, &n_workers, &chunked, &single, &large], effort)
    }
}

fn empty_map<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, CHUNKED, numbers, |numbers| check_numbers(CHUNKED, &pool.map(next, numbers)?))
}

fn empty_map1<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, SINGLE, numbers, |numbers| check_numbers(SINGLE, &pool.map1(next, numbers)?))
}

fn empty_submit<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, SINGLE, numbers, |numbers| check_numbers(SINGLE, &pool.submit(next, numbers)?))
}

fn empty_call<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, CALLS, numbers, |numbers| {
        let results: Result<Vec<u64>> =
            numbers.into_iter().map(|number| pool.call(next, number)).collect();
        check_numbers(CALLS, &results?)
    })
}

fn first<P: Pooling>(effort: Effort) -> Result<f64> {
    timing::middle(effort, || {
        let pool = P::new(2)?;
        check(pool.call(next, 1)? == 2)
    })
}

fn large_map1<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, LARGE, buffers, |buffers| {
        check_sums(&pool.map1_large(|buffer: ByteBuf| sum(&buffer), buffers)?)
    })
}

fn large_slice<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    let buffers: Vec<_> = (0..LARGE).map(|_| vec![1; LEN]).collect();
    let kept: &'static [Vec<u8>] = buffers.leak();
    timing::rate(effort, || {
        let start = Instant::now();
        check_sums(&pool.map1_lent(sum, |Bytes(buffer)| sum(&buffer), kept)?)?;
        Ok((LARGE, start.elapsed()))
    })
}

fn large_echo<P: Pooling>(effort: Effort) -> Result<f64> {
    let pool = P::new(cores::count()?)?;
    rate(effort, LARGE, buffers, |buffers| {
        let echoes = pool.map1_large(|buffer: ByteBuf| buffer, buffers)?;
        let is_echo = |echo: &ByteBuf| echo.len() == LEN && echo.first() == echo.last();
        check(echoes.len() == usize::try_from(LARGE)? && echoes.iter().all(is_echo))
    })
}

fn buffers(n: u32) -> Vec<ByteBuf> {
    (0..n).map(|_| ByteBuf::from(vec![1; LEN])).collect()
}

fn check_sums(sums: &[u64]) -> Result {
    let lines = u64::try_from(LEN / LINE)?;
    check(sums.len() == usize::try_from(LARGE)? && sums.iter().all(|&sum| sum == lines))
}

fn spin_map1<P: Pooling>(micros: u32, effort: Effort) -> Result<f64> {
    let time = Duration::from_micros(micros.into());
    let (n_workers, n_tasks) = (cores::count()?, spins(micros));
    let pool = P::new(n_workers)?;
    let times = |n| (0..n).map(|_| time).collect();
    let per_second = rate(effort, n_tasks, times, |times: Vec<Duration>| {
        check(pool.map1(spin, times)?.len() == usize::try_from(n_tasks)?)
    })?;
    Ok(per_second * time.as_secs_f64() / f64::from(u32::try_from(n_workers)?))
}

/// How many tasks a second, where those of a batch are made before the clock runs.
fn rate<A>(
    effort: Effort,
    batch: u32,
    make: impl Fn(u32) -> Vec<A>,
    run: impl Fn(Vec<A>) -> Result,
) -> Result<f64> {
    timing::rate(effort, || {
        let arguments = make(batch);
        let start = Instant::now();
        run(arguments)?;
        Ok((batch, start.elapsed()))
    })
}

fn numbers(n: u32) -> Vec<u64> {
    (0..u64::from(n)).collect()
}

fn check_numbers(n: u32, results: &[u64]) -> Result {
    check(results.iter().copied().eq(1..=u64::from(n)))
}

pub(crate) fn check(is_right: bool) -> Result {
    if is_right { Ok(()) } else { Err("the results are wrong".into()) }
}

/// The task that does nothing; never made a part of somebody's loop.
#[inline(never)]
pub(crate) fn next(number: u64) -> u64 {
    black_box(number) + 1
}

/// How much is in a large buffer, and in a cache line.
const LEN: usize = 1 << 20;
const LINE: usize = 64;

/// The task that looks at a buffer.
fn sum(buffer: &[u8]) -> u64 {
    buffer.iter().step_by(LINE).map(|&byte| u64::from(byte)).sum()
}

/// The task that takes a time.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
