//! What the moves of the table come to.

/// What came of giving a task to a worker.
#[must_use]
#[derive(Debug)]
pub(crate) enum Give {
    /// It has it.
    Taken,
    /// There is no room in its ring.
    Full,
    /// The worker is of no use any more.
    Useless,
    /// The task cannot be sent to anybody; says why.
    Unsendable(String),
    /// The calling thread cannot give anything to anybody.
    Unable,
}

/// What was in a worker's ring.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TakenBack {
    /// The task with this ticket, which the worker will not see.
    Task(u64),
    /// Nothing that could be taken.
    Nothing,
    /// The calling thread cannot take anything out.
    Unable,
}

/// What came of a round of giving.
#[must_use]
#[derive(Debug)]
pub(crate) struct Fed<T> {
    /// Tasks that cannot be sent, and why.
    pub(crate) unsendable: Vec<(T, String)>,
    /// The calling thread could not give: another must.
    pub(crate) is_unable: bool,
    /// Somebody has room for the next task, which is to be prepared first.
    pub(crate) is_unprepared: bool,
    /// Tasks were taken back out of rings.
    pub(crate) has_taken_back: bool,
    /// Somebody waits until no task is left, and none is.
    pub(crate) is_drained: bool,
    /// The keeper must look at the clock earlier than it would, or at who leaves.
    pub(crate) is_urgent: bool,
}

impl<T> Fed<T> {
    /// Adds what came of another round.
    pub(crate) fn extend(&mut self, more: Self) {
        self.unsendable.extend(more.unsendable);
        self.is_unable |= more.is_unable;
        self.is_unprepared |= more.is_unprepared;
        self.has_taken_back |= more.has_taken_back;
        self.is_drained |= more.is_drained;
        self.is_urgent |= more.is_urgent;
    }

    pub(crate) const fn nothing() -> Self {
        Self {
            unsendable: Vec::new(),
            is_unable: false,
            is_unprepared: false,
            has_taken_back: false,
            is_drained: false,
            is_urgent: false,
        }
    }
}

/// What a worker's death came to.
#[must_use]
#[derive(Debug)]
pub(crate) struct Gone<W, T> {
    pub(crate) worker: W,
    /// The task that it had begun and not answered.
    pub(crate) victim: Option<T>,
}
