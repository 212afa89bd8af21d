//! The Role of docs/guide.md: it is enough for an account that has nothing else,
//! and nothing in it is superfluous.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::said::Run;
use crate::sandbox::{Helm, Sandbox};
use crate::with_each_helm;

const CHART: &str = "5.0.17";

with_each_helm!(it_grows_and_shrinks_with_it);

/// Without these it goes on, and says what it could not look at.
const BETTER_WITH: [&str; 5] =
    ["watch pods", "list statefulsets", "list horizontalpodautoscalers", "get pods/proxy", "list events"];

fn it_grows_and_shrinks_with_it(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.helm(&["install", "rel", "milvus/milvus", "--version", CHART, "--wait"]);
    sandbox.jobs_end();
    apply_all(&sandbox, &guide(&sandbox));
    for words in ["rel querynode=2 proxy=2", "rel querynode=1 proxy=1"] {
        let said = as_the_account(&sandbox, words).end();
        said.exits(0);
        assert!(!said.stderr.contains("may not"), "{said}");
    }
}

/// Each right is taken away once: nothing is done then, and the right is named.
#[test]
fn each_right_of_it_is_needed() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.helm(&["install", "rel", "milvus/milvus", "--version", CHART, "--set", "queryNode.replicas=2", "--wait"]);
    sandbox.jobs_end();
    let objects = guide(&sandbox);
    apply_all(&sandbox, &objects);
    let role = objects.iter().find(|object| object["kind"] == "Role").unwrap();
    let scale = || as_the_account(&sandbox, "rel querynode=1");
    let before = sandbox.state();
    let all = lesser(role);
    for (without, right) in &all {
        if BETTER_WITH.contains(&right.as_str()) {
            continue;
        }
        apply_all(&sandbox, std::slice::from_ref(without));
        let said = scale().end();
        assert_eq!(sandbox.state(), before, "without `{right}`: {said}");
        let (verb, resource) = right.split_once(' ').unwrap();
        let named = said.stderr.contains("(forbidden)") && said.stderr.contains(verb) && said.stderr.contains(resource);
        assert!(said.code == Some(1) && named, "without `{right}`: {said}");
    }

    let missing = BETTER_WITH.iter().filter(|right| !all.iter().any(|(_, known)| known == *right)).count();
    assert_eq!(missing, 0, "the role does not have them");
    let without_all = BETTER_WITH
        .iter()
        .fold(role.clone(), |role, right| lesser(&role).into_iter().find(|(_, known)| known == right).unwrap().0);
    apply_all(&sandbox, &[without_all]);
    let said = scale().end();
    said.exits(0);
    for unseen in [
        "you may not list `horizontalpodautoscalers.autoscaling`",
        "you may not get `pods/proxy`",
        "you may not list `statefulsets.apps`",
    ] {
        assert!(said.stderr.contains(unseen), "{said}");
    }
}

/// The role without one verb on one resource, for each, and what is missing.
fn lesser(role: &Value) -> Vec<(Value, String)> {
    let mut all = Vec::new();
    for (at, rule) in role["rules"].as_array().unwrap().iter().enumerate() {
        let (resources, verbs) = (rule["resources"].as_array().unwrap(), rule["verbs"].as_array().unwrap());
        for resource in resources {
            for verb in verbs {
                let mut less = role.clone();
                let rules = less["rules"].as_array_mut().unwrap();
                let rest = |all: &[Value], one: &Value| -> Value {
                    all.iter().filter(|other| *other != one).cloned().collect()
                };
                let mut others = rule.clone();
                others["resources"] = rest(resources, resource);
                let mut fewer = rule.clone();
                fewer["resources"] = json!([resource]);
                fewer["verbs"] = rest(verbs, verb);
                rules.splice(at..=at, [others, fewer]);
                rules.retain(|rule| rule["resources"] != json!([]) && rule["verbs"] != json!([]));
                all.push((less, format!("{} {}", verb.as_str().unwrap(), resource.as_str().unwrap())));
            }
        }
    }
    assert!(all.len() > 10, "{role}");
    all
}

/// The objects of the guide's `role.yaml`, in the test's namespace.
fn guide(sandbox: &Sandbox) -> Vec<Value> {
    let guide = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide.md")).unwrap();
    let (_, after) = guide.split_once("```yaml\n# role.yaml\n").expect("the guide has a role.yaml");
    let (text, _) = after.split_once("\n```").unwrap();
    let text = text.replace("namespace: default", &format!("namespace: {}", sandbox.namespace));
    text.split("\n---\n").map(|object| serde_saphyr::from_str(object).unwrap()).collect()
}

fn apply_all(sandbox: &Sandbox, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let mut kubectl = sandbox.command("kubectl", &["apply", "-f", "-"]);
    let mut kubectl = kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    kubectl.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
    assert!(kubectl.wait().unwrap().success(), "{list}");
}

/// A run with the account's own token, and nobody else's rights.
fn as_the_account(sandbox: &Sandbox, words: &str) -> Run {
    let token = sandbox.kubectl(&["create", "token", "milvus-scaler"]);
    let config = fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let (before, after) = config.split_once("users:").unwrap();
    let user = after.lines().find_map(|line| line.trim().trim_start_matches("- ").strip_prefix("name: ")).unwrap();
    let rest = after.split_once("contexts:").map_or("", |(_, rest)| rest);
    let own = format!("{before}users:\n- name: {user}\n  user: {{token: {token}}}\ncontexts:{rest}");
    let file = sandbox.home().join("account");
    fs::write(&file, own).unwrap();
    sandbox.milvus(&format!("scale {words} --kubeconfig")).word(file.to_str().unwrap())
}
