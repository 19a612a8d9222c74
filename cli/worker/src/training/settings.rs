//! The settings of a training job.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `config` of a job of the kind `train.wine`. A field that is not listed here is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Decides the split into training and validation rows, the first weights and the order of rows in each epoch.
    pub seed: u64,
    /// Learning rate.
    pub alpha: f64,
    /// Smooths the learning rate of features that were seen rarely.
    pub beta: f64,
    /// Weight of the L1 penalty, 0 to 1.
    pub l1_ratio: f64,
    /// Weight of the L2 penalty, 0 to 1.
    pub l2_ratio: f64,
    /// How often every training row is seen.
    pub epochs: u64,
    /// The least that an epoch takes, in milliseconds. The data set is so small that an epoch takes a few: this makes
    /// a job last long enough to be watched, stopped and resumed. 0 trains at full speed.
    pub epoch_ms: u64,
    /// Name of the sweep that the job belongs to, if any; only repeated in the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// Number of the trial in its sweep, if any; only repeated in the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 42,
            alpha: 0.05,
            beta: 1.0,
            l1_ratio: 0.005,
            l2_ratio: 0.1,
            epochs: 10,
            epoch_ms: 500,
            sweep: None,
            trial: None,
        }
    }
}

/// Settings that cannot be trained with; trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the config of the job is wrong: {0}")]
pub struct SettingsError(String);

impl Settings {
    /// Reads the `config` of a job.
    pub fn from_config(config: &Value) -> Result<Self, SettingsError> {
        let settings: Self = match config {
            Value::Object(_) => Self::deserialize(config).map_err(|error| SettingsError(error.to_string()))?,
            Value::Null => Self::default(),
            other => return Err(SettingsError(format!("an object is expected, not {other}"))),
        };
        match settings.fault() {
            Some(fault) => Err(SettingsError(fault)),
            None => Ok(settings),
        }
    }

    fn fault(&self) -> Option<String> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            let fits = (low..=high).contains(&value);
            (!fits).then(|| format!("{name} must lie between {low} and {high}, not {value}"))
        };
        within("alpha", self.alpha, 1e-6, 10.0)
            .or_else(|| within("beta", self.beta, 0.0, 100.0))
            .or_else(|| within("l1_ratio", self.l1_ratio, 0.0, 1.0))
            .or_else(|| within("l2_ratio", self.l2_ratio, 0.0, 1.0))
            // The first step divides by their sum.
            .or_else(|| (self.beta + self.l2_ratio < 1e-6).then(|| "beta and l2_ratio must not both be 0".to_owned()))
            .or_else(|| within("epochs", self.epochs as f64, 1.0, 10_000.0))
            .or_else(|| within("epoch_ms", self.epoch_ms as f64, 0.0, 3_600_000.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_takes_its_default() {
        assert_eq!(Settings::from_config(&json!({})), Ok(Settings::default()));
        assert_eq!(Settings::from_config(&Value::Null), Ok(Settings::default()));
        let some = Settings::from_config(&json!({ "seed": u64::MAX, "alpha": 1, "sweep": "first", "trial": 3 }));
        let expected =
            Settings { seed: u64::MAX, alpha: 1.0, sweep: Some("first".to_owned()), trial: Some(3), ..Settings::default() };
        assert_eq!(some, Ok(expected));
    }

    #[test]
    fn wrong_settings_are_refused_by_name() {
        for (config, word) in [
            (json!({ "learning_rate": 1 }), "learning_rate"),
            (json!({ "alpha": 0 }), "alpha"),
            (json!({ "alpha": "0.1" }), "0.1"),
            (json!({ "alpha": 1e300 }), "alpha"),
            (json!({ "seed": -1 }), "-1"),
            (json!({ "l1_ratio": 1.5 }), "l1_ratio"),
            (json!({ "l2_ratio": -0.5 }), "l2_ratio"),
            (json!({ "beta": 0, "l2_ratio": 0 }), "beta"),
            (json!({ "epochs": 0 }), "epochs"),
            (json!({ "epochs": 10_001 }), "epochs"),
            (json!({ "epoch_ms": 3_600_001 }), "epoch_ms"),
            (json!([1]), "object"),
        ] {
            let refused = Settings::from_config(&config).unwrap_err().to_string();
            assert!(refused.contains(word), "{config}: {refused}");
        }
    }
}
