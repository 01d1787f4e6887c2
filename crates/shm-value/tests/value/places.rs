//! Where values lie, and how they get there.

use ipc_core::wire::{self, DecodeError};
use ipc_core::{Kind, Layout, Segment, SegmentError};
use shm_value::{RawValue, Value};
use testkit::Outcome;
use testkit::leaks::Snapshot;

use crate::together::{in_child, passed};

const KIND: Kind = Kind::new(*b"values\0\0", 1);

pub(crate) fn a_value_that_travels_is_the_same() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    let flag = RawValue::new(false)?;
    let message = wire::encode(&(&pair, &flag))?;
    let (received, received_flag): (Value<[u64; 2]>, RawValue<bool>) = wire::decode(message)?;
    received.set([3, 4])?;
    received_flag.set(true);
    assert_eq!((pair.get(), flag.get()), (Ok([3, 4]), Ok(true)));
    assert_eq!(received.segment().id(), pair.segment().id());
    passed()
}

pub(crate) fn a_value_keeps_its_type() -> Outcome {
    let pair = Value::new([1_u64, 2])?;
    match wire::decode::<Value<[i64; 2]>>(wire::encode(&pair)?) {
        Err(DecodeError::Segment(SegmentError::WrongType { .. })) => {}
        other => panic!("{other:?}"),
    }
    let word = RawValue::new(1_u64)?;
    assert!(wire::decode::<RawValue<f64>>(wire::encode(&word)?).is_err());
    // A message may say what it likes: nothing is placed outside the segment.
    let lie = (pair.segment(), 1_u64 << 40, ipc_core::type_hash::<[u64; 2]>());
    match wire::decode::<Value<[u64; 2]>>(wire::encode(&lie)?) {
        Err(DecodeError::Segment(SegmentError::OutOfBounds { .. })) => {}
        other => panic!("{other:?}"),
    }
    passed()
}

pub(crate) fn values_share_a_segment() -> Outcome {
    let mut layout = Layout::new();
    let first = Value::<u8>::reserve(&mut layout);
    let second = Value::<[u64; 2]>::reserve(&mut layout);
    let third = RawValue::<i32>::reserve(&mut layout);
    assert_eq!((first, second, third), (0, 128, 128 + 64 + 40));
    assert_eq!((Value::<u8>::SIZE, Value::<[u64; 2]>::SIZE), (72, 104));
    let segment = Segment::create(KIND, 0, layout.size())?;
    let byte = Value::new_in_segment(&segment, first, 7_u8)?;
    let pair = Value::new_in_segment(&segment, second, [1_u64, 2])?;
    let word = RawValue::in_segment(&segment, third)?;
    word.set(-1);
    pair.set([3, 4])?;
    assert_eq!((byte.get(), pair.get(), word.get()), (Ok(7), Ok([3, 4]), Ok(-1)));
    let again = Value::<[u64; 2]>::in_segment(&segment, second)?;
    assert_eq!((again.get(), again.offset()), (Ok([3, 4]), 128));
    assert!(matches!(Value::<u8>::in_segment(&segment, 8), Err(SegmentError::Misaligned { .. })));
    assert!(matches!(
        Value::<u8>::in_segment(&segment, 1 << 20),
        Err(SegmentError::OutOfBounds { .. })
    ));
    passed()
}

pub(crate) fn values_have_names() -> Outcome {
    let name = format!("shm-value-test-{}", ipc_core::ProcessId::current()?.pid());
    let made = Value::create_named(&name, [1_u64, 2])?;
    assert!(matches!(Value::create_named(&name, [0_u64; 2]), Err(SegmentError::AlreadyExists)));
    assert!(matches!(Value::<u64>::open_named(&name), Err(SegmentError::WrongType { .. })));
    in_child(|| Value::open_named(&name).is_ok_and(|opened| opened.set([3_u64, 4]).is_ok()));
    assert_eq!(made.get(), Ok([3, 4]));
    Segment::unlink(&name)?;
    assert!(matches!(Value::<[u64; 2]>::open_named(&name), Err(SegmentError::NotFound)));
    passed()
}

pub(crate) fn nothing_is_left_of_values() -> Outcome {
    drop(Value::new([0_u64; 3])?);
    let before = Snapshot::take();
    for _ in 0..3 {
        let value = Value::new([0_u64; 3])?;
        let flag = RawValue::new(false)?;
        let message = wire::encode(&(&value, &flag))?;
        drop(wire::decode::<(Value<[u64; 3]>, RawValue<bool>)>(message)?);
        in_child(|| value.set([1; 3]).is_ok());
    }
    before.assert_none();
    passed()
}
