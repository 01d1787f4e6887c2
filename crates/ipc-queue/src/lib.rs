//! Work between many processes.

mod ring;
