//! Arrays without locks.

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire;
use shm_value::{ArrayError, RawArray};
use testkit::Outcome;

use crate::together::{finish, in_child, passed, start};

pub(crate) fn values_are_copied_in_and_out() -> Outcome {
    let bytes = RawArray::<u8>::zeroed(21)?;
    bytes.copy_in(3, b"hello, world")?;
    let mut found = [0; 14];
    bytes.copy_out(2, &mut found)?;
    assert_eq!(&found, b"\0hello, world\0");
    let triples = RawArray::from_slice(&[[1_u16, 2, 3], [4, 5, 6], [7, 8, 9]])?;
    triples.set(1, [40, 50, 60])?;
    let all: Vec<_> = triples.iter().collect::<Result<_, _>>()?;
    assert_eq!(all, [[1, 2, 3], [40, 50, 60], [7, 8, 9]]);
    let wide = RawArray::from_slice(&[[1_u64, 2], [3, 4]])?;
    assert_eq!((wide.get(1)?, wide.len()), ([3, 4], 2));
    in_child(|| wide.set(0, [5, 6]).is_ok());
    assert_eq!(wide.get(0)?, [5, 6]);
    for idx in [2, usize::MAX] {
        assert!(matches!(wide.get(idx), Err(ArrayError::OutOfBounds { .. })));
        assert!(matches!(wide.set(idx, [0; 2]), Err(ArrayError::OutOfBounds { .. })));
    }
    assert!(wide.copy_in(1, &[[0; 2]; 2]).is_err());
    assert!(wide.copy_out(1, &mut [[0; 2]; 2]).is_err());
    passed()
}

pub(crate) fn values_keep_to_their_bytes() -> Outcome {
    let bytes = RawArray::<u8>::zeroed(8)?;
    // All in one word.
    let writers: Vec<_> = (0..4)
        .map(|idx| {
            let bytes = &bytes;
            start(move || {
                (0..20_000_u32).all(|round| {
                    let value = round.to_le_bytes()[0];
                    bytes.set(idx, value).is_ok()
                        && bytes.get(idx).is_ok_and(|found| found == value)
                })
            })
        })
        .collect();
    writers.into_iter().for_each(finish);
    passed()
}

pub(crate) fn bytes_that_are_no_value_are_refused() -> Outcome {
    let flags = RawArray::from_slice(&[true, false, true])?;
    flags.segment().at::<AtomicU64>(0)?.store(0x01_02_01, Relaxed);
    assert_eq!((flags.get(0)?, flags.get(2)?), (true, true));
    assert!(matches!(flags.get(1), Err(ArrayError::Corrupt)));
    assert!(matches!(flags.copy_out(0, &mut [false; 3]), Err(ArrayError::Corrupt)));
    assert_eq!(flags.iter().filter(Result::is_err).count(), 1);
    flags.set(1, true)?;
    assert!(flags.get(1)?);
    passed()
}

pub(crate) fn an_array_that_travels_is_the_same() -> Outcome {
    let array = RawArray::<u32>::zeroed(3)?;
    let received: RawArray<u32> = wire::decode(wire::encode(&array)?)?;
    received.set(2, 7)?;
    assert_eq!((array.get(2)?, received.len()), (7, 3));
    assert!(wire::decode::<RawArray<i32>>(wire::encode(&array)?).is_err());
    for lie in [0_u64, 2, 5, u64::MAX] {
        assert!(wire::decode::<RawArray<u32>>(wire::encode(&(array.segment(), lie))?).is_err());
    }
    passed()
}
