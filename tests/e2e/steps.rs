//! The way down: one pod after the other, each gone before the next one goes.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn the_next_pod_goes_only_after_the_one_before_is_gone() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=2s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let watch = Watch::begin(&sandbox, "querynode");

    sandbox.scale("rel qn=1").exits(0);

    insta::assert_snapshot!(watch.end(), @"
    rel-milvus-querynode: replicas 2
    rel-milvus-querynode-POD is terminating
    rel-milvus-querynode-POD is gone
    rel-milvus-querynode: replicas 1
    rel-milvus-querynode-POD is terminating
    rel-milvus-querynode-POD is gone
    ");
}

#[test]
fn step_says_how_many_pods_go_at_once() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=5,dataNode.replicas=4");
    for (words, changes) in [
        ("rel qn=2 --step 2", &["queryNode 5 to 3", "queryNode 3 to 2"] as &[_]),
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
    sandbox.behave("querynode.terminates-after=3s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.scale("rel qn=2 --no-wait").exits(0);
    let watch = Watch::begin(&sandbox, "querynode");

    insta::assert_snapshot!(sandbox.scale("rel qn=1"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 2 to 1, 1 pod ready; verified (revision 3)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 2 to 1
    ");

    insta::assert_snapshot!(watch.end(), @"
    rel-milvus-querynode-POD is terminating
    rel-milvus-querynode-POD is gone
    rel-milvus-querynode: replicas 1
    rel-milvus-querynode-POD is terminating
    rel-milvus-querynode-POD is gone
    ");
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
    [1/1] queryNode 3 to 2
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

/// What the API server says of a component's Deployments and pods, in its
/// order.
struct Watch {
    counts: BTreeMap<String, Value>,
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
                counts.insert(text(object, "/metadata/name"), object["spec"]["replicas"].clone());
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

    /// The events so far, one line each.
    fn end(mut self) -> String {
        // The last event may still be on its way.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let mut events = Vec::new();
        for (file, mut child) in self.files {
            child.kill().unwrap();
            child.wait().unwrap();
            let lines = std::io::BufReader::new(file);
            let stream = serde_json::Deserializer::from_reader(lines).into_iter::<Value>();
            // The kill may cut the last line short.
            events.extend(stream.map_while(Result::ok));
        }
        events.sort_by_key(|event| text(event, "/object/metadata/resourceVersion").parse::<u64>().unwrap());
        let mut lines: Vec<String> = Vec::new();
        for event in events {
            let name = text(&event, "/object/metadata/name");
            let replicas = &event["object"]["spec"]["replicas"];
            let going = !text(&event, "/object/metadata/deletionTimestamp").is_empty();
            let line = match (text(&event, "/object/kind").as_str(), text(&event, "/type").as_str()) {
                ("Deployment", _) if self.counts.get(&name) == Some(replicas) => continue,
                ("Deployment", _) => {
                    self.counts.insert(name.clone(), replicas.clone());
                    format!("{name}: replicas {replicas}")
                }
                (_, "DELETED") => format!("{name} is gone"),
                (_, "ADDED") => format!("{name} is new"),
                _ if going => format!("{name} is terminating"),
                _ => continue,
            };
            // A pod on its way out changes several times.
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.join("\n")
    }
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}
