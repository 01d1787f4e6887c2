//! Bugs to order: a build with `--cfg ipc_planted="<name>"` has one, and the proofs must find it.
//!
//! | name | what goes wrong |
//! |------|-----------------|
//! | `no_pend` | the alarm is never pending |
//! | `commit_tells_early` | a getter is woken before the commit of a put |
//! | `release_tells_nobody` | who gives a slot back wakes nobody |
//! | `get_no_chain` | a getter that claims does not wake the next, who could go on too |
//! | `put_no_chain` | a putter that claims does not |
//! | `judges_early` | a claim counts as a dead one's though the slot was not looked at again |
//! | `chunk_unseen` | the chunk behind the tail's is taken for free |
//! | `chunk_holes_are_taken` | a hole at the end of a chunk counts as a message that was taken |
//! | `chunk_head_late` | who waits for a chunk looks at the head after the chunks |
//! | `chunk_waits_at_tail` | who waits for a chunk sleeps on the tail's slot |
//! | `grows_early` | slots are counted as begun before they have memory |
//! | `heap_tells_nobody` | who frees a block tells nobody |
//! | `heap_no_watch` | who waits for memory does not sleep on life words |
//! | `heap_no_recount` | the sum is not counted anew when the holder of the lock has died |
//! | `heap_keeps_promise` | a dead owner's block keeps the memory that it was promised |
//! | `heap_no_sweep` | who finds no memory does not look for what the dead left |
//! | `heap_commits_first` | a large message is put before its block is handed over |
//! | `heap_seizes_any` | a block whose owner was not asked after counts as a dead one's |
//! | `heap_queued_stays` | the block of a message that will never be got stays queued |
//! | `heap_no_burial` | a seat is given on with the blocks of the dead |
//! | `seat_no_burial` | a seat is given on with the claims of the dead |
//! | `loan_stays` | a loan or sample that is dropped stays lent |
//! | `loan_given_twice` | a loan that was put is given back as well |
//! | `leave_uncounted` | who leaves its side counts no departure |
//! | `leave_no_call` | who leaves its side wakes nobody |
//! | `leave_no_pend` | who leaves its side has nothing pending |
//! | `leave_tells_first` | who leaves tells the others before it has left |
//!
//! # Which proof was seen to find which
//!
//! | name | found by |
//! |------|----------|
//! | `commit_tells_early` | models: any in which a getter sleeps; storms, those of growth too |
//! | `release_tells_nobody` | models: putters and getters with one slot; storms, both of growth too |
//! | `grows_early` | kill sweep: "a put that grows"; not the crash sweep, which has no death between the two steps, nor a storm |
//! | `chunk_unseen` | models: two putters in a ring that grows, one of whom may die; `tests/unbounded.rs`, whose random steps find it too; `tests/hostile.rs`; crash sweeps: all four of growth; not the storms, to which a ring of two chunks is as good |
//! | `chunk_waits_at_tail` | model: a getter dies with the chunk that a putter waits for; crash sweep: "get wakes who waits for a chunk" |
//! | `chunk_head_late` | model: a getter dies with the first of three chunks |
//! | `chunk_holes_are_taken` | model: a putter dies at the limit of a ring that grows, which then has less room than was promised; no message is lost |
//! | `get_no_chain` | model: a message is there before the one that comes first, and two sleep |
//! | `put_no_chain` | model: the same with slots that are given back |
//! | `judges_early` | models: a putter dies |
//! | `leave_no_call` | kill and crash sweep: "the last putter leaves" |
//! | `leave_no_pend`, `leave_tells_first` | kill sweep: "the last putter leaves"; crash sweeps: both of the ends |
//! | `leave_uncounted` | models: the last putter or getter leaves; not the sweeps |
//! | `heap_tells_nobody` | kill sweep; storm; `tests/large.rs` |
//! | `heap_no_watch` | models: a getter dies with a block that another waits for; kill sweep |
//! | `heap_no_recount` | models: a seat is given on; kill sweep |
//! | `heap_keeps_promise` | model: a putter dies with a block, whose memory it was promised and never got |
//! | `heap_no_sweep` | kill sweep; storm; `tests/loans.rs` |
//! | `heap_commits_first` | kill sweep; storm |
//! | `heap_seizes_any` | `tests/loans.rs`, `tests/large.rs`; storm |
//! | `heap_queued_stays` | kill sweep; storm |
//! | `heap_no_burial` | storm |
//! | `seat_no_burial` | kill sweep: "take a dead one's seat"; storms, that of small chunks too |
//! | `loan_stays` | `tests/loans.rs`; storm |
//! | `loan_given_twice` | storm only: a block that is freed twice is free |
//!
//! `no_pend` is found by the kill sweep: "put wakes a getter". The models cannot find it: they do by themselves
//! what it leaves out.

/// Whether an operation has the alarm pending.
pub(crate) const PENDS: bool = !cfg!(ipc_planted = "no_pend");

/// Whether a commit comes after the wake-up.
pub(crate) const COMMITS_LATE: bool = cfg!(ipc_planted = "commit_tells_early");

/// Whether who gives a slot back wakes a putter.
pub(crate) const RELEASE_TELLS: bool = !cfg!(ipc_planted = "release_tells_nobody");

/// Whether a getter that claims wakes the next.
pub(crate) const GET_CHAINS: bool = !cfg!(ipc_planted = "get_no_chain");

/// Whether a putter that claims wakes the next.
pub(crate) const PUT_CHAINS: bool = !cfg!(ipc_planted = "put_no_chain");

/// Whether a slot is looked at again after its owner was seen dead.
pub(crate) const LOOKS_AGAIN: bool = !cfg!(ipc_planted = "judges_early");

/// Whether the next chunk is taken for free.
pub(crate) const CHUNK_UNSEEN: bool = cfg!(ipc_planted = "chunk_unseen");

/// Whether any claim of a chunk's last slot counts as that of a getter.
pub(crate) const HOLES_ARE_TAKEN: bool = cfg!(ipc_planted = "chunk_holes_are_taken");

/// Whether the head is looked at after the chunks.
pub(crate) const HEAD_LATE: bool = cfg!(ipc_planted = "chunk_head_late");

/// Whether who waits for a chunk sleeps on the tail's slot.
pub(crate) const WAITS_AT_TAIL: bool = cfg!(ipc_planted = "chunk_waits_at_tail");

/// Whether slots are counted before they have memory.
pub(crate) const GROWS_EARLY: bool = cfg!(ipc_planted = "grows_early");

/// Whether who frees a block tells those who wait.
pub(crate) const FREE_TELLS: bool = !cfg!(ipc_planted = "heap_tells_nobody");

/// Whether who waits for memory sleeps on life words.
pub(crate) const HEAP_WATCHES: bool = !cfg!(ipc_planted = "heap_no_watch");

/// Whether the sum is counted anew after a death.
pub(crate) const RECOUNTS: bool = !cfg!(ipc_planted = "heap_no_recount");

/// Whether a dead owner's block keeps its memory.
pub(crate) const KEEPS_PROMISE: bool = cfg!(ipc_planted = "heap_keeps_promise");

/// Whether who finds no memory sweeps.
pub(crate) const SWEEPS: bool = !cfg!(ipc_planted = "heap_no_sweep");

/// Whether a large message is put before its block is handed over.
pub(crate) const COMMITS_FIRST: bool = cfg!(ipc_planted = "heap_commits_first");

/// Whether all owners of blocks are taken for dead.
pub(crate) const SEIZES_ANY: bool = cfg!(ipc_planted = "heap_seizes_any");

/// Whether a lost message keeps its block.
pub(crate) const QUEUED_STAYS: bool = cfg!(ipc_planted = "heap_queued_stays");

/// Whether a seat is given on without the dead one's blocks.
pub(crate) const BURIES_BLOCKS: bool = !cfg!(ipc_planted = "heap_no_burial");

/// Whether a seat is given on without the dead one's claims.
pub(crate) const BURIES: bool = !cfg!(ipc_planted = "seat_no_burial");

/// Whether what is dropped stays lent.
pub(crate) const LOAN_STAYS: bool = cfg!(ipc_planted = "loan_stays");

/// Whether a loan that was put is given back.
pub(crate) const GIVES_TWICE: bool = cfg!(ipc_planted = "loan_given_twice");

/// Whether who leaves counts a departure.
pub(crate) const LEAVE_COUNTS: bool = !cfg!(ipc_planted = "leave_uncounted");

/// Whether who leaves calls the others.
pub(crate) const LEAVE_CALLS: bool = !cfg!(ipc_planted = "leave_no_call");

/// Whether who leaves has the alarm pending.
pub(crate) const LEAVE_PENDS: bool = !cfg!(ipc_planted = "leave_no_pend");

/// Whether who leaves tells before it has left.
pub(crate) const TELLS_FIRST: bool = cfg!(ipc_planted = "leave_tells_first");
