//! P29: a number and an array that a child changes.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;
use multiproc::{Array, Value};

fn change((number, array): (Value<i32>, Array<f64>)) -> bool {
    let is_added = number.update(|number| number + 1).is_ok();
    let doubled = array.write().map(|mut values| values.iter_mut().for_each(|value| *value *= 2.0));
    is_added && doubled.is_ok()
}

fn main() -> multiproc::Result<()> {
    let number = Value::new(0)?;
    let array = Array::from_slice(&[1.0, 2.0, 3.0])?;
    let process = Process::spawn(change, (number.clone(), array.clone()))?;
    if !process.join()? {
        return Err("the child could not change them".into());
    }
    println!("{}", number.get()?);
    println!("{:?}", array.read()?);
    Ok(())
}
