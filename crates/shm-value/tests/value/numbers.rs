//! Numbers, and values of all sizes.

use shm_value::bytemuck::{CheckedBitPattern, NoUninit, Pod, Zeroable};
use shm_value::{AccessError, RawValue, Value};
use testkit::Outcome;

use crate::together::{finish, passed, start};

/// That values of a type come back, whole and one after the other.
fn come_back<T>(values: &[T]) -> Result<(), AccessError>
where
    T: NoUninit + CheckedBitPattern + PartialEq + std::fmt::Debug,
{
    let value = Value::new(values[0]).unwrap();
    assert_eq!(value.get()?, values[0]);
    for &new in values {
        value.set(new)?;
        assert_eq!(value.get()?, new);
        assert_eq!(value.update(|found| found)?, new);
        assert_eq!(*value.lock()?, new);
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, NoUninit, CheckedBitPattern)]
#[repr(C)]
struct Mixed {
    wide: u64,
    narrow: u32,
    letter: char,
    flag: bool,
    rest: [u8; 7],
}

#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
struct Aligned([u64; 8]);

pub(crate) fn values_of_every_size_come_back() -> Outcome {
    come_back(&[()])?;
    come_back(&[0_u8, 1, 255])?;
    come_back(&[true, false])?;
    come_back(&['a', 'ä', '\u{10ffff}'])?;
    come_back(&[-1_i16, 0, i16::MAX, i16::MIN])?;
    come_back(&[f32::MIN, 0.5, -0.0])?;
    come_back(&[u64::MAX, 1 << 63, 1])?;
    come_back(&[i128::MIN, -1, i128::MAX])?;
    come_back(&[[1_u8, 2, 3], [4, 5, 6]])?;
    come_back(&[[1_u8; 9], [2; 9]])?;
    come_back(&[[1_u16; 13], [2; 13]])?;
    come_back(&[Aligned([1; 8]), Aligned([u64::MAX; 8])])?;
    come_back(&[[7_u64; 1_000], [8; 1_000]])?;
    let mixed = Mixed { wide: 1, narrow: 2, letter: 'x', flag: true, rest: [3; 7] };
    come_back(&[mixed, Mixed { letter: 'ß', flag: false, ..mixed }])?;
    passed()
}

pub(crate) fn overflow_wraps_as_in_python() -> Outcome {
    // Value('b', 43).value += 1 up to 300, as C and ctypes count.
    let byte = RawValue::new(43_i8)?;
    let last = (0..257).map(|_| byte.fetch_add(1)).fold(None, |_, found| Some(found));
    assert_eq!((last, byte.load()), (Some(43), 44));
    let word = Value::new(u16::MAX)?;
    assert_eq!((word.fetch_add(2), word.load()), (u16::MAX, 1));
    assert_eq!((word.fetch_sub(3), word.load()), (1, u16::MAX - 1));
    let wide = Value::new(i64::MIN)?;
    assert_eq!((wide.fetch_sub(1), wide.load()), (i64::MIN, i64::MAX));
    passed()
}

pub(crate) fn additions_lose_nothing() -> Outcome {
    const EACH: u32 = 20_000;
    let (whole, small, real) = (Value::new(0_i64)?, RawValue::new(0_u8)?, Value::new(0.0_f64)?);
    let children: Vec<_> = (0..4)
        .map(|_| {
            start(|| {
                for _ in 0..EACH {
                    whole.fetch_add(-3);
                    small.fetch_add(1);
                    real.fetch_add(0.5);
                }
                true
            })
        })
        .collect();
    children.into_iter().for_each(finish);
    assert_eq!(whole.load(), -3 * 4 * i64::from(EACH));
    assert_eq!(small.load(), (4 * EACH).to_le_bytes()[0]);
    assert_eq!(real.load().to_bits(), (2.0 * f64::from(EACH)).to_bits());
    passed()
}

pub(crate) fn updates_go_with_additions() -> Outcome {
    const EACH: u64 = 10_000;
    let number = Value::new(0_u64)?;
    let updater = start(|| (0..EACH).all(|_| number.update(|number| number + 1).is_ok()));
    let adder = start(|| {
        for _ in 0..EACH {
            number.fetch_add(1);
        }
        true
    });
    finish(updater);
    finish(adder);
    assert_eq!(number.get(), Ok(2 * EACH));
    passed()
}
