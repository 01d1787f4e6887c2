//! Maps that show how far they have come, with the feature `progress`.

use indicatif::ProgressBar;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::MapError;
use crate::pool::Pool;

impl Pool {
    /// As [`map`](Self::map), and moves a bar of indicatif by one for each item that is done.
    ///
    /// A bar without a length gets the number of items, if the iterator knows it. When all is done it
    /// is finished as its [`ProgressFinish`](indicatif::ProgressFinish) says; if an item has no
    /// result, it stays where it is.
    ///
    /// The iterators of [`imap`](Self::imap) and [`imap_unordered`](Self::imap_unordered) need no
    /// such method: indicatif's `ProgressIterator` has `progress_count` and `progress_with` for every iterator. (Its
    /// `progress` is for those that know their length, which these do not: a pool may come to its end before.)
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Pool, indicatif::ProgressBar};
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let bar = ProgressBar::hidden();
    /// assert_eq!(pool.map_with_progress(|x: u64| x * x, 0..4, &bar)?, [0, 1, 4, 9]);
    /// assert_eq!((bar.position(), bar.is_finished()), (4, true));
    ///
    /// use pool::indicatif::{ProgressDrawTarget, ProgressIterator};
    ///
    /// let bar = ProgressBar::with_draw_target(Some(4), ProgressDrawTarget::hidden());
    /// let sum: u64 = pool.imap(|x: u64| x * x, 0..4).progress_with(bar.clone()).sum::<Result<_, _>>()?;
    /// assert_eq!((sum, bar.position()), (14, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with_progress<A, R, I>(
        &self,
        function: fn(A) -> R,
        items: I,
        bar: &ProgressBar,
    ) -> Result<Vec<R>, MapError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        let items = items.into_iter();
        if let ((_, Some(n_items)), None) = (items.size_hint(), bar.length()) {
            bar.set_length(u64::try_from(n_items).unwrap_or(u64::MAX));
        }
        let batch = self.task(function).batch(items);
        let results =
            batch.gather_with(|n_items| bar.inc(u64::try_from(n_items).unwrap_or(u64::MAX)));
        if results.is_ok() {
            bar.finish_using_style();
        } else {
            bar.abandon();
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressBar;

    use crate::Pool;

    #[test]
    fn bar_gets_the_length_of_the_input_and_stays_where_it_is_if_an_item_fails() {
        fn check(x: u32) -> u32 {
            assert!(x != 3, "three");
            x
        }

        let pool = Pool::builder().workers(2).build().unwrap();
        let bar = ProgressBar::hidden();
        bar.unset_length();
        assert_eq!(pool.map_with_progress(check, 0..3, &bar).unwrap(), [0, 1, 2]);
        assert_eq!((bar.length(), bar.position()), (Some(3), 3));
        let bar = ProgressBar::hidden();
        bar.set_length(100);
        assert_eq!(pool.map_with_progress(check, 0..5, &bar).unwrap_err().index, 3);
        // The one that failed is done too.
        assert_eq!((bar.length(), bar.position(), bar.is_finished()), (Some(100), 5, true));
    }
}
