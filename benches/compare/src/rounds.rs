//! All rounds of all benches of a subject, each measurement in a process of its own.
//!
//! The rounds of the peers are interleaved (A B C A B C …), so that what else the machine does, or
//! how warm it is, meets all of them alike.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, alarm, getppid};

use crate::Result;
use crate::bench::Bench;
use crate::flags::Effort;
use crate::row::Row;
use crate::subjects::{self, Subject};

/// The peer that is us: the only one that must not fail.
pub(crate) const OURS: &str = "multiproc";

/// A measurement that has not ended after so many seconds is ended, and has failed.
const LIMIT_SECONDS: u32 = 60;

/// Measures a subject and prints its rows.
pub(crate) fn run(subject: Subject, effort: Effort, only: Option<&str>) -> Result {
    let mut ours_failed = vec![];
    for mut bench in subject.benches() {
        if let Some(word) = only.filter(|word| !bench.name.contains(word)) {
            bench.peers.retain(|peer| peer.name == word);
        }
        let figures = interleave(&bench, effort);
        for (peer, figures) in bench.peers.iter().zip(figures) {
            match figures.and_then(|figures| {
                Row::of(&bench.name, peer.name, bench.metric, &figures)
                    .ok_or_else(|| "there were no rounds".into())
            }) {
                Ok(row) => println!("{}", serde_json::to_string(&row)?),
                Err(failure) => {
                    eprintln!("{}: left out: {}: {failure}", bench.name, peer.name);
                    if peer.name == OURS {
                        ours_failed.push(bench.name.clone());
                    }
                }
            }
        }
    }
    if ours_failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{OURS} failed at {}", ours_failed.join(", ")).into())
    }
}

/// The figures of each peer, or why it has none: who fails once is not asked again.
fn interleave(bench: &Bench, effort: Effort) -> Vec<Result<Vec<f64>>> {
    let mut figures: Vec<Result<Vec<f64>>> = bench.peers.iter().map(|_| Ok(vec![])).collect();
    for _ in 0..effort.rounds {
        for (peer, figures) in bench.peers.iter().zip(&mut figures) {
            let Ok(so_far) = figures else { continue };
            match measure_apart(&bench.name, peer.name, effort) {
                Ok(figure) => so_far.push(figure),
                Err(failure) => *figures = Err(failure),
            }
        }
    }
    figures
}

/// Makes one measurement in a fresh process of this program.
fn measure_apart(bench: &str, peer: &str, effort: Effort) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["measure", bench, peer]);
    if effort.is_quick() {
        command.arg("--quick");
    }
    // A group of its own, so that whatever a peer leaves behind can be ended.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    end_with_all_it_started(&child)?;
    let mut said = String::new();
    if let Some(stdout) = &mut child.stdout {
        stdout.read_to_string(&mut said)?;
    }
    let status = child.wait()?;
    if !status.success() {
        return Err(format!("the measurement ended with {status}").into());
    }
    let figure: f64 = said.trim().parse().map_err(|_| format!("said no figure but {said:?}"))?;
    if figure.is_finite() && figure > 0.0 {
        Ok(figure)
    } else {
        Err(format!("{figure} is no figure").into())
    }
}

/// Waits for the end of a process, then kills what is left of its group.
fn end_with_all_it_started(child: &Child) -> Result {
    let leader = Pid::from_raw(i32::try_from(child.id())?);
    // It is not reaped yet, so that its number cannot be another's.
    waitid(Id::Pid(leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)?;
    killpg(leader, Signal::SIGKILL)?;
    Ok(())
}

/// Makes one measurement in this process and prints the figure.
pub(crate) fn measure_here(bench: &str, peer: &str, effort: Effort) -> Result {
    die_with_parent()?;
    alarm::set(LIMIT_SECONDS);
    let found = subjects::benches().find(|candidate| candidate.name == bench);
    let found = found.ok_or_else(|| format!("there is no bench {bench}"))?;
    let peer = found.peers.into_iter().find(|candidate| candidate.name == peer);
    let peer = peer.ok_or_else(|| format!("{bench} has no such peer"))?;
    println!("{}", (peer.measure)(effort)?);
    Ok(())
}

/// Has this process killed when the one that started it ends.
pub(crate) fn die_with_parent() -> Result {
    let parent = getppid();
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if parent == getppid() { Ok(()) } else { Err("the parent has ended".into()) }
}
