//! Tasks of other shapes than one value in and one value out: functions of two arguments, functions
//! of bytes or plain data, and chunks of items.
//!
//! A worker calls a function of ours, in whose argument the caller's function travels.

use bytemuck::{CheckedBitPattern, NoUninit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{MapError, PoolError, TaskError};
use crate::find::Named;
use crate::pool::Pool;
use crate::slice_task::SliceTaskBuilder;
use crate::task::Task;

impl Pool {
    /// As [`map`](Self::map), for a function of two arguments.
    ///
    /// For more, [`map`](Self::map) takes a closure that takes a tuple apart:
    /// `pool.map(|(a, b, c)| f(a, b, c), items)`.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// assert_eq!(pool.starmap(u64::pow, [(2, 10), (3, 4)])?, [1024, 81]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn starmap<A, B, R>(
        &self,
        function: fn(A, B) -> R,
        items: impl IntoIterator<Item = (A, B)>,
    ) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        B: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        let function = Named::of_two(function);
        self.map(call_two::<A, B, R>, items.into_iter().map(|(a, b)| (function, a, b)))
    }

    /// As [`map`](Self::map), but a worker gets `n_each` items in one message.
    ///
    /// A [`map`](Self::map) adapts to what items take. This is for programs that know best: see
    /// [`chunk_size`](crate::TaskBuilder::chunk_size). Each item is a task all the same: a panic, or a worker
    /// that dies, is the end of one item alone.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map); [`PoolError::BadChunk`] if `n_each` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let squares = pool.map_chunked(|x: u64| x * x, 0..10_000, 1_000)?;
    /// assert_eq!((squares.len(), squares[9_999]), (10_000, 99_980_001));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "chunksize")]
    pub fn map_chunked<A, R>(
        &self,
        function: fn(A) -> R,
        items: impl IntoIterator<Item = A>,
        n_each: usize,
    ) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        if n_each == 0 {
            return Err(MapError { index: 0, error: PoolError::BadChunk.into() });
        }
        self.task(function).chunk_size(n_each).map(items)
    }

    /// As [`call`](Self::call), for a function of borrowed bytes.
    ///
    /// The bytes are copied as a whole, once if they are many, and need not be given away: many times faster
    /// than a `Vec<u8>`, which goes byte by byte. What shall not be copied at all lies in a
    /// [`Segment`](ipc_core::Segment), which goes to a task as a handle.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// fn sum(bytes: &[u8]) -> u64 {
    ///     bytes.iter().map(|byte| u64::from(*byte)).sum()
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let image = vec![3; 1 << 20];
    /// assert_eq!(pool.call_bytes(sum, &image)?, 3 << 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_bytes<R>(&self, function: fn(&[u8]) -> R, bytes: &[u8]) -> Result<R, TaskError>
    where
        R: Serialize + DeserializeOwned,
    {
        self.submit_bytes(function, bytes)?.join()
    }

    /// As [`submit`](Self::submit), for a function of borrowed bytes; see
    /// [`call_bytes`](Self::call_bytes).
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_bytes<R>(
        &self,
        function: fn(&[u8]) -> R,
        bytes: &[u8],
    ) -> Result<Task<R>, PoolError>
    where
        R: Serialize + DeserializeOwned,
    {
        self.submit_slice(function, bytes)
    }

    /// As [`call_bytes`](Self::call_bytes), for a function of borrowed plain data.
    ///
    /// The items go as the bytes that they are, and the worker looks whether these are items. Many are not
    /// copied there: the function reads them in memory in which nobody can write as long as it runs. A copy of
    /// the worker, if the function makes one by a `fork`, must not read them: the next argument may lie there
    /// as soon as the worker has returned.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// fn norm(of: &[f64]) -> f64 {
    ///     of.iter().map(|x| x * x).sum::<f64>().sqrt()
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let numbers = vec![0.5; 40_000];
    /// assert_eq!(pool.call_slice(norm, &numbers)?, 100.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_slice<T, R>(&self, function: fn(&[T]) -> R, items: &[T]) -> Result<R, TaskError>
    where
        T: NoUninit + CheckedBitPattern,
        R: Serialize + DeserializeOwned,
    {
        self.slice_task(function).call(items)
    }

    /// As [`submit`](Self::submit), for a function of borrowed plain data; see
    /// [`call_slice`](Self::call_slice).
    ///
    /// Items without bytes are refused by the compiler.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_slice<T, R>(
        &self,
        function: fn(&[T]) -> R,
        items: &[T],
    ) -> Result<Task<R>, PoolError>
    where
        T: NoUninit + CheckedBitPattern,
        R: Serialize + DeserializeOwned,
    {
        self.slice_task(function).submit(items)
    }

    /// As [`map`](Self::map), for a function of borrowed plain data; see [`call_slice`](Self::call_slice).
    ///
    /// Each item is something that lends a slice: a `&[T]`, a `Vec<T>`, a `&Vec<T>`. For large ones it is the
    /// quickest way: each is copied once, from where it is to memory that the workers share, and the function
    /// reads it there. Workers get a few of them at a time.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// fn mean(of: &[f32]) -> f32 {
    ///     of.iter().sum::<f32>() / of.len() as f32
    /// }
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let image = vec![0.5; 1 << 20];
    /// let means = pool.map_slices(mean, image.chunks(1 << 18))?;
    /// assert_eq!(means, [0.5; 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_slices<T, R, I>(&self, function: fn(&[T]) -> R, items: I) -> Result<Vec<R>, MapError>
    where
        T: NoUninit + CheckedBitPattern,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item: AsRef<[T]>>,
    {
        self.slice_task(function).map(items)
    }

    /// As [`task`](Self::task), for a function of borrowed plain data; see [`call_slice`](Self::call_slice).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use pool::Pool;
    ///
    /// fn is_text(bytes: &[u8]) -> bool {
    ///     str::from_utf8(bytes).is_ok()
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let check = pool.slice_task(is_text).timeout(Duration::from_secs(60)).tag("check");
    /// assert!(check.call(b"text")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice_task<T, R>(&self, function: fn(&[T]) -> R) -> SliceTaskBuilder<'_, T, R>
    where
        T: NoUninit + CheckedBitPattern,
        R: Serialize + DeserializeOwned,
    {
        SliceTaskBuilder::new(self, function)
    }
}

type Two<A, B, R> = (Named<fn(A, B) -> R>, A, B);

fn call_two<A, B, R>((function, a, b): Two<A, B, R>) -> R {
    function.function()(a, b)
}
