//! The layers of the source tree: imports run from the top to the foot, and no modules import each other in a
//! circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the top to the foot: a module imports only from modules behind it in this list.
const LAYERS: [&str; 17] = [
    "main", "cli", "run", "evaluate", "config", "report", "state", "detect", "forest", "group",
    "generate", "series", "format", "input", "storage", "runtime", "support",
];

/// Modules by path (`detect::tail`), each with the paths that it names, tests left out.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().with_extension("");
                let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
                let parts = match parts.split_last() {
                    Some((&"mod", folder)) => folder,
                    Some((&"tests", _)) => continue,
                    _ => &parts[..],
                };
                if parts != ["lib"] {
                    let code = without_tests(&fs::read_to_string(&path).unwrap());
                    modules.insert(parts.join("::"), named_paths(&code, parts));
                }
            }
        }
    }
    modules
}

/// The code above the module of tests, without comments.
fn without_tests(text: &str) -> String {
    let code = text
        .split("\n#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or(text);
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path that starts with `crate::` or `super::`, from the crate's root, with groups spread out.
fn named_paths(code: &str, module: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::", "isoscan::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let mut base: Vec<String> = Vec::new();
            let mut rest = &code[at..];
            if start == "super::" {
                base = module.iter().map(|part| (*part).to_owned()).collect();
                while let Some(behind) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = behind;
                }
            } else {
                rest = &rest[start.len()..];
            }
            spread(&base, rest, &mut found);
        }
    }
    found
}

fn spread(base: &[String], text: &str, found: &mut BTreeSet<String>) {
    let name: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let behind = &text[name.len()..];
    let mut path = base.to_vec();
    if !name.is_empty() && name != "self" {
        path.push(name);
    }
    if let Some(group) = behind
        .strip_prefix("::")
        .or(Some(behind))
        .filter(|b| b.starts_with('{'))
    {
        let (mut depth, mut item) = (0, 1);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                let one = group[item..at].trim();
                if !one.is_empty() {
                    spread(&path, one, found);
                }
                item = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    } else if let Some(deeper) = behind.strip_prefix("::") {
        spread(&path, deeper, found);
    } else {
        found.insert(path.join("::"));
    }
}

/// The longest front of `path` that is a module.
fn module_of<'a>(path: &'a str, modules: &BTreeMap<String, BTreeSet<String>>) -> Option<&'a str> {
    let mut front = path;
    loop {
        if modules.contains_key(front) {
            return Some(front);
        }
        front = &front[..front.rfind("::")?];
    }
}

#[test]
fn imports_run_from_the_top_to_the_foot_of_the_tree() {
    let modules = imports();
    let layer = |module: &str| {
        let top = module.split("::").next().unwrap();
        LAYERS
            .iter()
            .position(|layer| *layer == top)
            .unwrap_or_else(|| panic!("{top} is in no layer"))
    };
    let mut wrong = Vec::new();
    for (module, paths) in &modules {
        for path in paths.iter().filter_map(|path| module_of(path, &modules)) {
            if layer(path) < layer(module) {
                wrong.push(format!("{module} imports {path}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Rooms and those beside them that they name, for each folder.
#[test]
fn no_modules_import_each_other_in_a_circle() {
    let modules = imports();
    let mut beside: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (module, paths) in &modules {
        for path in paths.iter().filter_map(|path| module_of(path, &modules)) {
            let (from, to): (Vec<&str>, Vec<&str>) =
                (module.split("::").collect(), path.split("::").collect());
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(a), Some(b)) = (from.get(shared), to.get(shared)) {
                let folder = from[..shared].join("::");
                beside
                    .entry((folder, (*a).to_owned()))
                    .or_default()
                    .insert((*b).to_owned());
            }
        }
    }
    let mut circles = Vec::new();
    for (folder, start) in beside.keys() {
        let mut reached: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![start.as_str()];
        while let Some(room) = open.pop() {
            for next in beside
                .get(&(folder.clone(), room.to_owned()))
                .into_iter()
                .flatten()
            {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        if reached.contains(start.as_str()) {
            circles.push(format!("{folder}::{start} leads back to itself"));
        }
    }
    assert_eq!(circles, Vec::<String>::new());
}

#[test]
fn a_group_of_imports_is_spread_out() {
    let found = named_paths(
        "use crate::a::{self, b::{C, d}, E};\nuse super::x::Y;",
        &["m", "n"],
    );
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["a", "a::E", "a::b::C", "a::b::d", "m::x::Y"]);
}

#[test]
fn every_file_that_the_readme_links_to_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "data/README.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let folder = root.join(page).parent().unwrap().to_path_buf();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.starts_with("http")) {
            assert!(folder.join(link).exists(), "{page}: {link}");
        }
    }
}
