//! The training itself, epoch by epoch.

use super::{CheckpointError, Score, Settings, Wine, checkpoint};
use linfa::{
    ParamGuard,
    dataset::Pr,
    traits::{FitWith, PredictInplace},
};
use linfa_ftrl::{Ftrl, FtrlParams};
use ndarray::Array1;
use rand::seq::SliceRandom;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};

/// An odd constant without pattern (2^64 divided by the golden ratio), to spread epochs over seeds.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hyperparameters that were checked.
type Params = <FtrlParams<f64, Xoshiro256PlusPlus> as ParamGuard>::Checked;

/// The model could not be fitted; trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model cannot be fitted: {0}")]
pub struct TrainingError(String);

/// A model in training.
#[derive(Debug, Clone)]
pub struct Trainer {
    settings: Settings,
    params: Params,
    wine: Wine,
    model: Ftrl<f64>,
    epoch: u64,
}

impl Trainer {
    /// A model that has seen nothing.
    pub fn new(settings: Settings) -> Result<Self, TrainingError> {
        let rng = Xoshiro256PlusPlus::seed_from_u64(settings.seed.wrapping_add(SPREAD));
        let params = FtrlParams::new(settings.alpha, settings.beta, settings.l1_ratio, settings.l2_ratio, rng);
        let params = params.check().map_err(|error| TrainingError(error.to_string()))?;
        let wine = Wine::split(settings.seed);
        let model = Ftrl::new(params.clone(), wine.train.features.ncols());
        Ok(Self { settings, params, wine, model, epoch: 0 })
    }

    /// Takes over the model of a checkpoint that was made with the same settings.
    pub fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let features = self.wine.train.features.ncols();
        (self.epoch, self.model) = checkpoint::read(&self.settings, features, checkpoint)?;
        Ok(())
    }

    /// The model and how far it has come.
    pub fn checkpoint(&self) -> Result<Vec<u8>, CheckpointError> {
        checkpoint::write(&self.settings, self.epoch, &self.model)
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The data.
    pub fn wine(&self) -> &Wine {
        &self.wine
    }

    /// Epochs done.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether all epochs are done.
    pub fn is_done(&self) -> bool {
        self.epoch >= self.settings.epochs
    }

    /// Shows every training row to the model once, in an order that only the seed and the number of the epoch decide.
    pub fn train_epoch(&mut self) -> Result<Score, TrainingError> {
        let epoch = self.epoch + 1;
        let mut order: Vec<usize> = (0..self.wine.train.is_good.len()).collect();
        let seed = self.settings.seed.rotate_left(32) ^ epoch.wrapping_mul(SPREAD);
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let mut model = self.model.clone();
        for row in order {
            model =
                self.params.fit_with(Some(model), &self.wine.train.one(row)).map_err(|error| TrainingError(error.to_string()))?;
        }
        self.model = model;
        self.epoch = epoch;
        Ok(self.score())
    }

    /// How good the model is now.
    pub fn score(&self) -> Score {
        let rows = &self.wine.validation;
        let mut probabilities: Array1<Pr> = self.model.default_target(&rows.features);
        self.model.predict_inplace(&rows.features, &mut probabilities);
        let probabilities: Vec<f64> = probabilities.iter().map(|p| f64::from(**p)).collect();
        Score::of(&probabilities, &rows.is_good.to_vec())
    }
}
