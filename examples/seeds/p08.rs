//! P8: other programs are called, and how they ended is told.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::{ExitStatus, Program, ProgramError};

fn main() -> multiproc::Result<()> {
    println!("$ echo www.python.org");
    let status = Program::new("echo").arg("www.python.org").call()?;
    println!("Exit code: {}", status.code().unwrap_or(-1));

    for script in ["exit 3", "kill -9 $$"] {
        println!("$ {script}");
        match Program::new("sh").args(["-c", script]).call()? {
            ExitStatus::Exited(code) => println!("Exit code: {code}"),
            status => println!("It was {status}"),
        }
    }
    println!("$ no-such-tool");
    match Program::new("no-such-tool").call() {
        Err(error @ ProgramError::NotFound(_)) => println!("{error}"),
        other => println!("{other:?}"),
    }
    Ok(())
}
