//! What comes, one after another, up to the end.

use crate::error::RecvError;

/// What is received, until nothing can come any more.
pub(crate) fn items<R>(
    mut recv: impl FnMut() -> Result<R, RecvError>,
) -> impl Iterator<Item = Result<R, RecvError>> {
    let mut is_over = false;
    std::iter::from_fn(move || if is_over { None } else { item(recv(), &mut is_over) })
}

/// What an iterator or a stream has for what was received, and whether that was the last.
pub(crate) fn item<R>(
    received: Result<R, RecvError>,
    is_over: &mut bool,
) -> Option<Result<R, RecvError>> {
    *is_over = received.as_ref().is_err_and(RecvError::is_final);
    Some(received).filter(|received| !matches!(received, Err(RecvError::Disconnected)))
}
