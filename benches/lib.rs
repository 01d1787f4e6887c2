//! Our own curves, one file a subject; the rivals are in `compare/`.
