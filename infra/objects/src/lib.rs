//! The object port: a directory or a bucket.
