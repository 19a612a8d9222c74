//! The data: 1,599 red wines, split and standardised.

use linfa::DatasetBase;
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice, concatenate};
use rand::seq::SliceRandom;
use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};

/// Share of the rows that are kept for validation: one of so many.
const VALIDATION: usize = 5;
/// A wine is good if its quality is above this.
const GOOD: usize = 6;

/// Wines ready for training. The features are standardised by the mean and deviation of the training rows alone, and
/// followed by a column of ones: the model has no intercept of its own, and only one wine in seven is good.
#[derive(Debug, Clone)]
pub struct Wine {
    pub(crate) train: Rows,
    pub(crate) validation: Rows,
}

#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub features: Array2<f64>,
    pub is_good: Array1<bool>,
}

impl Wine {
    /// Splits the data set by `seed`.
    pub fn split(seed: u64) -> Self {
        let all = linfa_datasets::winequality().map_targets(|quality| *quality > GOOD);
        let mut order: Vec<usize> = (0..all.records.nrows()).collect();
        order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        let (validation, train) = order.split_at(order.len() / VALIDATION);

        let raw = all.records.select(Axis(0), train);
        let mean = raw.sum_axis(Axis(0)) / raw.nrows() as f64;
        let deviation = (raw - &mean).mapv(|x| x * x).sum_axis(Axis(0)) / train.len() as f64;
        // A feature that never varies says nothing; it becomes 0 instead of NaN.
        let deviation = deviation.mapv(|variance| if variance > 0.0 { variance.sqrt() } else { 1.0 });
        let rows = |chosen: &[usize]| {
            let features = (all.records.select(Axis(0), chosen) - &mean) / &deviation;
            let ones = Array2::ones((chosen.len(), 1));
            // Both have as many rows as were chosen.
            let features = concatenate(Axis(1), &[features.view(), ones.view()]).unwrap_or(features);
            Rows { features, is_good: all.targets.select(Axis(0), chosen) }
        };
        Self { train: rows(train), validation: rows(validation) }
    }

    /// How many rows there are for training and for validation, and how many of the latter are good.
    pub fn sizes(&self) -> (usize, usize, usize) {
        let good = self.validation.is_good.iter().filter(|good| **good).count();
        (self.train.is_good.len(), self.validation.is_good.len(), good)
    }
}

impl Rows {
    /// One row as a data set of its own.
    pub fn one(&self, row: usize) -> DatasetBase<ArrayView2<'_, f64>, Array1<bool>> {
        let features = self.features.slice_axis(Axis(0), Slice::from(row..row + 1));
        DatasetBase::new(features, Array1::from_elem(1, self.is_good[row]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_depends_on_the_seed_alone() {
        let (one, same, other) = (Wine::split(7), Wine::split(7), Wine::split(8));
        assert_eq!(one.train.features, same.train.features);
        assert_eq!(one.validation.is_good, same.validation.is_good);
        assert_ne!(one.train.features, other.train.features);
        let (train, validation, good) = one.sizes();
        assert_eq!((train, validation), (1_280, 319));
        let all_good = good + one.train.is_good.iter().filter(|good| **good).count();
        assert_eq!(all_good, 217);
    }

    #[test]
    fn training_features_are_standardised_and_have_an_intercept() {
        let wine = Wine::split(7);
        assert_eq!(wine.train.features.ncols(), 12);
        for (place, column) in wine.train.features.columns().into_iter().enumerate() {
            let mean = column.sum() / column.len() as f64;
            let variance = column.mapv(|x| (x - mean) * (x - mean)).sum() / column.len() as f64;
            let expected = if place == 11 { (1.0, 0.0) } else { (0.0, 1.0) };
            assert!((mean - expected.0).abs() < 1e-9 && (variance - expected.1).abs() < 1e-9, "{place}: {mean} {variance}");
        }
    }
}
