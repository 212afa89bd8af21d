//! A way down that is interrupted at any step goes on, or back, with the
//! command that was named; nothing is half done.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::answering::{answers, feels};
use crate::said::{Said, signal};
use crate::sandbox::{Helm, NEWEST, Sandbox};

/// Five query nodes on the way to two.
fn five(terminates_after: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::with(Helm::V4)?;
    sandbox.behave(&format!("querynode.terminates-after={terminates_after}"));
    sandbox.install("rel", NEWEST, "queryNode.replicas=5");
    Some(sandbox)
}

/// The commands that a report names: on, and back.
fn ways(said: &Said) -> (String, String) {
    let hint = said.stderr.lines().next_back().unwrap();
    let named: Vec<&str> = hint.split('`').filter_map(|part| part.strip_prefix("kubectl milvus scale ")).collect();
    let [on, back] = named[..] else { panic!("{said}") };
    (on.to_owned(), back.to_owned())
}

#[track_caller]
fn ends_at(sandbox: &Sandbox, way: &str, count: u64) {
    sandbox.scale(&format!("{way} --settle 0s")).exits(0);
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, count);
    let pods = sandbox.pods("component=querynode");
    assert_eq!(pods.iter().filter(|pod| pod.ready && !pod.terminating).count() as u64, count, "{pods:#?}");
    assert!(sandbox.history("rel").iter().all(|revision| !revision.status.starts_with("pending")));
}

#[test]
fn interrupted_while_a_pod_leaves() {
    for (step, seen, name, code) in [("[1/3]", "of 4 ready", "INT", 130), ("[2/3]", "of 3 ready", "TERM", 143)] {
        let Some(sandbox) = five("10s") else { return };
        let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says(step).until_it_says(seen);
        let said = run.signal_and_end(name);
        said.exits(code);
        let (on, back) = ways(&said);
        match name {
            "INT" => ends_at(&sandbox, &back, 5),
            _ => ends_at(&sandbox, &on, 2),
        }
    }
}

#[test]
fn interrupted_at_the_gate_after_a_step() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    answers(&sandbox, "2.6.17");
    sandbox.install("rel", NEWEST, "queryNode.replicas=5,image.all.tag=v2.6.17");
    feels(&sandbox, "rebalancing:1h");
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("waiting: load-configuration");
    let said = run.signal_and_end("INT");
    said.exits(130);
    assert!(said.stderr.contains("interrupted after 1 of 3 steps"), "{said}");
    assert_eq!(sandbox.revision("rel"), 2);
    feels(&sandbox, "healthy");
    ends_at(&sandbox, &ways(&said).1, 5);
}

/// A signal between the deletion and the upgrade does not come between them.
#[test]
fn interrupted_between_the_deletion_and_the_upgrade() {
    let Some(sandbox) = five("3s") else { return };
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!(": >{}; sleep 1", begun.display()));
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start();
    sandbox.until("the upgrade begins", || begun.exists());
    let said = run.signal_and_end("INT");
    said.exits(130);
    sandbox.unwrap("helm");
    assert_eq!(sandbox.revision("rel"), 2, "{said}");
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 4);
    ends_at(&sandbox, &ways(&said).0, 2);
}

#[test]
fn killed_while_a_pod_leaves() {
    let Some(sandbox) = five("3s") else { return };
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("[2/3]").until_it_says("of 3 ready");
    assert_eq!(run.signal_and_end("KILL").code, None);
    ends_at(&sandbox, "rel qn=5", 5);
}

/// Killed in the upgrade itself, the release is pending; the refusal names the
/// way out, and it works.
#[test]
fn killed_in_the_upgrade() {
    let Some(sandbox) = five("1s") else { return };
    let pid = sandbox.home().join("pid");
    sandbox.before_upgrade(&format!("echo $$ >{0}.part; mv {0}.part {0}", pid.display()));
    // Between the pending revision and the Deployment Helm waits for an answer.
    let held = Held::back(&sandbox);
    let run = sandbox.milvus("scale rel qn=4 --settle 0s").start();
    sandbox.until("the upgrade is pending", || {
        sandbox.history("rel").last().is_some_and(|revision| revision.status == "pending-upgrade")
    });
    signal("KILL", fs::read_to_string(&pid).unwrap().trim());
    run.end().exits(3);
    drop(held);
    sandbox.unwrap("helm");
    let refused = sandbox.scale("rel qn=4");
    refused.exits(1);
    assert!(refused.stderr.contains("(release-pending)"), "{refused}");
    // The rollback is on top of the revision that stays pending for ever.
    sandbox.helm(&["rollback", "rel", "1"]);
    sandbox.scale("rel qn=4 --settle 0s").exits(0);
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 4);
    assert_eq!(sandbox.history("rel").last().unwrap().status, "deployed");
}

/// Changes of Deployments that wait, in the sandbox's namespace, for an
/// admission webhook that does not answer. Dry runs pass.
struct Held<'a> {
    sandbox: &'a Sandbox,
    _silent: TcpListener,
}

impl<'a> Held<'a> {
    fn back(sandbox: &'a Sandbox) -> Self {
        // The kernel takes the connection; nobody ever says a word on it.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let manifest = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": sandbox.namespace},
            "webhooks": [{
                "name": "silent.sandbox.milvus.io",
                "clientConfig": {"url": format!("https://{}/", silent.local_addr().unwrap())},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": sandbox.namespace}},
                "rules": [{
                    "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["UPDATE"]
                }],
                "matchConditions": [{"name": "for-real", "expression": "!request.dryRun"}],
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 30
            }]
        });
        let file = sandbox.home().join("webhook.json");
        fs::write(&file, manifest.to_string()).unwrap();
        sandbox.kubectl(&["apply", "-f", &file.display().to_string()]);
        // The API server takes notice of it in its own time.
        let probe = ["annotate", "deployment", "rel-milvus-proxy", "--overwrite", "probe=1", "--request-timeout=1s"];
        sandbox.until("changes of Deployments wait", || {
            !sandbox.command("kubectl", &probe).output().unwrap().status.success()
        });
        Self { sandbox, _silent: silent }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let words = ["delete", "validatingwebhookconfiguration", &self.sandbox.namespace];
        let _ = self.sandbox.command("kubectl", &words).output();
    }
}

/// Out of a growth whose pods never come, the way back takes only them.
#[test]
fn back_from_a_growth_that_never_comes() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=2");
    let before: Vec<String> = sandbox.pods("component=querynode").into_iter().map(|pod| pod.uid).collect();
    sandbox.behave("querynode.behaviour=never-ready");
    let said = sandbox.milvus("scale rel qn=5").start().until_it_says("2 of 5 ready").signal_and_end("INT");
    said.exits(130);
    ends_at(&sandbox, &ways(&said).1, 2);
    let after: Vec<String> = sandbox.pods("component=querynode").into_iter().map(|pod| pod.uid).collect();
    assert!(before.iter().all(|uid| after.contains(uid)), "{before:?} {after:?}");
}
