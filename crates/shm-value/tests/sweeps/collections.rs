//! The scenarios on lists, vectors and maps: each change is there or not, and the next can be made.

use shm_value::{Item, ShareableList, ShmMap, ShmVec};
use testkit::Outcome;
use testkit::kill::{KillPoint, Sweep};

use super::{expect, run};

struct State {
    list: ShareableList,
    vec: ShmVec<[u64; 3]>,
    map: ShmMap<u64, [u64; 3]>,
}

fn state() -> State {
    let state = State {
        list: ShareableList::new([Item::from("old text"), Item::None]).unwrap(),
        vec: ShmVec::with_capacity(4).unwrap(),
        map: ShmMap::with_capacity(3).unwrap(),
    };
    for n in 0..3 {
        state.vec.push([n; 3]).unwrap();
        state.map.insert(n, [n; 3]).unwrap();
    }
    state
}

/// Goes through the code once, so that the sweep sees the change alone.
fn warm_up() {
    let other = state();
    other.list.set(0, "new text").unwrap();
    other.vec.update(0, |item| item).unwrap();
    other.vec.pop().unwrap();
    other.map.remove(1).unwrap();
    other.map.clear().unwrap();
}

/// That what is there is one of two things; the second if nobody died.
fn either<T: PartialEq + std::fmt::Debug>(
    point: &KillPoint,
    found: &T,
    old: &T,
    new: &T,
) -> Result<(), String> {
    let is_right = found == new || found == old && *point != KillPoint::Survived;
    expect(is_right, || format!("{found:?} is neither {old:?} nor {new:?}"))
}

pub(super) fn set_an_item() -> Outcome {
    run(Sweep::new("set an item", state)
        .victim(|state, marks| {
            warm_up();
            let text = Item::from("new text");
            marks.around(|| state.list.set(0, text)).unwrap();
        })
        .check(|state, point| {
            let found = state.list.get(0).map_err(|error| error.to_string())?;
            either(point, &found, &"old text".into(), &"new text".into())?;
            state.list.set(0, 7).map_err(|error| error.to_string())?;
            expect(state.list.get(0) == Ok(7.into()), || "not set".to_owned())?;
            expect(state.list.get(1) == Ok(Item::None), || "another changed".to_owned())
        }))
}

fn sweep_vec(name: &str, change: fn(&ShmVec<[u64; 3]>), new: &'static [[u64; 3]]) -> Outcome {
    run(Sweep::new(name, state)
        .victim(move |state, marks| {
            warm_up();
            marks.around(|| change(&state.vec));
        })
        .check(move |state, point| {
            let found = state.vec.to_vec().map_err(|error| error.to_string())?;
            either(point, &found.as_slice(), &&[[0; 3], [1; 3], [2; 3]][..], &new)?;
            let seen: Result<Vec<_>, _> = state.vec.iter().collect();
            expect(seen.as_ref() == Ok(&found), || format!("{found:?} is seen as {seen:?}"))?;
            state.vec.truncate(2).map_err(|error| error.to_string())?;
            state.vec.push([9; 3]).map_err(|error| error.to_string())?;
            expect(state.vec.get(2) == Ok(Some([9; 3])), || "not pushed".to_owned())
        }))
}

pub(super) fn push() -> Outcome {
    sweep_vec("push", |vec| vec.push([3; 3]).unwrap(), &[[0; 3], [1; 3], [2; 3], [3; 3]])
}

pub(super) fn pop() -> Outcome {
    sweep_vec("pop", |vec| assert!(vec.pop().unwrap().is_some()), &[[0; 3], [1; 3]])
}

pub(super) fn update_an_item() -> Outcome {
    let change = |vec: &ShmVec<_>| assert!(vec.update(1, |_| [8; 3]).is_ok());
    sweep_vec("update an item", change, &[[0; 3], [8; 3], [2; 3]])
}

fn sweep_map(name: &str, change: fn(&ShmMap<u64, [u64; 3]>), new: &'static [u64]) -> Outcome {
    run(Sweep::new(name, state)
        .victim(move |state, marks| {
            warm_up();
            marks.around(|| change(&state.map));
        })
        .check(move |state, point| {
            let map = &state.map;
            let say = |error: shm_value::AccessError| error.to_string();
            let len = map.len().map_err(say)?;
            let mut keys = vec![];
            for entry in map.iter() {
                let (key, value) = entry.map_err(say)?;
                expect(map.get(key) == Ok(Some(value)), || format!("{key} is not found"))?;
                keys.push(key);
            }
            keys.sort_unstable();
            either(point, &keys.as_slice(), &&[0, 1, 2][..], &new)?;
            expect(len == keys.len(), || format!("{len} of {keys:?}"))?;
            for key in 0..5 {
                map.insert(key, [key; 3]).map_err(|error| error.to_string())?;
            }
            expect(map.len() == Ok(5), || "not inserted".to_owned())
        }))
}

pub(super) fn insert() -> Outcome {
    sweep_map("insert", |map| assert!(map.insert(3, [3; 3]).is_ok()), &[0, 1, 2, 3])
}

pub(super) fn remove() -> Outcome {
    sweep_map("remove", |map| assert!(map.remove(1).is_ok()), &[0, 2])
}

/// A map that is cleared loses one key after the other.
pub(super) fn clear() -> Outcome {
    run(Sweep::new("clear", state)
        .victim(|state, marks| {
            warm_up();
            marks.around(|| state.map.clear()).unwrap();
        })
        .check(|state, point| {
            let map = &state.map;
            let keys: Vec<_> = map.iter().flatten().map(|(key, _)| key).collect();
            expect(map.len() == Ok(keys.len()), || format!("{:?} of {keys:?}", map.len()))?;
            let found = |key: &u64| map.get(*key) == Ok(Some([*key; 3]));
            expect(keys.iter().all(found), || format!("not all of {keys:?} are found"))?;
            expect(keys.is_empty() || *point != KillPoint::Survived, || format!("{keys:?}"))?;
            map.insert(7, [7; 3]).map_err(|error| error.to_string())?;
            expect(map.get(7) == Ok(Some([7; 3])), || "not inserted".to_owned())
        }))
}
