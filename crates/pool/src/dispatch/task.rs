//! What the table must know of a task.

/// What the table must know of a task.
pub(crate) trait Task {
    /// Which of all tasks it is, by the order of their submission.
    fn number(&self) -> u64;

    /// The greater goes first.
    fn priority(&self) -> i32;

    /// How many tasks it is for who submitted it: more than one if they travel together.
    fn n_items(&self) -> usize {
        1
    }

    /// How long it will likely take; `u64::MAX` if nobody knows.
    fn nanos(&self) -> u64;

    /// Whether a part of it goes through the socket.
    fn has_parcel(&self) -> bool;

    /// Whether it can be given as it is.
    fn is_prepared(&self) -> bool;

    /// It was given: what was prepared for that is not needed any more.
    fn was_given(&mut self);

    /// Takes off what a worker does not get now, if it is more than that gets at a time.
    fn cut(&mut self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Takes off all but the first `n_kept` of them, if there are more; it is not divided again.
    fn divide(&mut self, _n_kept: usize) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
}
