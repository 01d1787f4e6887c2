//! Arrays as those of `ndarray`.

use ndarray::{Array2, Array3, Axis, Ix2, ShapeBuilder as _, array, s};
use shm_value::{Array, ArrayError};
use testkit::Outcome;

use crate::together::{in_child, passed};

pub(crate) fn views_show_the_values_where_they_lie() -> Outcome {
    let shared = Array::from_slice(&[1, 2, 3, 4, 5, 6])?;
    let guard = shared.read()?;
    let view = guard.view((2, 3))?;
    assert_eq!(view, array![[1, 2, 3], [4, 5, 6]]);
    assert_eq!(view.as_ptr(), guard.as_ptr(), "nothing is copied");
    assert_eq!(guard.view((3, 2).f())?, array![[1, 4], [2, 5], [3, 6]], "columns first");
    assert_eq!(guard.view(vec![1, 6, 1])?.shape(), [1, 6, 1], "of any number of dimensions");
    assert_eq!(view.sum_axis(Axis(0)).to_vec(), [5, 7, 9]);
    passed()
}

pub(crate) fn what_is_written_through_a_view_others_read() -> Outcome {
    let shared = Array::<f64>::zeroed_in_parts(12, 3)?;
    in_child(|| {
        let mut rows = shared.write_part(1).unwrap();
        rows.view_mut([2, 2]).unwrap().slice_mut(s![1, ..]).fill(0.5);
        true
    });
    let guard = shared.read()?;
    let mut expected = Array3::zeros((3, 2, 2));
    expected.slice_mut(s![1, 1, ..]).fill(0.5);
    assert_eq!(guard.view((3, 2, 2))?, expected);
    drop(guard);
    let mut guard = shared.write().unwrap();
    guard.view_mut(12)?.map_inplace(|value| *value += 1.0);
    assert_eq!(guard.view(12)?.sum(), 13.0);
    passed()
}

pub(crate) fn a_view_that_does_not_go_with_the_values_is_refused() -> Outcome {
    let shared = Array::<u16>::zeroed(6)?;
    let is_bad = |result: Result<usize, ArrayError>| {
        assert!(matches!(result, Err(ArrayError::BadShape { len: 6 })), "{result:?}");
    };
    let guard = shared.read()?;
    is_bad(guard.view([2, 2]).map(|view| view.len()));
    is_bad(guard.view([2, 4]).map(|view| view.len()));
    is_bad(guard.view([usize::MAX, 2]).map(|view| view.len()));
    is_bad(guard.view([0, 6]).map(|view| view.len()));
    is_bad(guard.view([2, 3].strides([4, 1])).map(|view| view.len()));
    drop(guard);
    is_bad(shared.write().unwrap().view_mut([5]).map(|view| view.len()));
    assert_eq!(Array::<u16>::zeroed(0)?.read()?.view([0, 6])?.len(), 0);
    passed()
}

pub(crate) fn an_array_is_made_of_a_view() -> Outcome {
    let matrix: Array2<i64> =
        Array2::from_shape_fn((3, 4), |(row, column)| i64::try_from(10 * row + column).unwrap());
    for view in [matrix.view(), matrix.slice(s![..;2, 1..]), matrix.slice(s![1..1, ..])] {
        let shared = Array::from_view(view)?;
        assert_eq!(shared.read()?.view(view.raw_dim())?, view);
        let transposed = Array::from_view(view.t())?;
        assert_eq!(transposed.read()?.view::<Ix2>(view.t().raw_dim())?, view.t());
    }
    passed()
}
