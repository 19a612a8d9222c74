//! Checkpoints: a model and how far it has come, in CBOR (RFC 8949), which keeps every bit of a number. The same model
//! makes the same bytes.

use super::Settings;
use linfa_ftrl::Ftrl;
use serde::{Deserialize, Serialize};

const FORMAT: &str = "swarmlog/train.wine/1";

/// A checkpoint that cannot be resumed from; the training has to begin anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint is of no use: {0}")]
pub struct CheckpointError(String);

#[derive(Serialize)]
struct Written<'a> {
    format: &'static str,
    seed: u64,
    epoch: u64,
    model: &'a Ftrl<f64>,
}

#[derive(Deserialize)]
struct Read {
    format: String,
    seed: u64,
    epoch: u64,
    model: Ftrl<f64>,
}

/// Writes a checkpoint.
pub(crate) fn write(settings: &Settings, epoch: u64, model: &Ftrl<f64>) -> Result<Vec<u8>, CheckpointError> {
    let mut bytes = Vec::new();
    let checkpoint = Written { format: FORMAT, seed: settings.seed, epoch, model };
    ciborium::into_writer(&checkpoint, &mut bytes).map_err(|error| CheckpointError(error.to_string()))?;
    Ok(bytes)
}

/// Reads a checkpoint that was made with the same settings, for `features` features.
pub(crate) fn read(settings: &Settings, features: usize, bytes: &[u8]) -> Result<(u64, Ftrl<f64>), CheckpointError> {
    let refuse = |why: &str| Err(CheckpointError(why.to_owned()));
    let read: Read = ciborium::from_reader(bytes).map_err(|error| CheckpointError(error.to_string()))?;
    if read.format != FORMAT {
        return Err(CheckpointError(format!("its format is {:?}, this program knows {FORMAT:?}", read.format)));
    }
    let made_with = [read.model.alpha(), read.model.beta(), read.model.l1_ratio(), read.model.l2_ratio()];
    let asked_for = [settings.alpha, settings.beta, settings.l1_ratio, settings.l2_ratio];
    if read.seed != settings.seed || made_with.map(f64::to_bits) != asked_for.map(f64::to_bits) {
        return refuse("it was made with other settings");
    }
    let (z, n) = (read.model.z(), read.model.n());
    let sound =
        z.len() == features && n.len() == features && z.iter().chain(n).all(|x| x.is_finite()) && n.iter().all(|n| *n >= 0.0);
    if !sound || read.epoch > settings.epochs {
        return refuse("it is damaged");
    }
    Ok((read.epoch, read.model))
}
