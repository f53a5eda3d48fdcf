//! Values of settings that are tried.

use homeostat_logic::recommend::RecommendSettings;

use super::super::Failure;

/// Combinations that are tried at most: each reads all events twice.
const COMBINATIONS_MAX: usize = 100;

/// Settings, and what was changed in them.
pub(super) type Combination = (Vec<(String, f64)>, RecommendSettings);

/// A setting and the values that it is to have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// Reads `NAME=A,B,C`.
pub(super) fn change(text: &str) -> Result<Change, String> {
    let form = || "it has the form NAME=A or NAME=A,B,C, with numbers".to_owned();
    let (name, values) = text.split_once('=').ok_or_else(form)?;
    let values: Result<Vec<f64>, _> = values
        .split(',')
        .map(|value| value.trim().parse())
        .collect();
    let values = values.map_err(|_| form())?;
    Ok(Change {
        name: name.trim().replace('-', "_"),
        values,
    })
}

/// Every combination of the values, in order.
pub(super) fn combinations(
    changes: &[Change],
    base: &RecommendSettings,
) -> Result<Vec<Combination>, Failure> {
    let many = changes.iter().try_fold(1_usize, |many, change| {
        many.checked_mul(change.values.len())
    });
    if many.is_none_or(|many| many > COMBINATIONS_MAX) {
        return Err(Failure::Usage(format!(
            "--sweep asks for more than {COMBINATIONS_MAX} combinations; sweep one setting after the other"
        )));
    }
    let mut all: Vec<Combination> = vec![(Vec::new(), base.clone())];
    for change in changes {
        let mut next = Vec::new();
        for (names, settings) in &all {
            for value in &change.values {
                let mut names = names.clone();
                names.push((change.name.clone(), *value));
                next.push((names, super::with(settings, &change.name, *value)?));
            }
        }
        all = next;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_a_setting_and_numbers() {
        let read = change("trend-weight=0, 0.05,.2").unwrap();
        assert_eq!(
            (read.name.as_str(), &read.values[..]),
            ("trend_weight", &[0.0, 0.05, 0.2][..])
        );
        for text in ["trend_weight", "trend_weight=", "trend_weight=a", "x=1,,2"] {
            assert!(change(text).is_err(), "{text}");
        }
    }

    #[test]
    fn several_sweeps_are_combined_and_bounded() {
        let base = RecommendSettings::default();
        let read = |texts: &[&str]| -> Vec<Change> {
            texts.iter().map(|text| change(text).unwrap()).collect()
        };
        let all = combinations(&read(&["prior=1,2", "scored_max=5,10,20"]), &base);
        let all = all.unwrap_or_default();
        assert_eq!(all.len(), 6);
        assert_eq!((all[5].1.prior, all[5].1.scored_max), (2.0, 20));
        assert!(combinations(&read(&["nonsense=1"]), &base).is_err());
        assert!(combinations(&read(&["prior=-1"]), &base).is_err());
        let many = [
            "prior=1,2,3,4,5,6,7,8,9,10,11",
            "scored_max=1,2,3,4,5,6,7,8,9,10",
        ];
        assert!(combinations(&read(&many), &base).is_err());
    }
}
