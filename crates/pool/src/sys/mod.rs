//! The system calls of this crate.

mod linux;
mod sheet;

pub(crate) use linux::{
    Bell, OwnMemory, file_in_memory, map_whole, nap, poll, read_whole, resident_memory,
    ring_on_interrupt, shrug_off_interrupts, usable_cpus, with_signals_blocked,
};
pub(crate) use sheet::{Sheet, SheetView, append_copy, blank_sheet, copy_out};
