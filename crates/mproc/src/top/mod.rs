//! `mproc top`: processes and objects, looked at again and again.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | the terminal, and the time |
//! | `screen` | what is shown, and what keys do |
//! | `draw` | how it is shown |

mod draw;
mod screen;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, try_init, try_restore};
use serde::Serialize;

use crate::Verdict;
use crate::failure::{Failure, Result};
use crate::flags;
use crate::signals::Stoppers;
use crate::{ls, ps};
use screen::{Screen, Wish};

/// How soon a signal is heard at the latest.
const HEARD: Duration = Duration::from_millis(100);

/// What was found at one moment.
#[derive(Debug, Serialize)]
struct Snapshot {
    /// The version of this form.
    schema: u32,
    processes: Vec<ps::Node>,
    objects: Vec<ls::Object>,
}

/// Shows what is there until somebody has seen enough.
pub(crate) fn run(flags: &flags::Top, json: bool) -> Result<Verdict> {
    if json {
        return print(flags);
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::NoTerminal);
    }
    let stoppers = Stoppers::hear().map_err(Failure::system("hear signals"))?;
    // It also sees to it that a panic restores the terminal, before it is told of.
    let mut terminal = try_init().map_err(Failure::Terminal)?;
    let shown = show(&mut terminal, flags, &stoppers);
    try_restore().map_err(Failure::Terminal)?;
    shown
}

/// Looks at all that there is.
fn look() -> Result<Snapshot> {
    let (processes, objects) = (ps::list()?.processes, ls::list(None)?.objects);
    Ok(Snapshot { schema: 1, processes, objects })
}

/// Whether it was looked at often enough.
fn is_enough(flags: &flags::Top, n_looks: u64) -> bool {
    flags.count.is_some_and(|count| n_looks >= count)
}

fn show(
    terminal: &mut DefaultTerminal,
    flags: &flags::Top,
    stoppers: &Stoppers,
) -> Result<Verdict> {
    let mut screen = Screen::new(look()?);
    let mut n_looks = 1;
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| draw::draw(&mut screen, frame)).map_err(Failure::Terminal)?;
        let left = flags.interval.saturating_sub(looked.elapsed());
        if event::poll(left.min(HEARD)).map_err(Failure::Terminal)? {
            match event::read().map_err(Failure::Terminal)? {
                Event::Key(key) if screen.press(key) == Wish::Leave => return Ok(Verdict::Well),
                _ => {}
            }
        }
        if let Some(signal) = stoppers.next().map_err(Failure::system("read a signal"))? {
            return Ok(Verdict::Interrupted(signal));
        }
        if looked.elapsed() >= flags.interval {
            if is_enough(flags, n_looks) {
                return Ok(Verdict::Well);
            }
            screen.update(look()?);
            n_looks += 1;
            looked = Instant::now();
        }
    }
}

/// Prints a row for each look.
fn print(flags: &flags::Top) -> Result<Verdict> {
    let stoppers = Stoppers::hear().map_err(Failure::system("hear signals"))?;
    let mut out = io::stdout().lock();
    for n_looks in 1_u64.. {
        serde_json::to_writer(&mut out, &look()?)?;
        writeln!(out)?;
        out.flush()?;
        if is_enough(flags, n_looks) {
            break;
        }
        let mut ready = [rustix::event::PollFd::new(&stoppers, rustix::event::PollFlags::IN)];
        let interval = flags.interval.try_into().ok();
        rustix::event::poll(&mut ready, interval.as_ref())
            .map_err(Failure::system("wait for the time"))?;
        if let Some(signal) = stoppers.next().map_err(Failure::system("read a signal"))? {
            return Ok(Verdict::Interrupted(signal));
        }
    }
    Ok(Verdict::Well)
}
