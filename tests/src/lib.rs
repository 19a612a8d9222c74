//! The World: the real program on a data folder and a port of its own, killed and started at will; and the oracle, which
//! folds the log anew and compares.

pub mod client;
pub mod cluster;
pub mod lanes;
pub mod load;
pub mod onlooker;
pub mod oracle;
pub mod process;
pub mod race;
pub mod scenario;
pub mod stage;
pub mod world;

pub use client::{Answer, Client};
pub use process::BOUND;
pub use stage::Stage;
pub use world::{Setup, World};
