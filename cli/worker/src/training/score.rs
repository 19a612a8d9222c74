//! How good a model is on rows that it has not seen.

use serde::Serialize;

/// Measured on the validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean negative logarithm of the probability that was given to what is true.
    pub log_loss: f64,
    /// Share of rows on the right side of one half. Few wines are good, so calling none good gives 0.86.
    pub accuracy: f64,
    /// Probability that a good wine is ranked above another: the area under the ROC curve; 0.5 if all are of one kind.
    pub auc: f64,
}

impl Score {
    /// Compares the probability that a row is good with what is true.
    pub fn of(probabilities: &[f64], truth: &[bool]) -> Self {
        let rows = probabilities.len().max(1) as f64;
        let pairs = || probabilities.iter().zip(truth);
        let loss = |(p, good): (&f64, &bool)| {
            let p = p.clamp(1e-7, 1.0 - 1e-7);
            -(if *good { p } else { 1.0 - p }).ln()
        };
        let right = pairs().filter(|(p, good)| (**p >= 0.5) == **good).count();
        Self { log_loss: pairs().map(loss).sum::<f64>() / rows, accuracy: right as f64 / rows, auc: auc(probabilities, truth) }
    }
}

/// By the sum of ranks of the good rows (Mann and Whitney); equal probabilities share their mean rank.
fn auc(probabilities: &[f64], truth: &[bool]) -> f64 {
    let mut ranked: Vec<(f64, bool)> = probabilities.iter().copied().zip(truth.iter().copied()).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let good = truth.iter().filter(|good| **good).count() as f64;
    let other = truth.len() as f64 - good;
    if good == 0.0 || other == 0.0 {
        return 0.5;
    }
    let mut ranks = 0.0;
    let mut before = 0.0;
    for equal in ranked.chunk_by(|a, b| a.0 == b.0) {
        let size = equal.len() as f64;
        ranks += equal.iter().filter(|(_, good)| *good).count() as f64 * (before + (size + 1.0) / 2.0);
        before += size;
    }
    (ranks - good * (good + 1.0) / 2.0) / (good * other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_ordered_pairs_and_half_of_the_ties() {
        let by_pairs = |p: &[f64], truth: &[bool]| {
            let (mut wins, mut pairs) = (0.0, 0.0);
            for (i, a) in p.iter().enumerate().filter(|(i, _)| truth[*i]) {
                for (j, b) in p.iter().enumerate().filter(|(j, _)| !truth[*j]) {
                    assert_ne!(i, j);
                    pairs += 1.0;
                    wins += if a > b {
                        1.0
                    } else if a == b {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
            wins / pairs
        };
        for (p, truth) in [
            (vec![0.1, 0.4, 0.35, 0.8], vec![false, false, true, true]),
            (vec![0.5; 5], vec![true, false, true, false, false]),
            (vec![0.2, 0.2, 0.7, 0.7, 0.9, 0.1], vec![true, false, false, true, true, false]),
        ] {
            assert!((auc(&p, &truth) - by_pairs(&p, &truth)).abs() < 1e-12);
        }
        assert_eq!(auc(&[0.1, 0.2], &[true, true]), 0.5);
    }

    #[test]
    fn a_sure_and_right_model_loses_nothing_and_a_wrong_one_much_but_not_infinitely() {
        let right = Score::of(&[1.0, 0.0], &[true, false]);
        assert!(right.log_loss < 1e-6 && right.accuracy == 1.0 && right.auc == 1.0, "{right:?}");
        let wrong = Score::of(&[0.0, 1.0], &[true, false]);
        assert!(wrong.log_loss > 10.0 && wrong.log_loss.is_finite() && wrong.accuracy == 0.0 && wrong.auc == 0.0, "{wrong:?}");
        let unsure = Score::of(&[0.5, 0.5], &[true, false]);
        assert!((unsure.log_loss - 2_f64.ln()).abs() < 1e-12);
    }
}
