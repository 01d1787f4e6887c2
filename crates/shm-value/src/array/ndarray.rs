//! Arrays as those of `ndarray` (feature `ndarray`): views of the values where they lie.

use bytemuck::{AnyBitPattern, NoUninit};
use ndarray::{ArrayView, ArrayViewMut, Dimension, StrideShape};

use super::error::ArrayError;
use super::{Array, ArrayGuard, ArrayReadGuard};

impl<T: AnyBitPattern + NoUninit> Array<T> {
    /// Makes an array of a copy of the values of a view, in the order of its indices: the last changes
    /// fastest.
    ///
    /// With the same shape, [`view`](ArrayReadGuard::view) then shows the same.
    ///
    /// # Errors
    ///
    /// As [`zeroed`](Self::zeroed).
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::array;
    /// use shm_value::Array;
    ///
    /// let matrix = array![[1.0, 2.0], [3.0, 4.0]];
    /// let shared = Array::from_view(matrix.t())?;
    /// // … the handle goes to other processes …
    /// assert_eq!(shared.read()?.view([2, 2])?, array![[1.0, 3.0], [2.0, 4.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_view<D: Dimension>(values: ArrayView<'_, T, D>) -> Result<Self, ArrayError> {
        let array = Self::zeroed(values.len())?;
        {
            let taken = array.write();
            let mut guard = taken.map_err(|error| ArrayError::Lock(error.without_lock()))?;
            guard.view_mut(values.raw_dim())?.assign(&values);
        }
        Ok(array)
    }
}

impl<T: AnyBitPattern + NoUninit> ArrayReadGuard<'_, T> {
    /// The values as an array of `ndarray` with that shape, without a copy.
    ///
    /// # Errors
    ///
    /// [`ArrayError::BadShape`] if there are not as many values.
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::Axis;
    /// use shm_value::Array;
    ///
    /// let table = Array::from_slice(&[1, 2, 3, 4, 5, 6])?;
    /// let values = table.read()?;
    /// assert_eq!(values.view([2, 3])?.sum_axis(Axis(0)).to_vec(), [5, 7, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn view<D: Dimension>(
        &self,
        shape: impl Into<StrideShape<D>>,
    ) -> Result<ArrayView<'_, T, D>, ArrayError> {
        view(self, shape)
    }
}

impl<T: AnyBitPattern + NoUninit> ArrayGuard<'_, T> {
    /// The values as an array of `ndarray` with that shape, without a copy.
    ///
    /// # Errors
    ///
    /// [`ArrayError::BadShape`] if there are not as many values.
    pub fn view<D: Dimension>(
        &self,
        shape: impl Into<StrideShape<D>>,
    ) -> Result<ArrayView<'_, T, D>, ArrayError> {
        view(self, shape)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    ///
    /// As [`view`](Self::view).
    ///
    /// # Examples
    ///
    /// ```
    /// use ndarray::s;
    /// use shm_value::Array;
    ///
    /// let table = Array::<u8>::zeroed(6)?;
    /// let mut values = table.write().map_err(|error| error.without_lock())?;
    /// values.view_mut([2, 3])?.slice_mut(s![.., 1]).fill(7);
    /// assert_eq!(*values, [0, 7, 0, 0, 7, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn view_mut<D: Dimension>(
        &mut self,
        shape: impl Into<StrideShape<D>>,
    ) -> Result<ArrayViewMut<'_, T, D>, ArrayError> {
        let len = self.len();
        let view = ArrayViewMut::from_shape(shape, self).ok();
        view.filter(|view| view.len() == len).ok_or(ArrayError::BadShape { len })
    }
}

fn view<'values, T, D: Dimension>(
    values: &'values [T],
    shape: impl Into<StrideShape<D>>,
) -> Result<ArrayView<'values, T, D>, ArrayError> {
    let view = ArrayView::from_shape(shape, values).ok();
    view.filter(|view| view.len() == values.len()).ok_or(ArrayError::BadShape { len: values.len() })
}
