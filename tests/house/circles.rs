//! No two modules of a folder use each other, directly or through others: a reader can start at one that uses none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Folders that may have circles, each with the reason.
const ALLOWED: [(&str, &str); 1] = [(
    "actors/src/supervision",
    "a supervisor, its cells and their addresses are one mechanism in several files",
)];

#[test]
fn no_modules_of_a_folder_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut circles = Vec::new();
    for package in ["logic/src", "actors/src", "src"] {
        for folder in folders(&root.join(package)) {
            let name = folder
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if !ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
                let found = circle(&uses(&root.join(package), &folder));
                circles.extend(found.map(|circle| format!("{name}: {}", circle.join(" → "))));
            }
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_circle_is_found_however_long() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
        for (from, to) in edges {
            graph
                .entry((*from).to_owned())
                .or_default()
                .insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])), None);
    let found = circle(&graph(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap();
    assert_eq!(found, ["b", "c", "b"]);
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let below = entries
        .filter(|path| path.is_dir())
        .flat_map(|path| folders(&path));
    std::iter::once(folder.to_owned()).chain(below).collect()
}

/// Which modules of a folder use which others of it, wherever in them.
fn uses(package: &Path, folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let place = module_of(package, folder);
    let mut graph = BTreeMap::new();
    for file in sources(folder) {
        let own = module_of(package, &file);
        let Some(name) = own.get(place.len()) else {
            continue;
        };
        let used = used(&file, &own);
        let used = used.iter().filter(|path| path.starts_with(&place));
        let used = used.filter_map(|path| path.get(place.len()));
        let entry: &mut BTreeSet<String> = graph.entry(name.clone()).or_default();
        entry.extend(used.filter(|used| *used != name).cloned());
    }
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for used in graph.values_mut() {
        used.retain(|used| modules.contains(used));
    }
    graph
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    });
    let is_test = |path: &Path| {
        path.components()
            .any(|part| part.as_os_str().to_str().unwrap().starts_with("tests"))
    };
    sources
        .filter(|path| {
            path.extension().is_some_and(|end| end == "rs")
                && !is_test(path.strip_prefix(folder).unwrap())
        })
        .collect()
}

fn module_of(package: &Path, path: &Path) -> Vec<String> {
    let path = path.strip_prefix(package).unwrap().with_extension("");
    let parts = path
        .components()
        .map(|part| part.as_os_str().to_str().unwrap().to_owned());
    parts
        .filter(|part| !["mod", "lib", "main"].contains(&part.as_str()))
        .collect()
}

/// Paths that a file names, from the root of its package.
fn used(file: &Path, own: &[String]) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for (start, root) in ["crate::", "self::", "super::"]
        .iter()
        .flat_map(|root| text.match_indices(root))
    {
        let before = text[..start].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || ":_".contains(before)) {
            continue;
        }
        let mut rest = &text[start..];
        let mut base = if root == "crate::" {
            Vec::new()
        } else {
            own.to_vec()
        };
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        rest = rest
            .trim_start_matches("crate::")
            .trim_start_matches("self::");
        for path in branches(rest) {
            paths.push(base.iter().cloned().chain(path).collect());
        }
    }
    paths
}

/// `a::{b, c::d}` as `a::b` and `a::c`: no test needs to look deeper into braces.
fn branches(text: &str) -> Vec<Vec<String>> {
    let end = text
        .find(|one: char| !(one.is_alphanumeric() || "_:".contains(one)))
        .unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    let path: Vec<String> = path
        .split("::")
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let Some(inside) = rest
        .strip_prefix('{')
        .and_then(|rest| rest.split_once("};"))
    else {
        return vec![path];
    };
    let names = inside
        .0
        .split(|one: char| !(one.is_alphanumeric() || one == '_'));
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| path.iter().cloned().chain([name.to_owned()]).collect())
        .collect()
}

/// A circle, with its first module again at the end.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    graph
        .keys()
        .find_map(|start| way(graph, start, &mut vec![start.clone()]))
}

fn way(
    graph: &BTreeMap<String, BTreeSet<String>>,
    start: &str,
    path: &mut Vec<String>,
) -> Option<Vec<String>> {
    let next = graph.get(path.last().unwrap())?;
    for used in next {
        path.push(used.clone());
        if used == start {
            return Some(path.clone());
        }
        let seen = path[..path.len() - 1].contains(used);
        if !seen && let Some(found) = way(graph, start, path) {
            return Some(found);
        }
        path.pop();
    }
    None
}
