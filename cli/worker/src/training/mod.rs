//! Training, without any I/O: the same settings give the same model, bit by bit, whether it was trained in one go or
//! resumed from a checkpoint after any epoch.
//!
//! The task is to tell the good red wines (quality above 6) of the UCI wine quality data set from the others by eleven
//! measurements; 217 of 1,599 are good. The model is logistic regression fitted by FTRL-proximal (McMahan et al., "Ad
//! Click Prediction: a View from the Trenches", 2013), one row at a time.

mod checkpoint;
mod score;
mod settings;
mod trainer;
mod wine;

pub use checkpoint::CheckpointError;
pub use score::Score;
pub use settings::{Settings, SettingsError};
pub use trainer::{Trainer, TrainingError};
pub use wine::Wine;
