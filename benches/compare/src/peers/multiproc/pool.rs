//! `Pool`.

use crate::Result;
use crate::subjects::pool::{Pooling, Value};

pub(crate) struct OurPool;

impl Pooling for OurPool {
    fn new(_: usize) -> Result<Self> {
        Err("there is no pool yet".into())
    }

    fn map<A: Value, R: Value>(&self, _: fn(A) -> R, _: Vec<A>) -> Result<Vec<R>> {
        Err("there is no pool yet".into())
    }

    fn map1<A: Value, R: Value>(&self, _: fn(A) -> R, _: Vec<A>) -> Result<Vec<R>> {
        Err("there is no pool yet".into())
    }

    fn submit<A: Value, R: Value>(&self, _: fn(A) -> R, _: Vec<A>) -> Result<Vec<R>> {
        Err("there is no pool yet".into())
    }

    fn call<A: Value, R: Value>(&self, _: fn(A) -> R, _: A) -> Result<R> {
        Err("there is no pool yet".into())
    }
}
