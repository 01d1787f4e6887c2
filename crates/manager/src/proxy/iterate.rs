//! Containers in loops: `for entry in &dict`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Dict, DictIter, List, ListIter, Set};
use crate::error::Error;

/// All items of a [`Set`]; from [`Set::iter`].
#[derive(Debug)]
pub struct SetIter<T>(pub(super) DictIter<T, ()>);

impl<T: Serialize + DeserializeOwned> Iterator for SetIter<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|entry| entry.map(|(item, ())| item))
    }
}

impl<K, V> IntoIterator for &Dict<K, V>
where
    K: Serialize + DeserializeOwned,
    V: Serialize + DeserializeOwned,
{
    type Item = Result<(K, V), Error>;
    type IntoIter = DictIter<K, V>;

    fn into_iter(self) -> DictIter<K, V> {
        self.iter()
    }
}

impl<T: Serialize + DeserializeOwned> IntoIterator for &List<T> {
    type Item = Result<T, Error>;
    type IntoIter = ListIter<T>;

    fn into_iter(self) -> ListIter<T> {
        self.iter()
    }
}

impl<T: Serialize + DeserializeOwned> IntoIterator for &Set<T> {
    type Item = Result<T, Error>;
    type IntoIter = SetIter<T>;

    fn into_iter(self) -> SetIter<T> {
        self.iter()
    }
}
