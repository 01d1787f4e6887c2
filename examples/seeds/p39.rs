//! P39: what can be shared: a value, an array, a list, and what takes the place of a manager's dict.
#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

use multiproc::prelude::*;
use multiproc::{Array, Item, ShareableList, ShmMap, ShmVec, Value};

/// All of it, as one argument.
type Shared = (Value<i32>, Array<i32>, ShmMap<u32, f64>, ShmVec<u32>, ShareableList);

fn change((value, array, map, vec, list): Shared) -> Result<(), String> {
    value.set(10).map_err(|error| error.to_string())?;
    array.set(0, 11).map_err(|error| error.to_string())?;
    map.insert(1, 0.5).map_err(|error| error.to_string())?;
    vec.push(12).map_err(|error| error.to_string())?;
    list.set(1, "text").map_err(|error| error.to_string())
}

fn main() -> multiproc::Result<()> {
    let value = Value::new(0)?;
    let array = Array::zeroed(3)?;
    let map = ShmMap::with_capacity(10)?;
    let vec = ShmVec::with_capacity(10)?;
    let list = ShareableList::new([Item::from("first"), Item::None])?;
    let shared = (value.clone(), array.clone(), map.clone(), vec.clone(), list.clone());
    Process::spawn(change, shared)?.join()??;
    println!("value: {}", value.get()?);
    println!("array: {:?}", array.to_vec()?);
    println!("map: {map:?}");
    println!("vec: {:?}", vec.to_vec()?);
    println!("list: {:?}", list.iter().collect::<Result<Vec<_>, _>>()?);
    Ok(())
}
