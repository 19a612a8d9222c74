//! What the writer's tests share: a log in memory that fails on demand, and commands as a gateway would append them.
#![allow(dead_code, reason = "every test uses its part")]

pub mod caller;
pub mod checker;
pub mod commands;
pub mod host;
pub mod memory;
