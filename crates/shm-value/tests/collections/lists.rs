//! Lists, and what Python 3.11 said to the same.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::{ProcessId, Segment, wire};
use shm_value::{AccessError, ChangeError, Item, ShareableList};
use testkit::{Counter, Outcome, SharedArena};

use crate::together::{finish, in_child, passed, start};

fn items(list: &ShareableList) -> Vec<Item> {
    list.iter().collect::<Result<_, _>>().unwrap()
}

/// `ShareableList(['howdy', b'HoWdY', -273.154, 100, None, True, 42])`
fn howdy() -> [Item; 7] {
    let bytes = Item::from(&b"HoWdY"[..]);
    ["howdy".into(), bytes, (-273.154).into(), 100.into(), Item::None, true.into(), 42.into()]
}

pub(crate) fn pythons_answers() -> Outcome {
    let list = ShareableList::new(howdy())?;
    assert_eq!(list.format()?, "8s8sdqxxxxxx?xxxxxxxx?q");
    assert_eq!((list.len(), items(&list)), (7, howdy().to_vec()));
    assert_eq!((list.index(&100.into())?, list.index(&"no".into())?), (Some(3), None));
    assert_eq!((list.count(&42.into())?, list.count(&Item::Bytes(b"adios".to_vec()))?), (1, 0));
    assert_eq!(list.count(&Item::Bytes(b"HoWdY".to_vec()))?, 1);

    list.set(3, 42)?;
    list.set(4, "some")?;
    assert_eq!((list.format()?.as_str(), list.count(&42.into())?), ("8s8sdq8sxxxxxxx?q", 2));
    let too_large = |len| Err(ChangeError::TooLarge { len, capacity: 8 });
    assert_eq!(list.set(4, "far too many"), too_large(12));
    assert_eq!(list.get(4)?, "some".into());
    list.set(0, "encodés")?;
    assert_eq!(list.get(0)?, "encodés".into());
    assert_eq!(list.set(0, "encodées"), too_large(9));
    assert_eq!(list.set(1, &b"123456789"[..]), too_large(9));
    list.set(1, &b"12345678"[..])?;
    assert_eq!(list.get(1)?, Item::Bytes(b"12345678".to_vec()));
    assert_eq!(list.get(7), Err(ChangeError::OutOfBounds { idx: 7, len: 7 }));
    assert!(ShareableList::new([])?.is_empty());
    passed()
}

pub(crate) fn zeros_at_the_end_stay() -> Outcome {
    // Python: ['', b'', 'xxxxxxxx', b'ab'], and the same format.
    let bytes = |bytes: &[u8]| Item::Bytes(bytes.to_vec());
    let all = ["".into(), bytes(b""), "xxxxxxxx".into(), bytes(b"ab\0\0")];
    let list = ShareableList::new(all.clone())?;
    assert_eq!((list.format()?.as_str(), items(&list)), ("8s8s16s8s", all.to_vec()));
    list.set(2, "a\0")?;
    assert_eq!((list.get(2)?, list.format()?.as_str()), ("a\0".into(), "8s8s16s8s"));
    passed()
}

pub(crate) fn what_one_sets_another_gets() -> Outcome {
    let list = ShareableList::new(howdy())?;
    in_child(|| {
        items(&list) == howdy()
            && list.set(6, Item::None).is_ok()
            && list.set(2, "text").is_ok()
            && list.set(0, i64::MIN).is_ok()
    });
    let [_, second, _, fourth, fifth, sixth, _] = howdy();
    let expected = [i64::MIN.into(), second, "text".into(), fourth, fifth, sixth, Item::None];
    assert_eq!(items(&list), expected);
    passed()
}

pub(crate) fn items_are_whole() -> Outcome {
    let list = ShareableList::new([Item::from("x".repeat(100))])?;
    let stop = SharedArena::<Counter>::new(1);
    let choices = [Item::from("a".repeat(100)), Item::from(vec![b'b'; 50]), 7.into(), Item::None];
    let writer = start(|| {
        while stop[0].get() == 0 {
            for item in &choices {
                list.set(0, item.clone()).unwrap();
            }
        }
        true
    });
    let mut seen = [0_u32; 4];
    while seen.iter().any(|n| *n < 20) {
        let item = list.get(0)?;
        match choices.iter().position(|choice| *choice == item) {
            Some(which) => seen[which] += 1,
            None => assert_eq!(item, "x".repeat(100).into()),
        }
    }
    stop[0].set(1);
    finish(writer);
    passed()
}

pub(crate) fn lengths_that_lie_are_not_believed() -> Outcome {
    let list = ShareableList::new(["text".into(), true.into()])?;
    // The words behind the lock: how many, two capacities, and the cell of the first: a count, and
    // twice a header and a word.
    let words: &[AtomicU64] = list.segment().slice_at(64, 8)?;
    let header = words[6].load(Relaxed);
    for lie in [9 << 8 | 4, u64::MAX, 4 << 8 | 9, 4 << 8 | 2, 1 << 8] {
        words[6].store(lie, Relaxed);
        assert_eq!(list.get(0), Err(AccessError::Corrupt.into()), "{lie:#x}");
    }
    words[6].store(header, Relaxed);
    words[7].store(0xff, Relaxed);
    assert_eq!(list.get(0), Err(AccessError::Corrupt.into()), "no text");
    // Who opens it finds that it does not come out even.
    for (word, lie) in [(0, 3), (0, u64::MAX), (1, 16), (1, u64::MAX), (2, 0)] {
        let honest = words[word].load(Relaxed);
        words[word].store(lie, Relaxed);
        assert!(wire::decode::<ShareableList>(wire::encode(list.segment())?).is_err());
        words[word].store(honest, Relaxed);
    }
    assert!(wire::decode::<ShareableList>(wire::encode(list.segment())?).is_ok());
    passed()
}

pub(crate) fn it_travels_and_has_names() -> Outcome {
    let list = ShareableList::new(howdy())?;
    let received: ShareableList = wire::decode(wire::encode(&list)?)?;
    received.set(5, false)?;
    assert_eq!(list.get(5)?, false.into());
    let name = format!("shm-list-{}", ProcessId::current()?.pid());
    let named = ShareableList::create_named(&name, howdy())?;
    in_child(|| ShareableList::open_named(&name).is_ok_and(|list| list.set(0, 1).is_ok()));
    assert_eq!(named.get(0)?, 1.into());
    Segment::unlink(&name)?;
    passed()
}
