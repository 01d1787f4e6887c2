//! Things that have a name: for programs that know each other by nothing else.

use ipc_core::{Extent, Kind, Segment, SegmentError};

/// Makes a segment with a name, whose body `make` turns into a thing before anybody sees it.
///
/// If `make` refuses, the name is given up again.
pub(crate) fn create<P>(
    name: &str,
    kind: Kind,
    type_hash: u64,
    extent: impl Into<Extent>,
    make: impl FnOnce(&Segment) -> Result<P, SegmentError>,
) -> Result<P, SegmentError> {
    let mut made = None;
    let segment = Segment::create_named(name, kind, type_hash, extent, |segment| {
        made = Some(make(segment));
    })?;
    drop(segment);
    match made {
        Some(Err(error)) => {
            // Whoever has taken the name away before us has done what we want.
            Segment::unlink(name).ok();
            Err(error)
        }
        Some(made) => made,
        // A segment that has its name was initialised.
        None => Err(SegmentError::NotASegment),
    }
}
