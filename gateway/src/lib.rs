//! Commands in, queries out.
