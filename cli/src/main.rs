//! The swarmlog program.
fn main() {}
