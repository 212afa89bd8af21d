//! What a test compares before and after: everything of a namespace that an
//! upgrade could touch, down to the pods' UIDs; and what plain helm does.

use std::collections::BTreeMap;
use std::fs;

use crate::said::{Run, Said};
use crate::sandbox::{Sandbox, chart};

/// Each object, and a mark that moves when it is replaced or changed.
pub type Evidence = BTreeMap<String, String>;

const KINDS: &str = "deployments,statefulsets,services,configmaps,secrets,serviceaccounts,jobs,pods";

/// Every object, every revision and every pod that is not on its way out.
pub fn evidence(sandbox: &Sandbox) -> Evidence {
    let text = sandbox.kubectl(&["get", KINDS, "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let objects = list["items"].as_array().unwrap();
    // What is on its way out is gone; the pods of a Job are one with it.
    let stays = objects.iter().filter(|object| {
        let metadata = &object["metadata"];
        metadata["deletionTimestamp"].is_null() && metadata["ownerReferences"][0]["kind"] != "Job"
    });
    stays
        .map(|object| {
            let metadata = &object["metadata"];
            let kind = object["kind"].as_str().unwrap();
            // The status of these changes by itself.
            let mark = match kind {
                "Pod" | "Job" => String::new(),
                "Deployment" | "StatefulSet" => metadata["generation"].to_string(),
                _ => metadata["resourceVersion"].to_string(),
            };
            let name = format!("{kind} {}", metadata["name"].as_str().unwrap());
            (name, format!("{} {mark}", metadata["uid"]))
        })
        .collect()
}

/// What is not as it was, an object each: `+` is new, `-` is gone, `~` is
/// changed or replaced. Helm's own records are left out.
pub fn moved(before: &Evidence, after: &Evidence) -> String {
    let lines = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let mut lines: Vec<String> = lines
        .filter(|name| !name.starts_with("Secret sh.helm.release."))
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (None, _) => Some(format!("+ {name}")),
            (_, None) => Some(format!("- {name}")),
            (then, now) => (then != now).then(|| format!("~ {name}")),
        })
        .collect();
    lines.sort();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

/// What must be refused with exit 1: nothing has moved, no revision was made,
/// not even a failed one, and standard output is empty.
#[track_caller]
pub fn refused(sandbox: &Sandbox, run: Run) -> String {
    let before = evidence(sandbox);
    let said = run.end();
    unmoved(sandbox, &before, &said);
    said.exits(1);
    assert_eq!(said.stdout, "", "{}", said.stderr);
    said.stderr.clone()
}

/// Nothing has moved, and no revision was made.
#[track_caller]
pub fn unmoved(sandbox: &Sandbox, before: &Evidence, said: &Said) {
    let after = evidence(sandbox);
    assert!(after == *before, "{}\n{said}", moved(before, &after));
}

/// All that a run said, without what it waited for in between.
pub fn without_waiting(said: &Said) -> String {
    let said = said.to_string();
    let lines = said.lines().filter(|line| !line.starts_with("  waiting for "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every revision, a line each.
pub fn history(sandbox: &Sandbox, release: &str) -> String {
    let lines = sandbox.history(release);
    let lines = lines.iter().map(|r| format!("{} {}: {}", r.revision, r.status, r.description));
    lines.collect::<Vec<_>>().join("\n")
}

/// The documented way, at the installed version: how helm ends, and what it
/// says when it fails.
pub fn plain_upgrade(sandbox: &Sandbox, release: &str, version: &str, set: &str) -> String {
    let (chart, version) = chart(version);
    let words = ["upgrade", release, &chart, "--version", &version, "--reuse-values", "--set", set];
    let output = sandbox.command("helm", &words).output().unwrap();
    match output.status.code() {
        Some(0) => "exit 0".to_owned(),
        code => format!("exit {}\n{}", code.unwrap(), String::from_utf8(output.stderr).unwrap()),
    }
}

/// Waits until every Deployment of the namespace has the pods it wants.
pub fn settled(sandbox: &Sandbox) {
    sandbox.kubectl(&["rollout", "status", "deployment", "--timeout=60s"]);
    sandbox.until("no pod is terminating", || sandbox.pods("").iter().all(|pod| !pod.terminating));
}

/// Creates an object.
pub fn create(sandbox: &Sandbox, object: &serde_json::Value) {
    let file = sandbox.home().join("object.json");
    fs::write(&file, object.to_string()).unwrap();
    sandbox.kubectl(&["create", "--filename", &file.display().to_string()]);
}

/// The live count of a Deployment.
pub fn count(sandbox: &Sandbox, deployment: &str) -> u64 {
    sandbox.deployments()[deployment].replicas
}
