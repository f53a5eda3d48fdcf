//! Moments of a ratio over users: from them follow the ratio and its variance, in which a user with many impressions is one
//! user. They add up between shards, in any order, exactly as long as they are whole numbers below 2^53.

use serde::{Deserialize, Serialize};

/// What one user has contributed to a ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Below the line, such as items shown. Never negative.
    pub below: f64,
    /// Above the line, such as clicks. Never negative.
    pub above: f64,
}

/// Sums over users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 7]", from = "[f64; 7]")]
pub struct Ratio {
    /// Users with something below the line.
    pub users: f64,
    /// Of these, users with something above it.
    pub converted: f64,
    /// Sum below the line.
    pub below: f64,
    /// Sum above the line.
    pub above: f64,
    /// Sum of squares below the line.
    pub below_below: f64,
    /// Sum of products.
    pub below_above: f64,
    /// Sum of squares above the line.
    pub above_above: f64,
}

impl From<Ratio> for [f64; 7] {
    fn from(one: Ratio) -> Self {
        [
            one.users,
            one.converted,
            one.below,
            one.above,
            one.below_below,
            one.below_above,
            one.above_above,
        ]
    }
}

impl From<[f64; 7]> for Ratio {
    fn from(sums: [f64; 7]) -> Self {
        let [
            users,
            converted,
            below,
            above,
            below_below,
            below_above,
            above_above,
        ] = sums;
        Self {
            users,
            converted,
            below,
            above,
            below_below,
            below_above,
            above_above,
        }
    }
}

impl Ratio {
    /// A user's contribution becomes another.
    pub fn change(&mut self, before: Part, after: Part) {
        let became = |before: f64, after: f64| f64::from(u8::from(before == 0.0 && after > 0.0));
        let grown = |of: fn(Part) -> f64| of(after) - of(before);
        self.users += became(before.below, after.below);
        self.converted += became(before.above, after.above);
        self.below += grown(|part| part.below);
        self.above += grown(|part| part.above);
        self.below_below += grown(|part| part.below * part.below);
        self.below_above += grown(|part| part.below * part.above);
        self.above_above += grown(|part| part.above * part.above);
    }

    /// Adds the sums of other users.
    pub fn add(&mut self, other: &Self) {
        let (own, others) = (<[f64; 7]>::from(*self), <[f64; 7]>::from(*other));
        let mut sums = own;
        for (sum, more) in sums.iter_mut().zip(others) {
            *sum += more;
        }
        *self = sums.into();
    }

    /// The ratio, once there is something below the line.
    pub fn value(&self) -> Option<f64> {
        (self.below > 0.0).then(|| self.above / self.below)
    }

    /// Variance of the ratio as an estimate, by the delta method with users as units (Deng, Knoblich & Lu 2018): the mean
    /// square of `above - value * below` over users, divided by the number of users and the square of the mean below the line.
    pub fn variance(&self) -> Option<f64> {
        let value = self.value()?;
        if self.users < 2.0 {
            return None;
        }
        let squares =
            self.above_above - 2.0 * value * self.below_above + value * value * self.below_below;
        let variance =
            self.users / (self.users - 1.0) * squares.max(0.0) / (self.below * self.below);
        variance.is_finite().then_some(variance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(users: &[(u32, u32)]) -> Ratio {
        let mut ratio = Ratio::default();
        for (below, above) in users {
            let after = Part {
                below: f64::from(*below),
                above: f64::from(*above),
            };
            ratio.change(Part::default(), after);
        }
        ratio
    }

    #[test]
    fn users_with_equal_impressions_have_the_variance_of_their_mean() {
        // Clicks 0, 1, 2, 5 of 10 each: mean 0.2, sample variance of the rates .0466667, divided by 4.
        let ratio = of(&[(10, 0), (10, 1), (10, 2), (10, 5)]);
        assert_eq!(ratio.value(), Some(0.2));
        assert!((ratio.variance().unwrap() - 0.046_666_666_7 / 4.0).abs() < 1e-9);
        assert_eq!((ratio.users, ratio.converted), (4.0, 3.0));
    }

    #[test]
    fn nothing_has_no_ratio_and_one_user_no_variance() {
        assert_eq!(Ratio::default().value(), None);
        assert_eq!(of(&[(3, 1)]).variance(), None);
    }

    proptest! {
        #[test]
        fn steps_and_shards_do_not_matter(
            users in prop::collection::vec(prop::collection::vec((0_u32..50, 0_u32..50), 0..6), 0..20),
            split in 0_usize..20,
        ) {
            let (mut one, mut left, mut right) = (Ratio::default(), Ratio::default(), Ratio::default());
            let mut last = Vec::new();
            for (index, steps) in users.iter().enumerate() {
                let mut part = Part::default();
                for (below, above) in steps {
                    let after = Part { below: part.below + f64::from(*below), above: part.above + f64::from(*above) };
                    one.change(part, after);
                    if index < split { left.change(part, after) } else { right.change(part, after) }
                    part = after;
                }
                last.push(part);
            }
            let mut at_once = Ratio::default();
            for part in last {
                at_once.change(Part::default(), part);
            }
            left.add(&right);
            prop_assert_eq!(one, at_once);
            prop_assert_eq!(one, left);
        }
    }
}
