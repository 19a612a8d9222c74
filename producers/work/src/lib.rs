//! The work context: jobs that take time and can fail.
