//! A manifest asks for nothing that no source file uses.

use std::collections::BTreeSet;

use crate::support::sources::{read, sources};

/// Packages: folder of the manifest, folders of its sources.
const PACKAGES: [(&str, &[&str]); 4] = [
    ("", &["src/", "tests/", "benches/"]),
    ("actors/", &["actors/"]),
    ("logic/", &["logic/"]),
    ("client-patch/", &["client-patch/"]),
];
/// Names in the tables of dependencies of a manifest, also in those of one target.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values);
    let all = targets
        .filter_map(toml::Value::as_table)
        .chain([manifest])
        .flat_map(|table| tables.iter().filter_map(|name| table.get(*name)))
        .filter_map(toml::Value::as_table);
    all.flat_map(toml::Table::keys).cloned().collect()
}

#[test]
fn every_dependency_is_used_by_a_source_file_of_its_package() {
    let (sources, mut all) = (sources(), BTreeSet::new());
    for (folder, roots) in PACKAGES {
        let manifest: toml::Table = read(&format!("{folder}Cargo.toml")).parse().unwrap();
        for name in dependencies(&manifest) {
            let crate_name = name.replace('-', "_");
            // Called, or only linked.
            let mentions = [format!("{crate_name}::"), format!("use {crate_name} as _;")];
            let used = sources
                .iter()
                .filter(|source| roots.iter().any(|root| source.path.starts_with(root)))
                .any(|source| mentions.iter().any(|one| source.text.contains(one)));
            assert!(used, "{folder}Cargo.toml: no source file uses {name}");
            all.insert(name);
        }
    }
    let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
    let shared = workspace["workspace"]["dependencies"].as_table().unwrap();
    let unused: Vec<&String> = shared.keys().filter(|name| !all.contains(*name)).collect();
    assert!(unused.is_empty(), "no package asks for {unused:?}");
}
