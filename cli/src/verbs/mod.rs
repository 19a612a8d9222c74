//! One file per verb.

pub mod alone;
pub mod config;
pub mod doctor;
pub mod history;
pub mod manual;
pub mod projections;
pub mod schemas;
pub mod sql;
pub mod submit;
pub mod sweep;
pub mod tail;
pub mod up;
pub mod verify;
pub mod worker;
