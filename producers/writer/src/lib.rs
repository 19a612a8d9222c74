//! The single writer: commands in, events and results out, in one transaction.
