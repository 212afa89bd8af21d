//! What users read is what the program does: every refusal has its section, and
//! the schema is that of the reports.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground gives way")]
#![expect(clippy::disallowed_methods, reason = "tests read the environment")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use kubectl_milvus::report::{AutoscaleReport, ScaleReport};
use kubectl_milvus::status::report::StatusReport;
use schemars::{Schema, schema_for};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_refusal_has_a_section_and_every_section_a_refusal() {
    let text = fs::read_to_string(Path::new(ROOT).join("docs/refusals.md")).unwrap();
    let sections: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    let documented: BTreeSet<String> = sections.iter().map(|&section| section.to_owned()).collect();
    assert_eq!(sections.len(), documented.len(), "a section stands twice");
    let refusals = refusals();
    let missing: Vec<_> = refusals.difference(&documented).collect();
    let left_over: Vec<_> = documented.difference(&refusals).collect();
    assert!(missing.is_empty(), "docs/refusals.md lacks {missing:?}");
    assert!(left_over.is_empty(), "nothing in src/ refuses with {left_over:?}");
    // The list at the top names each under its heading, in their order.
    let listed: Vec<&str> = text
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .skip_while(|line| !line.starts_with("- ["))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(listed, sections, "the list at the top names others, or in another order");
}

/// Every refusal is induced in an end-to-end test, where its identifier is
/// compared.
#[test]
fn every_refusal_is_shown() {
    // No test can take from the operating system what these need.
    let beyond = ["signals"];
    let folder = Path::new(ROOT).join("tests/e2e");
    let tests: String = sources(&folder).iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let missing: Vec<String> = refusals()
        .into_iter()
        .filter(|id| !beyond.contains(&id.as_str()))
        .filter(|id| !tests.contains(&format!("({id})")) && !tests.contains(&format!("\"{id}\"")))
        .collect();
    assert!(missing.is_empty(), "no end-to-end test shows {missing:?}");
}

/// `UPDATE_SCHEMA=1 cargo test --test documents` writes it anew.
#[test]
fn the_schemas_are_those_of_the_reports() {
    is_committed("scale.json", &schema_for!(ScaleReport));
    is_committed("autoscale.json", &schema_for!(AutoscaleReport));
    is_committed("status.json", &schema_for!(StatusReport));
}

fn is_committed(name: &str, schema: &Schema) {
    let file = Path::new(ROOT).join("docs/schema").join(name);
    let derived = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&file, &derived).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    assert!(committed == derived, "docs/schema/{name} is old: UPDATE_SCHEMA=1 cargo test --test documents");
}

/// The identifiers with which the program's sources refuse, tests left out.
fn refusals() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in sources(&Path::new(ROOT).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for before in ["Failure::new(", "id: Some("] {
            found.extend(code.split(before).skip(1).filter_map(|rest| identifier(rest.trim_start())));
        }
        // There the identifier is data: one for each reason of Kubernetes.
        if file.ends_with("stuck.rs") {
            let literals = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let begins = literals.flat_map(|line| line.match_indices('"').map(|(at, _)| &line[at..]));
            found.extend(begins.filter_map(|rest| {
                let id = identifier(rest)?;
                let after = &rest[id.len() + 2..];
                (after.is_empty() || after.starts_with(", ")).then_some(id)
            }));
        }
    }
    assert!(found.len() > 40, "the sources refuse in another way: {found:?}");
    found
}

/// The literal that a text begins with, if it looks like an identifier.
fn identifier(text: &str) -> Option<String> {
    let (id, _) = text.strip_prefix('"')?.split_once('"')?;
    let fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    fits.then(|| id.to_owned())
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut files: Vec<_> = files.into_iter().filter(|file| !file.to_string_lossy().ends_with("_tests.rs")).collect();
    files.extend(folders.iter().flat_map(|folder| sources(folder)));
    files
}
