//! Tasks of other shapes than one value in and one value out: functions of two arguments, functions
//! of bytes, and chunks of items.
//!
//! A worker calls a function of ours, in whose argument the caller's function travels.

use std::borrow::Cow;
use std::fmt;

use proc_core::PanicInfo;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{MapError, PoolError, TaskError};
use crate::find::Named;
use crate::map::Gathered;
use crate::pool::Pool;
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

    /// As [`map`](Self::map), but a worker gets `n_each` items as one task.
    ///
    /// Short tasks go to workers many at a time anyway, as far as that is of use: a
    /// [`map`](Self::map) adapts to what tasks take, and no item suffers by another. This is for items
    /// that take much less than a microsecond, or whose number the program knows best. A panic is the
    /// end of its item alone; a worker that dies costs, or has run again, all items of its chunk.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map); of a chunk that has no results the first item is named.
    /// [`PoolError::BadChunk`] if `n_each` is 0.
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
        let function = Named::of(function);
        let mut items = items.into_iter();
        let n_items = items.size_hint().0.min(MOST_AHEAD);
        let chunks = std::iter::from_fn(|| {
            let chunk: Vec<A> = items.by_ref().take(n_each).collect();
            (!chunk.is_empty()).then_some((function, chunk))
        });
        let mut gathered = Gathered::with_capacity(n_items);
        let mut batch = self.task(call_each::<A, R>).batch(chunks);
        while let Some((chunk, results)) = batch.next_result() {
            let first = chunk * n_each;
            match results {
                Ok(results) => {
                    for (index, result) in (first..).zip(results) {
                        gathered.add(index, result.map_err(TaskError::Panicked));
                    }
                }
                Err(error) => gathered.add(first, Err(error)),
            }
        }
        gathered.into_result()
    }

    /// As [`call`](Self::call), for a function of borrowed bytes.
    ///
    /// The bytes are copied as a whole, and need not be given away: many times faster than a
    /// `Vec<u8>`, which goes byte by byte. What shall not be copied at all lies in a
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
        self.task(call_with_bytes::<R>)
            .send(&(Named::of_bytes(function), Bytes(Cow::Borrowed(bytes))))
    }
}

/// So much room is made for results before there are any.
const MOST_AHEAD: usize = 1 << 16;

type Two<A, B, R> = (Named<fn(A, B) -> R>, A, B);

fn call_two<A, B, R>((function, a, b): Two<A, B, R>) -> R {
    function.function()(a, b)
}

type Chunk<A, R> = (Named<fn(A) -> R>, Vec<A>);

fn call_each<A, R>((function, items): Chunk<A, R>) -> Vec<Result<R, PanicInfo>> {
    let call = |item| PanicInfo::catch(|| function.function()(item));
    items.into_iter().map(call).collect()
}

type OfBytes<R> = (Named<fn(&[u8]) -> R>, Bytes<'static>);

fn call_with_bytes<R>((function, Bytes(bytes)): OfBytes<R>) -> R {
    function.function()(&bytes)
}

/// Bytes that travel as a whole; borrowed where they come from, and owned where they arrive.
struct Bytes<'b>(Cow<'b, [u8]>);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;

        impl Visitor<'_> for Whole {
            type Value = Bytes<'static>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(Cow::Owned(bytes.to_vec())))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Self::Value, E> {
                Ok(Bytes(Cow::Owned(bytes)))
            }
        }

        deserializer.deserialize_byte_buf(Whole)
    }
}
