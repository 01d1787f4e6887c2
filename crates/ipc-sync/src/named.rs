//! Primitives that have a name: for programs that know each other by nothing else.

use ipc_core::{Kind, Segment, SegmentError};

use crate::place::is_supported;

/// Makes a segment with a name, whose body `make` turns into a primitive before anybody sees it.
///
/// If `make` refuses, the name is given up again.
pub(crate) fn create<P, E: From<SegmentError>>(
    name: &str,
    kind: Kind,
    type_hash: u64,
    len: usize,
    make: impl FnOnce(&Segment) -> Result<P, E>,
) -> Result<P, E> {
    is_supported().map_err(SegmentError::from)?;
    let mut made = None;
    let segment = Segment::create_named(name, kind, type_hash, len, |segment| {
        made = Some(make(segment));
    })?;
    drop(segment);
    match made {
        Some(Err(error)) => {
            // Whoever has taken the name away before us has done what we want.
            Segment::unlink(name).ok();
            Err(error)
        }
        Some(Ok(made)) => Ok(made),
        // A segment that has its name was initialised.
        None => Err(SegmentError::NotASegment.into()),
    }
}
