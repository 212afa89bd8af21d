//! The way down: one pod after the other, each gone before the next one goes.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::pod_lives::PodLives;
use crate::sandbox::{Helm, NEWEST, Pod, Sandbox};

#[test]
fn the_next_pod_goes_only_after_the_one_before_is_gone() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=2s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let pods = sandbox.pods("component=querynode");
    let watch = Watch::begin(&sandbox, "querynode");

    sandbox.scale("rel qn=1").exits(0);

    one_after_the_other(&watch.end(), &pods, &[2, 1]);
}

#[test]
fn step_says_how_many_pods_go_at_once() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=5,dataNode.replicas=4");
    for (words, changes) in [
        ("rel qn=2 --step 2", &["queryNode 5 to 3 (step 1 of 2)", "queryNode 3 to 2 (step 2 of 2)"] as &[_]),
        ("rel dn=1 --step all", &["dataNode 4 to 1"]),
    ] {
        let before = sandbox.revision("rel");
        sandbox.scale(words).exits(0);
        let fresh = sandbox.history("rel").into_iter().filter(|revision| revision.revision > before);
        let descriptions: Vec<String> = fresh.map(|revision| revision.description).collect();
        let expected: Vec<String> = changes.iter().map(|change| format!("kubectl milvus scale: {change}")).collect();
        assert_eq!(descriptions, expected, "{words}");
    }
}

#[test]
fn a_step_waits_for_pods_that_another_command_removed() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=10s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let pods = sandbox.pods("component=querynode");
    let watch = Watch::begin(&sandbox, "querynode");
    sandbox.scale("rel qn=2 --no-wait").exits(0);

    insta::assert_snapshot!(sandbox.scale("rel qn=1"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 2 to 1, 1 pod ready; verified (revision 3)
    ----- stderr
    waiting until the pods that were removed before are gone
    release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
    before the first step down: the service has to be available for 0s
      not asked: availability of loaded collections: could not tell (REASON)
      not asked: coordinator metrics: could not tell (REASON)
      the gate asks: pods only
    [1/1] queryNode 2 to 1
      pod `rel-milvus-querynode-POD` leaves, and has up to 30m to hand over
    ");

    one_after_the_other(&watch.end(), &pods, &[2, 1]);
}

#[test]
fn a_count_is_of_each_resource_group() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "replicaResourceGroups={rg1,rg2}");
    insta::assert_snapshot!(sandbox.scale("rel querynode=3"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-rg1-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg1-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg1-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg2-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg2-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg2-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 1 to 3, 3 × 2 groups = 6 pods ready; verified (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    ");
    assert_eq!(sandbox.pods("component=querynode").len(), 6);

    insta::assert_snapshot!(sandbox.scale("rel querynode=-1"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-rg1-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg1-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg2-POD   1/1     Running   0   TIME
    rel-milvus-querynode-rg2-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 3 to 2, 2 × 2 groups = 4 pods ready; verified (revision 3)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
    before the first step down: the service has to be available for 0s
      not asked: availability of loaded collections: could not tell (REASON)
      not asked: coordinator metrics: could not tell (REASON)
      the gate asks: pods only
    [1/1] queryNode 3 to 2
      pod `rel-milvus-querynode-rg1-POD` leaves, and has up to 30m to hand over
      pod `rel-milvus-querynode-rg2-POD` leaves, and has up to 30m to hand over
    ");
    for group in ["rg1", "rg2"] {
        assert_eq!(sandbox.pods(&format!("component=querynode,milvus.io/resource-group={group}")).len(), 2, "{group}");
    }
    insta::assert_snapshot!(sandbox.scale("rel querynode=3 --dry-run"), @"
    exit 0
    ----- stdout
    release `rel` in namespace `NAMESPACE`: chart milvus-5.0.19, revision 3

    COMPONENT   NOW   WANTED   PODS
    queryNode   2     3        3 × 2 groups = 6

    step 1 of 1: queryNode 2 to 3
      helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set queryNode.replicas=3 --no-hooks --force-conflicts '--description=kubectl milvus scale: queryNode 2 to 3' --namespace=NAMESPACE --kube-context=sandbox

    proof: these change, and nothing else
      Deployment `rel-milvus-querynode-rg1` `.spec.replicas` from 2 to 3
      Deployment `rel-milvus-querynode-rg2` `.spec.replicas` from 2 to 3

    nothing was changed
    ");
}

/// Of these pods none begins to go before the one before is gone, and the
/// counts are set in this order. Replacements of pods that go may come and go.
#[track_caller]
fn one_after_the_other(events: &[Event], pods: &[Pod], counts: &[u64]) {
    let mut going = None;
    let mut set = Vec::new();
    for event in events {
        let mine = |name: &str| pods.iter().any(|pod| pod.name == name);
        match event {
            Event::Count(count) => set.push(*count),
            Event::Terminating(name) if mine(name) => {
                assert_eq!(going.replace(name), None, "{events:#?}");
            }
            Event::Gone(name) if mine(name) => assert_eq!(going.take(), Some(name), "{events:#?}"),
            Event::Terminating(_) | Event::Gone(_) => {}
        }
    }
    let gone = events.iter().filter(|event| matches!(event, Event::Gone(name) if pods.iter().any(|p| p.name == *name)));
    assert_eq!((gone.count(), set.as_slice()), (pods.len() - 1, counts), "{events:#?}");
}

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Count(u64),
    Terminating(String),
    Gone(String),
}

/// What the API server says of a component's Deployment and pods, in its order.
struct Watch {
    counts: BTreeMap<String, u64>,
    files: [(File, Child); 2],
}

impl Watch {
    fn begin(sandbox: &Sandbox, component: &str) -> Self {
        let mut counts = BTreeMap::new();
        let mut watch = |kind: &str, group: &str| {
            let path =
                format!("/{group}/namespaces/{}/{kind}?labelSelector=component%3D{component}", sandbox.namespace);
            let list: Value = serde_json::from_str(&sandbox.kubectl(&["get", "--raw", &path])).unwrap();
            for object in list["items"].as_array().unwrap() {
                let count = object["spec"]["replicas"].as_u64().unwrap_or_default();
                counts.insert(text(object, "/metadata/name"), count);
            }
            let path = format!("{path}&watch=1&resourceVersion={}", text(&list, "/metadata/resourceVersion"));
            let events = sandbox.home().join(kind);
            let out = File::create(&events).unwrap();
            let child = sandbox.command("kubectl", &["get", "--raw", &path]).stdout(Stdio::from(out)).spawn().unwrap();
            (File::open(&events).unwrap(), child)
        };
        let files = [watch("deployments", "apis/apps/v1"), watch("pods", "api/v1")];
        Self { counts, files }
    }

    /// The events so far.
    fn end(mut self) -> Vec<Event> {
        // The last one may still be on its way.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut lines = Vec::new();
        for (file, mut child) in self.files {
            child.kill().unwrap();
            child.wait().unwrap();
            let stream = serde_json::Deserializer::from_reader(std::io::BufReader::new(file)).into_iter::<Value>();
            // The kill may cut the last line short.
            lines.extend(stream.map_while(Result::ok));
        }
        lines.sort_by_key(|line| text(line, "/object/metadata/resourceVersion").parse::<u64>().unwrap());
        let mut events: Vec<Event> = Vec::new();
        for line in lines {
            let name = text(&line, "/object/metadata/name");
            let going = !text(&line, "/object/metadata/deletionTimestamp").is_empty();
            let event = match (text(&line, "/object/kind").as_str(), text(&line, "/type").as_str()) {
                ("Deployment", _) => {
                    let count = line["object"]["spec"]["replicas"].as_u64().unwrap();
                    if self.counts.insert(name, count) == Some(count) {
                        continue;
                    }
                    Event::Count(count)
                }
                (_, "DELETED") => Event::Gone(name),
                _ if going => Event::Terminating(name),
                _ => continue,
            };
            // A pod on its way out changes several times.
            if !events.contains(&event) || matches!(event, Event::Count(_)) {
                events.push(event);
            }
        }
        events
    }
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a dry run shows is all that would be run, and it waits for nobody.
#[test]
fn a_dry_run_shows_the_deletion_and_does_not_wait_for_pods_that_leave() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=5m");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.scale("rel qn=2 --no-wait").exits(0);
    let said = sandbox.scale("rel qn=1 --dry-run");
    said.exits(0);
    let plan: Vec<&str> = said.stdout.lines().map(str::trim).filter(|line| line.starts_with("kubectl ")).collect();
    assert_eq!(plan.len(), 1, "{said}");
    assert!(plan[0].starts_with("kubectl delete pod rel-milvus-querynode-"), "{said}");
    assert!(plan[0].contains("--grace-period=1800"), "{said}");
    assert!(said.stderr.contains("are still leaving: the step waits until they are gone"), "{said}");
    let said = sandbox.scale("rel qn=1 --no-wait");
    said.exits(1);
    assert!(said.stderr.contains("pods that were removed before are still leaving"), "{said}");
    assert!(
        sandbox.pods("component=querynode").iter().any(|pod| pod.terminating),
        "the pod that leaves is still there"
    );
    assert_eq!(sandbox.revision("rel"), 2);
}

/// Query and streaming nodes do not leave at the same time, not even when a run
/// of one follows the other's.
#[test]
fn a_pod_of_another_component_that_leaves_is_waited_for() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=20s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=2,streamingNode.replicas=2");
    let lives = PodLives::follow(&sandbox, "querynode");
    sandbox.scale("rel qn=1 --no-wait").exits(0);
    let run = sandbox.milvus("scale rel sn=1 --settle 0s").start().until_it_says("is still leaving");
    run.end().exits(0);
    lives.until("the query node is gone", |all| all.iter().any(|life| life.gone.is_some()));
    let history: Vec<String> = sandbox.history("rel").into_iter().map(|revision| revision.description).collect();
    assert_eq!(history[2], "kubectl milvus scale: streamingNode 2 to 1");
}

/// The history says which step of what each revision was.
#[test]
fn each_revision_says_which_step_it_is() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.scale("rel qn=1 dn=2 --settle 0s").exits(0);
    let history: Vec<String> = sandbox.history("rel").into_iter().map(|revision| revision.description).collect();
    assert_eq!(
        history[1..],
        [
            "kubectl milvus scale: dataNode 1 to 2 (step 1 of 3)",
            "kubectl milvus scale: queryNode 3 to 2 (step 2 of 3)",
            "kubectl milvus scale: queryNode 2 to 1 (step 3 of 3)",
        ]
    );
}

/// A pod within its probe's initial delay is starting, and that is said.
#[test]
fn a_pod_that_cannot_be_ready_yet_is_told_with_when_it_can() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.after=5s");
    let said = sandbox.scale("rel qn=2");
    said.exits(0);
    assert!(said.progress().iter().any(|line| line.contains("1 starting (not before ")), "{said:?}");
}
