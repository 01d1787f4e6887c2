//! State between processes: `Value`, `Array`, `SharedMemory`, `ShareableList`, and shared maps and vectors.
//!
//! There is no code here yet; a later issue fills it.
