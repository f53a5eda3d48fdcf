//! Places in a list, counted one by one where people look, and together below.

use serde::{Deserialize, Serialize};

/// A place, or several together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u8);

/// Last places of those that are counted together, behind the tenth.
const TOGETHER: [(u32, &str); 3] = [(20, "11-20"), (50, "21-50"), (u32::MAX, "51+")];
/// The last place that is counted alone.
const ALONE: u8 = 10;

impl Position {
    /// Places that have no room of their own.
    pub const OTHER: Self = Self(0);

    /// Of a place in a list, the first being 1.
    pub fn of(place: u32) -> Self {
        if let Ok(alone) = u8::try_from(place)
            && alone <= ALONE
        {
            return Self(alone);
        }
        let behind = TOGETHER.iter().position(|(last, _)| place <= *last);
        let behind = behind.and_then(|index| u8::try_from(index).ok());
        Self(behind.map_or(0, |index| ALONE + 1 + index))
    }

    /// What people read: `1` to `10`, `11-20`, `21-50`, `51+`, `other`.
    pub fn label(self) -> String {
        if (1..=ALONE).contains(&self.0) {
            return self.0.to_string();
        }
        let behind = self.0.checked_sub(ALONE + 1);
        let together = behind.and_then(|index| TOGETHER.get(usize::from(index)));
        together.map_or("other", |(_, label)| label).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_alone_up_to_the_tenth() {
        let cases = [
            (0, "other"),
            (1, "1"),
            (10, "10"),
            (11, "11-20"),
            (20, "11-20"),
            (21, "21-50"),
            (50, "21-50"),
            (51, "51+"),
            (u32::MAX, "51+"),
        ];
        for (place, label) in cases {
            assert_eq!(Position::of(place).label(), label, "{place}");
        }
    }
}
