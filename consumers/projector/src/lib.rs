//! Poll, decode, slice, load, fold, write, commit.
