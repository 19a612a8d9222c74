//! The model is a real one, and a resumed training ends with the same.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use swarmlog_worker::training::{Score, Settings, Trainer};

fn settings(seed: u64) -> Settings {
    Settings { seed, ..Settings::default() }
}

/// Trains to the end; answers the scores of all epochs and the last checkpoint.
fn train(mut trainer: Trainer) -> (Vec<Score>, Vec<u8>) {
    let mut scores = Vec::new();
    while !trainer.is_done() {
        scores.push(trainer.train_epoch().unwrap());
    }
    (scores, trainer.checkpoint().unwrap())
}

#[test]
fn the_model_learns_to_tell_good_wines() {
    for seed in 1..=3 {
        let untrained = Trainer::new(settings(seed)).unwrap().score();
        let (scores, _) = train(Trainer::new(settings(seed)).unwrap());
        let last = scores.last().unwrap();
        println!("seed {seed}: {untrained:?} -> {:?} -> {last:?}", scores[0]);
        assert_eq!(scores.len(), 10);
        assert!(last.auc > 0.8 && last.log_loss < 0.35 && last.accuracy > 0.84, "{last:?}");
        assert!(last.log_loss < untrained.log_loss && last.auc > untrained.auc);
    }
}

#[test]
fn a_training_resumed_after_any_epoch_ends_with_the_same_bits() {
    let (scores, straight) = train(Trainer::new(settings(5)).unwrap());
    for stop in [0, 1, 4, 9, 10] {
        let mut first = Trainer::new(settings(5)).unwrap();
        for _ in 0..stop {
            first.train_epoch().unwrap();
        }
        let checkpoint = first.checkpoint().unwrap();
        let mut second = Trainer::new(settings(5)).unwrap();
        second.resume(&checkpoint).unwrap();
        assert_eq!(second.epoch(), stop);
        let (rest, resumed) = train(second);
        assert_eq!(rest, scores[stop as usize..], "after {stop}");
        assert_eq!(resumed, straight, "after {stop}");
    }
}

#[test]
fn more_epochs_go_on_from_the_same_checkpoint() {
    let (_, short) = train(Trainer::new(Settings { epochs: 3, ..settings(6) }).unwrap());
    let mut long = Trainer::new(Settings { epochs: 5, epoch_ms: 0, ..settings(6) }).unwrap();
    long.resume(&short).unwrap();
    assert_eq!(long.epoch(), 3);
    assert_eq!(train(long).0, train(Trainer::new(Settings { epochs: 5, ..settings(6) }).unwrap()).0[3..]);
}

#[test]
fn the_seed_decides_everything() {
    assert_eq!(train(Trainer::new(settings(7)).unwrap()), train(Trainer::new(settings(7)).unwrap()));
    assert_ne!(train(Trainer::new(settings(7)).unwrap()).0, train(Trainer::new(settings(8)).unwrap()).0);
}

#[test]
fn a_checkpoint_of_other_settings_or_damaged_is_refused_and_changes_nothing() {
    let (scores, checkpoint) = train(Trainer::new(settings(9)).unwrap());
    let mut fresh = Trainer::new(settings(9)).unwrap();
    let mut other = Trainer::new(Settings { alpha: 0.051, ..settings(9) }).unwrap();
    assert!(other.resume(&checkpoint).unwrap_err().to_string().contains("settings"));
    let mut shorter = Trainer::new(Settings { epochs: 9, ..settings(9) }).unwrap();
    assert!(shorter.resume(&checkpoint).is_err());
    for length in 0..checkpoint.len() {
        assert!(fresh.resume(&checkpoint[..length]).is_err(), "{length} bytes");
    }
    assert!(fresh.resume(&[0xff; 100]).is_err());
    assert_eq!(fresh.epoch(), 0);
    assert_eq!(train(fresh).0, scores);
}

#[test]
fn extreme_settings_stay_finite() {
    for (alpha, beta, l1_ratio, l2_ratio) in [(10.0, 0.0, 0.0, 1e-6), (10.0, 1e-6, 1.0, 0.0), (1e-6, 100.0, 1.0, 1.0)] {
        let (scores, _) = train(Trainer::new(Settings { alpha, beta, l1_ratio, l2_ratio, ..settings(1) }).unwrap());
        assert!(scores.iter().all(|s| s.log_loss.is_finite() && s.auc.is_finite()), "{scores:?}");
    }
}
