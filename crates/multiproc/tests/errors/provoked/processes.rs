//! Processes and programs.

use std::time::Duration;

use multiproc::{Fork, Mutex, Process, Program, Start, fork, process};
use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use super::{Met, meets};
use crate::processes::panic_with_words;
use crate::shared::Stubborn;

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_starts(&mut met);
    of_ends(&mut met);
    of_programs(&mut met);
    // A copy is made of a process with one thread, and this one has more.
    met.extend(Process::spawn(of_copies, ()).unwrap().join().unwrap());
    met
}

/// Something that can be sent and not received.
pub(super) struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("it does not want to"))
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

fn of_starts(met: &mut Met) {
    meets!(met, Process::spawn(|_: Stubborn| (), Stubborn), process::StartError::Argument(_));
    let nameless = Process::builder().env("", "x").spawn(|()| (), ());
    meets!(met, nameless, process::StartError::Setup(_));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let copy = Process::builder().start(Start::Fork).spawn(|()| (), ());
            meets!(met, copy, process::StartError::Threads { .. });
        });
    });
}

fn of_copies((): ()) -> Met {
    let mut met = Met::new();
    let number = Mutex::new(1_u8).unwrap();
    let guard = number.lock().unwrap();
    let refused = fork().map(|fork| match fork {
        Fork::Parent(_) => (),
        Fork::Child => std::process::exit(1),
    });
    meets!(met, refused, process::StartError::Lends);
    drop(guard);
    met
}

fn of_ends(met: &mut Met) {
    let child = Process::spawn(|()| -> () { std::process::exit(3) }, ()).unwrap();
    meets!(met, child.join(), process::JoinError::Exited(3));
    let child = Process::spawn(|()| -> () { std::process::abort() }, ()).unwrap();
    meets!(met, child.join(), process::JoinError::Signaled { .. });
    let child = Process::spawn(panic_with_words, ()).unwrap();
    meets!(met, child.join(), process::JoinError::Panicked(_));
    let child = Process::spawn(|()| (), ()).unwrap();
    child.join().unwrap();
    meets!(met, child.join(), process::JoinError::Taken);
    let child = Process::spawn(|()| Stubborn, ()).unwrap();
    meets!(met, child.join(), process::JoinError::Unsendable(_));
    let child = Process::spawn(|()| OneWay, ()).unwrap();
    meets!(met, child.join(), process::JoinError::Decode(_));
}

fn of_programs(met: &mut Met) {
    let missing = Program::new("/opt/no-such-tool").call();
    meets!(met, missing, process::ProgramError::NotFound(_));
    meets!(met, Program::new("/").call(), process::ProgramError::NotExecutable(_));
    let nowhere = Program::new("true").current_dir("/no/such/folder").call();
    meets!(met, nowhere, process::ProgramError::Folder(_));
    let failed = Program::new("sh").args(["-c", "exit 2"]).check_output();
    meets!(met, failed, process::ProgramError::Failed(_));
    let slow = Program::new("sleep").arg("1000").communicate(b"", Some(Duration::ZERO));
    meets!(met, slow, process::ProgramError::TimedOut(_));
}
