//! Maps and vectors in a program that does not know their types.
#![cfg(not(ipc_loom))]
#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use shm_value::{AccessError, ByteMap, ByteVec, ChangeError, ShmMap, ShmVec};

type Typed = ShmMap<[u8; 3], u64>;

fn map() -> (ByteMap, Typed) {
    let bytes = ByteMap::with_capacity(10, 3, 8, Typed::type_hash()).unwrap();
    let typed = Typed::open(bytes.segment()).unwrap();
    (bytes, typed)
}

fn vector() -> (ByteVec, ShmVec<u64>) {
    let bytes = ByteVec::with_capacity(10, 8, ShmVec::<u64>::type_hash()).unwrap();
    let typed = ShmVec::open(bytes.segment()).unwrap();
    (bytes, typed)
}

#[test]
fn bytes_of_another_length_are_refused_and_change_nothing() {
    let (bytes, typed) = map();
    let refused = |len, expected| ChangeError::WrongLength { len, expected };
    assert_eq!(bytes.insert(b"four", &[0; 8]), Err(refused(4, 3)));
    assert_eq!(bytes.insert(b"key", &[0; 7]), Err(refused(7, 8)));
    assert_eq!(bytes.get(b""), Err(refused(0, 3)));
    assert_eq!(bytes.remove(b"longer"), Err(refused(6, 3)));
    assert!(typed.is_empty().unwrap() && bytes.is_empty().unwrap());

    let (bytes, typed) = vector();
    assert_eq!(bytes.push(&[vec![1; 8], vec![2; 9]]), Err(refused(9, 8)));
    assert!(typed.is_empty() && bytes.is_empty());
    typed.push(1).unwrap();
    assert_eq!(bytes.alter(0, |_| Some([0; 2])), Err(refused(2, 8)));
    assert_eq!(bytes.alter(1, |_| Some([0; 8])), Err(ChangeError::OutOfBounds { idx: 1, len: 1 }));
    assert_eq!(typed.to_vec().unwrap(), [1]);
}

#[test]
fn what_is_somebody_elses_turn_is_not_waited_for() {
    let (bytes, typed) = map();
    typed.insert(*b"key", 1).unwrap();
    typed
        .update(*b"key", |value| {
            // All keys of so small a map share one turn.
            std::thread::scope(|scope| {
                let elsewhere = scope.spawn(|| {
                    assert_eq!(bytes.get(b"key"), Ok(Some(1_u64.to_ne_bytes().to_vec())));
                    assert_eq!(bytes.insert(b"two", &[0; 8]), Err(AccessError::Busy.into()));
                    assert_eq!(bytes.clear(), Err(AccessError::Busy));
                });
                elsewhere.join().unwrap();
            });
            value + 1
        })
        .unwrap();
    assert_eq!((bytes.len(), typed.get(*b"key")), (Ok(1), Ok(Some(2))));

    let (bytes, typed) = vector();
    typed.push(1).unwrap();
    typed
        .update(0, |item| {
            std::thread::scope(|scope| {
                let elsewhere = scope.spawn(|| {
                    assert_eq!(bytes.get(0), Ok(Some(1_u64.to_ne_bytes().to_vec())));
                    assert_eq!(bytes.push(&[[0; 8]]), Err(AccessError::Busy.into()));
                    assert_eq!(bytes.pop(), Err(AccessError::Busy));
                });
                elsewhere.join().unwrap();
            });
            item + 1
        })
        .unwrap();
    assert_eq!(typed.to_vec().unwrap(), [2]);
}

#[test]
fn how_much_memory_they_take_is_known_before() {
    for capacity in [0, 1, 100, 1000] {
        let map = ByteMap::with_capacity(capacity, 3, 8, 0).unwrap();
        assert_eq!(map.segment().len(), ByteMap::n_bytes(capacity, 3, 8).unwrap());
        let vector = ByteVec::with_capacity(capacity, 9, 0).unwrap();
        assert_eq!(vector.segment().len(), ByteVec::n_bytes(capacity, 9));
    }
    assert!(ByteMap::n_bytes(usize::MAX, 1, 1).is_err());
    assert_eq!(ByteMap::n_bytes(1 << 40, usize::MAX, 8).unwrap(), usize::MAX);
    assert_eq!(ByteVec::n_bytes(usize::MAX, 1), usize::MAX);
    assert!(ByteMap::with_capacity(1 << 40, usize::MAX, 8, 0).is_err());
    assert!(ByteVec::with_capacity(usize::MAX, 1, 0).is_err());
}

#[test]
fn what_is_opened_must_be_of_the_types() {
    let (bytes, _) = map();
    assert!(ShmMap::<[u8; 3], i64>::open(bytes.segment()).is_err());
    assert!(ShmVec::<u64>::open(bytes.segment()).is_err());
    // Who lies about the types has lied about the sizes, and they are compared.
    let liar = ByteMap::with_capacity(10, 3, 80, Typed::type_hash()).unwrap();
    assert!(Typed::open(liar.segment()).is_err());
}
