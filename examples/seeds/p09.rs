//! P9: another program is given something to read, and what it writes is read.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::Program;

fn main() -> multiproc::Result<()> {
    println!("$ cat");
    let output = Program::new("cat").communicate(b"set q=mx\npython.org\nexit\n", None)?;
    print!("{}", String::from_utf8(output.stdout)?);
    println!("Exit code: {}", output.status.code().unwrap_or(-1));
    Ok(())
}
