//! The house rules that a compiler does not check: what may be depended on and by whom, what every file looks like, and that
//! the documents say what the code is. Needs neither a network nor further tools.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, too, end at the first surprise"
)]

mod circles;
mod dependencies;
mod documents;
mod words;
#[path = "../support"]
mod support {
    pub(crate) mod sources;
}

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use homeostat::metrics::inventory::{INVENTORY, PROCESS};
use homeostat_logic::topic::Role;
use serde_json::Value;

use support::sources::{Source, between, read, sources};

/// Longest source file, tests too, in lines.
const LINES_MAX: usize = 500;

/// Packages that logic must never need, nor anything below it: they do IO, read clocks, or bring an executor.
const NOT_IN_LOGIC: [&str; 12] = [
    "actix",
    "actix-rt",
    "actix-web",
    "fjall",
    "hyper",
    "mio",
    "rand",
    "rdkafka",
    "reqwest",
    "tempfile",
    "tokio",
    "uuid",
];
/// Packages that talk to the world and have no place in actors.
const NOT_IN_ACTORS: [&str; 7] = [
    "actix-web",
    "clap",
    "fjall",
    "hyper",
    "prometheus",
    "rdkafka",
    "reqwest",
];

/// What Cargo knows of the whole dependency graph.
struct Graph {
    packages: Vec<Value>,
    nodes: BTreeMap<String, Value>,
}

impl Graph {
    fn load() -> Self {
        // Of this platform only: what others need has not been downloaded.
        let host = run(Command::new("rustc").arg("-vV"));
        let host = host.lines().find_map(|line| line.strip_prefix("host: "));
        let arguments = ["metadata", "--offline", "--locked", "--format-version", "1"];
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(arguments)
            .args(["--filter-platform", host.unwrap()]);
        let metadata: Value = serde_json::from_str(&run(&mut cargo)).unwrap();
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
        Self {
            packages: metadata["packages"].as_array().unwrap().clone(),
            nodes: nodes
                .iter()
                .map(|node| (text(&node["id"]), node.clone()))
                .collect(),
        }
    }

    fn package(&self, name: &str) -> &Value {
        self.packages
            .iter()
            .find(|package| package["name"] == name)
            .unwrap()
    }

    fn name_of(&self, id: &str) -> String {
        let package = self
            .packages
            .iter()
            .find(|package| package["id"] == id)
            .unwrap();
        text(&package["name"])
    }

    /// Direct dependencies that end up in the product: not those of tests and build scripts.
    fn direct(&self, id: &str) -> Vec<String> {
        let normal = |dependency: &&Value| {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            kinds.iter().any(|kind| kind["kind"].is_null())
        };
        let dependencies = self.nodes[id]["deps"].as_array().unwrap();
        dependencies
            .iter()
            .filter(normal)
            .map(|dependency| text(&dependency["pkg"]))
            .collect()
    }

    /// Names of everything a package needs, directly or not.
    fn closure(&self, name: &str) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![text(&self.package(name)["id"])]);
        while let Some(id) = open.pop() {
            for dependency in self.direct(&id) {
                if seen.insert(dependency.clone()) {
                    open.push(dependency);
                }
            }
        }
        seen.iter().map(|id| self.name_of(id)).collect()
    }
}

/// What a command prints.
fn run(command: &mut Command) -> String {
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn texts(value: &toml::Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn deny() -> toml::Table {
    read("deny.toml").parse().unwrap()
}

/// Whether one of the alternatives of an SPDX expression is allowed in full. The old `A/B` means `A OR B`.
fn licence_is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let expression = expression.trim();
    let parts = |separator: &str| split_outside_brackets(expression, separator);
    let (any, all, old) = (parts(" OR "), parts(" AND "), parts("/"));
    if any.len() > 1 {
        return any.iter().any(|part| licence_is_allowed(part, allowed));
    }
    if all.len() > 1 {
        return all.iter().all(|part| licence_is_allowed(part, allowed));
    }
    if old.len() > 1 {
        return old.iter().any(|part| licence_is_allowed(part, allowed));
    }
    match expression
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
    {
        Some(inner) => licence_is_allowed(inner, allowed),
        None => allowed(expression),
    }
}

fn split_outside_brackets<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_i32);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && index >= start && text[index..].starts_with(separator) {
            parts.push(&text[start..index]);
            start = index + separator.len();
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn licence_expressions_are_read_as_spdx_does() {
    let allowed = |licence: &str| ["MIT", "ISC", "Zlib"].contains(&licence);
    let cases = [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 / MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(GPL-2.0 OR GPL-3.0) AND ISC", false),
        ("MIT OR (GPL-3.0 AND ISC)", true),
        ("MIT WITH exception", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(
            licence_is_allowed(expression, &allowed),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn every_dependency_has_an_allowed_licence_and_comes_from_the_registry() {
    let (graph, deny) = (Graph::load(), deny());
    let allow = texts(&deny["licenses"]["allow"]);
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let registries: Vec<String> = texts(&deny["sources"]["allow-registry"]);
    let registries: Vec<String> = registries
        .iter()
        .map(|url| format!("registry+{url}"))
        .collect();
    for package in &graph.packages {
        let name = text(&package["name"]);
        let own: Vec<String> = exceptions
            .iter()
            .filter(|exception| exception["crate"].as_str() == Some(&name))
            .flat_map(|exception| texts(&exception["allow"]))
            .collect();
        let allowed = |licence: &str| allow.iter().chain(&own).any(|one| one == licence.trim());
        let licence = text(&package["license"]);
        assert!(
            licence_is_allowed(&licence, &allowed),
            "{name}: {licence} is not allowed by deny.toml"
        );
        match package["source"].as_str() {
            Some(source) => assert!(
                registries.iter().any(|one| one == source),
                "{name} comes from {source}"
            ),
            None => assert!(name.starts_with("homeostat"), "{name} is a path dependency"),
        }
    }
    assert!(graph.packages.len() > 100, "the whole graph was looked at");
}

#[test]
fn banned_packages_are_not_depended_on() {
    let (graph, deny) = (Graph::load(), deny());
    for ban in deny["bans"]["deny"].as_array().unwrap() {
        let name = ban["crate"].as_str().unwrap();
        let wrappers = ban.get("wrappers").map(texts).unwrap_or_default();
        for node in graph.nodes.values() {
            let by = graph.name_of(node["id"].as_str().unwrap());
            let dependencies = node["deps"].as_array().unwrap();
            let uses = dependencies
                .iter()
                .any(|one| graph.name_of(one["pkg"].as_str().unwrap()) == name);
            assert!(
                !uses || wrappers.contains(&by),
                "{by} depends on {name}, which deny.toml bans"
            );
        }
    }
}

#[test]
fn the_layers_depend_only_downwards() {
    let graph = Graph::load();
    let cases: [(&str, &[&str]); 2] = [
        ("homeostat-logic", &NOT_IN_LOGIC),
        ("homeostat-actors", &NOT_IN_ACTORS),
    ];
    for (package, unwanted) in cases {
        let needs = graph.closure(package);
        let found: Vec<&&str> = unwanted
            .iter()
            .filter(|name| needs.contains(**name))
            .collect();
        assert!(found.is_empty(), "{package} needs {found:?}");
    }
    let homeostat = |name: &str| -> Vec<String> {
        graph
            .closure(name)
            .into_iter()
            .filter(|name| name.starts_with("homeostat"))
            .collect()
    };
    assert_eq!(homeostat("homeostat-logic"), [] as [&str; 0]);
    assert_eq!(homeostat("homeostat-actors"), ["homeostat-logic"]);
    // The lists above would say nothing if names were mistyped: each is a package that exists in the graph, or is not wanted.
    assert!(
        graph.closure("homeostat").contains("rdkafka"),
        "the closure follows dependencies"
    );
}

#[test]
fn every_source_file_says_its_role_first_and_stays_short() {
    for Source { path, text, .. } in sources() {
        assert!(
            text.starts_with("//!"),
            "{path} does not open with its role in `//!`"
        );
        let lines = text.lines().count();
        assert!(
            lines <= LINES_MAX,
            "{path} has {lines} lines, more than {LINES_MAX}"
        );
    }
}

/// Unit tests are those beside the code, and all of logic, which has no clock.
#[test]
fn no_unit_test_sleeps() {
    let mut looked_at = 0;
    for Source {
        path,
        text,
        is_test,
    } in sources()
    {
        let is_logic = path.starts_with("logic/");
        if path.starts_with("benches/") || (is_test && !is_logic && !path.contains("src/")) {
            continue;
        }
        let tests = match text.find("\nmod tests {") {
            Some(start) if !is_test && !is_logic => &text[start..],
            None if !is_test && !is_logic => continue,
            _ => &text,
        };
        looked_at += 1;
        // Paused time passes at once when nothing else is to be done.
        let sleeps = tests.contains("sleep(") && !tests.contains("start_paused = true");
        assert!(!sleeps, "{path} sleeps in a unit test");
    }
    assert!(looked_at > 50, "{looked_at} files with unit tests");
}

#[test]
fn nothing_is_left_undone_and_no_test_is_switched_off() {
    // In two parts, so that this file does not name what it looks for.
    let unwanted = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[", "ignore"),
        concat!("#[", "should_panic"),
        concat!("dbg", "!("),
    ];
    for Source { path, text, .. } in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            for word in unwanted {
                assert!(!line.contains(word), "{path}:{number} has {word}");
            }
        }
    }
}

#[test]
fn the_page_on_metrics_lists_every_metric() {
    let page = read("docs/metrics.md");
    let table = between(&page, "metrics").expect("docs/metrics.md has no <!-- metrics --> table");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::trim)
        .collect();
    let expected: Vec<String> = INVENTORY
        .iter()
        .chain(&PROCESS)
        .map(|family| {
            let labels: Vec<String> = family
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            let labels = labels.join(", ");
            format!(
                "| `{}` | {} | {labels} | {} |",
                family.name,
                family.kind.name(),
                family.help
            )
        })
        .collect();
    assert_eq!(
        rows,
        expected,
        "the table should read:\n{}",
        expected.join("\n")
    );
}

#[test]
fn the_page_on_operating_names_every_kind_of_actor() {
    let page = read("docs/operating.md");
    let table = between(&page, "actors").expect("docs/operating.md has no <!-- actors --> table");
    let kinds = Role::ALL.map(Role::name).into_iter().chain([
        "partition",
        "cooldown",
        "executor",
        "keeper",
        "ingest",
    ]);
    let kinds: BTreeSet<&str> = kinds.collect();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<&str>>(), kinds);
    // The kinds that are not roles, as the tree names them.
    let roster = read("actors/src/roster.rs")
        + &read("actors/src/assignment.rs")
        + &read("actors/src/kinds/ingest.rs");
    for kind in kinds
        .iter()
        .filter(|kind| Role::ALL.iter().all(|role| role.name() != **kind))
    {
        assert!(
            roster.contains(&format!("\"{kind}\"")),
            "no actor of kind {kind} is started"
        );
    }
}

#[test]
fn two_files_alone_contain_unsafe_code() {
    // Put together here, so that this file does not name them.
    let word = ["un", "safe"].concat();
    let marks = ["{", "fn", "impl", "extern"].map(|what| format!("{word} {what}"));
    let contains = |source: &&Source| {
        let mut lines = source.text.lines().map(str::trim_start);
        lines.any(|line| !line.starts_with("//") && marks.iter().any(|mark| line.contains(mark)))
    };
    let all = sources();
    let names: Vec<_> = all
        .iter()
        .filter(contains)
        .map(|one| one.path.as_str())
        .collect();
    let allowed = ["admin_events", "raw_headers"].map(|file| format!("src/log/kafka/{file}.rs"));
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, allowed);
}
