//! One measure of a drift detector: a feature's score against its threshold, in the direction of its method. Of a p-value
//! less is more drift, of a distance more is.

use serde_json::{Value, json};

/// Which side of the threshold is drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Drift if the p-value is below it.
    PValue,
    /// Drift if the distance is above it.
    Distance,
}

/// One feature by one method.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measure {
    pub(super) feature: String,
    pub(super) method: String,
    /// `None` where the method's direction is not known.
    pub(super) direction: Option<Direction>,
    pub(super) score: Option<f64>,
    pub(super) threshold: Option<f64>,
    /// `None` = the detector does not say, and its direction is not known either.
    pub(super) drifted: Option<bool>,
    /// Whether distances of this method compare with those of others: 0 = equal, 1 = nothing in common.
    pub(super) comparable: bool,
}

impl Measure {
    pub(super) fn json(&self) -> Value {
        let comparison = self.direction.map(|direction| match direction {
            Direction::PValue => "lt",
            Direction::Distance => "gt",
        });
        json!({
            "name": self.feature,
            "method": self.method,
            "score": self.score,
            "threshold": self.threshold,
            "comparison": comparison,
            "drifted": self.drifted,
        })
    }

    /// How much it drifted: a distance, or what is missing of a p-value to 1.
    fn strength(&self) -> Option<f64> {
        let score = self.score.filter(|_| self.drifted == Some(true))?;
        match self.direction? {
            Direction::PValue => Some(1.0 - score),
            Direction::Distance => self.comparable.then_some(score),
        }
    }
}

/// The largest strength of those that drifted; `None` if none can be compared.
pub(super) fn strongest(measures: &[Measure]) -> Option<f64> {
    let strengths = measures.iter().filter_map(Measure::strength);
    strengths.max_by(f64::total_cmp)
}

/// Names of the features that drifted, each once.
pub(super) fn affected(measures: &[Measure]) -> Vec<String> {
    let drifted = measures.iter().filter(|one| one.drifted == Some(true));
    let mut names: Vec<String> = drifted.map(|one| one.feature.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
