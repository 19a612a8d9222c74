//! What only the embedded log promises, and the suite of the port run against it.

mod conformance;
