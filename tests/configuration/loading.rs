//! Configurations made of a text and variables, and their faults as printed.

use std::collections::BTreeMap;

use homeostat::configuration::{Configuration, Fault, load};

pub(crate) fn with(text: &str, environment: &[(&str, &str)]) -> Result<Configuration, Vec<Fault>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.toml");
    std::fs::write(&path, text).unwrap();
    load(&[path], owned(environment))
}

pub(crate) fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Faults as printed, without the temporary folder.
pub(crate) fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let faults = with(text, environment).expect_err("the configuration has a fault");
    faults
        .iter()
        .map(|fault| {
            let text = fault.to_string();
            match text.find("site.toml:") {
                Some(at) => text[at..].to_owned(),
                None => text,
            }
        })
        .collect()
}

pub(crate) fn loaded(text: &str, environment: &[(&str, &str)]) -> Configuration {
    match with(text, environment) {
        Ok(configuration) => configuration,
        Err(faults) => panic!("{faults:#?}"),
    }
}

pub(crate) fn collect(name: &str, value: &toml::Value, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                collect(&format!("{name}__{}", key.to_uppercase()), value, into);
            }
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}
