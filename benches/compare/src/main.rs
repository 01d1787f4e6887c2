//! Measures multiproc beside its rivals and CPython, in one run, under the same names.
//!
//! `compare SUBJECT [--quick] [--only WORD]` prints a row of JSON a line on the standard output, and
//! everything else on the standard error. `cargo xtask bench SUBJECT` draws a table of the rows.
//!
//! Every single measurement is made in a fresh process of this program (`rounds`), so that no peer
//! finds what another has left behind. What is measured is in `subjects`, and says nothing of any
//! peer but its name; how a peer does it is in `peers`, a file each.

mod bench;
mod board;
mod cores;
mod crew;
mod flags;
mod peers;
mod rounds;
mod row;
mod subjects;
mod timing;

use std::process::ExitCode;

use crate::flags::Flags;

/// Why something could not be measured.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T = ()> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    // If this process was started by procspawn, it ends in here.
    procspawn::init();
    let outcome = match Flags::parse(std::env::args().skip(1)) {
        Ok(Flags::Nothing) => Ok(()),
        Ok(Flags::Subject { subject, effort, only }) => {
            rounds::run(subject, effort, only.as_deref())
        }
        Ok(Flags::Measure { bench, peer, effort }) => rounds::measure_here(&bench, &peer, effort),
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}
