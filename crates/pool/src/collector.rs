//! What a collector does, whoever it is: one who waits for a result, one who looks, or the clerk.
//!
//! [`lead`](crate::lead) says who collects. The engine's reports are collected in here, and those of
//! `tests/model`, which so proves the code that runs.

use std::sync::Arc;

use ipc_core::Deadline;

use crate::lead::Lead;
use crate::mailbox::{Mailbox, Waited};
use crate::planted::round::TRUSTS_IDLE;

/// Reports, and what they mean to those who collect them.
pub(crate) trait Reports {
    /// One report.
    type Report;

    fn lead(&self) -> &Lead;

    /// Takes the next report, waiting for it.
    fn get(&self, deadline: Deadline) -> Result<Self::Report, Missed>;

    fn try_get(&self) -> Result<Self::Report, Missed>;

    /// How many there can be at a time, where those that are handled together count as one.
    fn capacity(&self) -> usize;

    /// Whether none will be put any more.
    fn is_closed(&self) -> bool;

    /// Does what a report calls for.
    fn handle(&self, report: Self::Report);

    /// Takes note that no report comes any more, whatever was expected.
    fn closed(&self);

    /// Takes note that reports cannot be had any more: nothing stays due at any mailbox.
    fn broken(&self, reason: String);

    /// Whether tasks wait until somebody has room for them.
    fn has_backlog(&self) -> bool;

    /// Whether there are no tasks.
    fn is_idle(&self) -> bool;

    /// Has whoever collects tell a mailbox when there are no tasks, also if there are none by now.
    fn tell_when_idle(&self, mailbox: &Arc<Mailbox>);
}

/// Why there is no report.
#[derive(Debug)]
pub(crate) enum Missed {
    /// There is none now, or was none until the deadline.
    Empty,
    /// The calling thread has no seat where reports are taken.
    NoSeat,
    /// All have been taken.
    Closed,
    /// Something else is wrong, which this says.
    Broken(String),
}

/// The calling thread has no seat, so it cannot collect.
#[derive(Debug)]
struct Unable;

/// Waits for a result at a mailbox, collecting for everybody if nobody else does.
pub(crate) fn wait(reports: &impl Reports, mailbox: &Arc<Mailbox>, deadline: Deadline) -> Waited {
    match mailbox.take() {
        Waited::TimedOut => {}
        waited => return waited,
    }
    let lead = reports.lead();
    if !lead.take_or_wait(mailbox) {
        match mailbox.wait(deadline) {
            Waited::Promoted => {}
            waited => {
                if lead.withdraw(mailbox) {
                    hand_over(reports);
                }
                return waited;
            }
        }
    }
    match collect_until(reports, mailbox, deadline) {
        Ok(waited) => {
            hand_over(reports);
            waited
        }
        Err(Unable) => wait_unable(lead, mailbox, deadline),
    }
}

/// Waits until there are no tasks, and all results are where they are waited for; `false` if the deadline passes
/// first.
pub(crate) fn drain(reports: &impl Reports, deadline: Deadline) -> bool {
    // Who has taken the last result may be about to deliver it, as long as it collects.
    if reports.is_idle() && (TRUSTS_IDLE || !reports.lead().is_taken()) {
        return true;
    }
    let mailbox = Arc::<Mailbox>::default();
    mailbox.expect(1);
    reports.tell_when_idle(&mailbox);
    !matches!(wait(reports, &mailbox, deadline), Waited::TimedOut)
}

/// Collects what is there, if nobody else does.
pub(crate) fn poll(reports: &impl Reports) {
    if reports.lead().try_take() {
        match collect_all(reports) {
            Ok(()) => hand_over(reports),
            Err(Unable) => reports.lead().leave_to_clerk(),
        }
    }
}

/// The clerk's life: collects when it is called.
pub(crate) fn be_clerk(reports: &impl Reports) {
    while let Waited::Promoted = reports.lead().clerk().wait(Deadline::NEVER) {
        while collect_all(reports).is_ok() && must_clerk_go_on(reports) {
            match reports.get(Deadline::NEVER) {
                Ok(report) => reports.handle(report),
                Err(Missed::Closed) => {
                    reports.closed();
                    break;
                }
                Err(Missed::Broken(reason)) => reports.broken(reason),
                // It has a seat: it has just looked.
                Err(Missed::Empty | Missed::NoSeat) => {}
            }
        }
        hand_over(reports);
    }
}

fn must_clerk_go_on(reports: &impl Reports) -> bool {
    !reports.is_closed() && reports.lead().needs_clerk(|| !reports.is_idle())
}

/// Stops collecting for everybody.
fn hand_over(reports: &impl Reports) {
    reports.lead().hand_over(|| reports.has_backlog());
}

/// Waits, as one who is the collector and cannot be it: the clerk is, as long as we wait.
fn wait_unable(lead: &Lead, mailbox: &Mailbox, deadline: Deadline) -> Waited {
    lead.begin_unable();
    let waited = loop {
        lead.leave_to_clerk();
        match mailbox.wait(deadline) {
            // Meant for somebody else who waits here, and can collect.
            Waited::Promoted => {}
            waited => break waited,
        }
    };
    lead.end_unable();
    waited
}

/// Collects until something has arrived in a mailbox.
fn collect_until(
    reports: &impl Reports,
    mailbox: &Mailbox,
    deadline: Deadline,
) -> Result<Waited, Unable> {
    loop {
        match mailbox.take() {
            Waited::TimedOut => {}
            waited => return Ok(waited),
        }
        match reports.get(deadline) {
            Ok(report) => {
                reports.handle(report);
                // The rest, while we are at it.
                collect_all(reports)?;
            }
            Err(Missed::Empty) => return Ok(mailbox.take()),
            Err(Missed::NoSeat) => return Err(Unable),
            // The pool is over, so that whatever will arrive has arrived.
            Err(Missed::Closed) => {
                reports.closed();
                return Ok(match mailbox.take() {
                    Waited::TimedOut => Waited::NothingDue,
                    waited => waited,
                });
            }
            Err(Missed::Broken(reason)) => reports.broken(reason),
        }
    }
}

/// Collects what is there: no more than comes while we do.
fn collect_all(reports: &impl Reports) -> Result<(), Unable> {
    for _ in 0..reports.capacity() {
        match reports.try_get() {
            Ok(report) => reports.handle(report),
            Err(Missed::NoSeat) => return Err(Unable),
            // What else is wrong is found by whoever waits.
            Err(_) => break,
        }
    }
    Ok(())
}
