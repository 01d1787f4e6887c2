//! Values in rows, columns and so on: a slice with dimensions.

use core::ops::{Index, IndexMut};

use super::error::ArrayError;

/// A slice of values with N dimensions, the last of which changes fastest.
///
/// # Examples
///
/// ```
/// use shm_value::Array;
///
/// let table = Array::from_slice(&[1, 2, 3, 4, 5, 6])?;
/// let values = table.read()?;
/// let rows = values.shaped([2, 3])?;
/// assert_eq!((rows[[1, 0]], rows.row(0)), (4, Some(&[1, 2, 3][..])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shaped<'values, T, const N: usize> {
    values: &'values [T],
    shape: [usize; N],
}

/// The same, to be changed.
#[derive(Debug)]
pub struct ShapedMut<'values, T, const N: usize> {
    values: &'values mut [T],
    shape: [usize; N],
}

impl<'values, T, const N: usize> Shaped<'values, T, N> {
    pub(super) fn new(values: &'values [T], shape: [usize; N]) -> Result<Self, ArrayError> {
        fits(shape, values.len())?;
        Ok(Self { values, shape })
    }

    /// The dimensions.
    #[must_use]
    pub fn shape(&self) -> [usize; N] {
        self.shape
    }

    /// The value at a place, if there is one.
    #[must_use]
    pub fn get(&self, at: [usize; N]) -> Option<&'values T> {
        self.values.get(place(self.shape, at)?)
    }
}

impl<'values, T> Shaped<'values, T, 2> {
    /// The values of a row, if there is one.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<&'values [T]> {
        let [rows, columns] = self.shape;
        if row < rows { self.values.get(row * columns..(row + 1) * columns) } else { None }
    }
}

impl<'values, T, const N: usize> ShapedMut<'values, T, N> {
    pub(super) fn new(values: &'values mut [T], shape: [usize; N]) -> Result<Self, ArrayError> {
        fits(shape, values.len())?;
        Ok(Self { values, shape })
    }

    /// The dimensions.
    #[must_use]
    pub fn shape(&self) -> [usize; N] {
        self.shape
    }

    /// The value at a place, if there is one.
    #[must_use]
    pub fn get_mut(&mut self, at: [usize; N]) -> Option<&mut T> {
        self.values.get_mut(place(self.shape, at)?)
    }
}

impl<T, const N: usize> Index<[usize; N]> for Shaped<'_, T, N> {
    type Output = T;

    #[track_caller]
    fn index(&self, at: [usize; N]) -> &T {
        &self.values[inside(self.shape, at)]
    }
}

impl<T, const N: usize> Index<[usize; N]> for ShapedMut<'_, T, N> {
    type Output = T;

    #[track_caller]
    fn index(&self, at: [usize; N]) -> &T {
        &self.values[inside(self.shape, at)]
    }
}

impl<T, const N: usize> IndexMut<[usize; N]> for ShapedMut<'_, T, N> {
    #[track_caller]
    fn index_mut(&mut self, at: [usize; N]) -> &mut T {
        &mut self.values[inside(self.shape, at)]
    }
}

/// That the dimensions go with the number of values.
fn fits<const N: usize>(shape: [usize; N], len: usize) -> Result<(), ArrayError> {
    let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    if product == Some(len) { Ok(()) } else { Err(ArrayError::BadShape { len }) }
}

/// Where a place lies in the slice; nothing if it is outside of the dimensions.
fn place<const N: usize>(shape: [usize; N], at: [usize; N]) -> Option<usize> {
    // The product of the dimensions is the length of a slice, so nothing overflows.
    shape.iter().zip(at).try_fold(0, |place, (size, at)| (at < *size).then(|| place * size + at))
}

#[track_caller]
fn inside<const N: usize>(shape: [usize; N], at: [usize; N]) -> usize {
    match place(shape, at) {
        Some(place) => place,
        #[expect(clippy::panic, reason = "the caller's fault, as with a slice")]
        None => panic!("{at:?} is outside of {shape:?}"),
    }
}
