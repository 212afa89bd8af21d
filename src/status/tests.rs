//! Every screen of `status`, whole: what was seen goes in as a few words, the
//! text or the document comes out.

mod counts;
mod document;
mod pods;
mod release;
mod several;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::change::changes;
use super::judge::{judge, questionable};
use super::report::{ReleaseStatus, StatusReport};
use super::seen::{Namespace, Recorded, Seen};
use super::text::{Listing, Width};
use crate::autoscaler::{self, Autoscaler};
use crate::component;
use crate::error::Failure;
use crate::helm::Record;
use crate::manifest;
use crate::observe::Basis;
use crate::pod::{Containers, Pod, Trouble};
use crate::reading::{Denied, Reading};
use crate::release::{Apply, ChartVersion, Release, Status};
use crate::stuck::Event;
use crate::workload::Deployment;

const NOW: &str = "2026-01-01T12:00:00Z";
const IMAGE: &str = "milvusdb/milvus:v2.6.15";

/// A release `rel` in the namespace `ns`, and what is in the cluster.
struct World {
    manifest: String,
    deployments: Vec<Deployment>,
    pods: Vec<Pod>,
    autoscalers: Vec<Autoscaler>,
    status: Status,
    events: BTreeMap<String, Vec<Event>>,
}

impl World {
    /// From lines such as `queryNode 1`, `proxy 1 live 3 by kubectl`,
    /// `queryNode/rg1 2`, `dataNode - live 2` (no count declared), `cdc 1 live
    /// gone`: as many Ready pods as are live, and etcd, `MinIO` and Woodpecker
    /// inside Milvus, which are well.
    fn of(state: &str) -> Self {
        let mut world = Self {
            manifest: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rel-milvus}\ndata:\n  default.yaml: |\n    messageQueue: woodpecker\n    minio: {secretAccessKey: do-not-show}\n".to_owned(),
            deployments: Vec::new(),
            pods: Vec::new(),
            autoscalers: Vec::new(),
            status: Status::Deployed,
            events: BTreeMap::new(),
        };
        world.dependency("etcd", 3, 3);
        world.dependency("minio", 1, 1);
        for line in state.split(',').map(str::trim) {
            world.component(line);
        }
        world
    }

    fn component(&mut self, text: &str) {
        let words: Vec<&str> = text.split(' ').collect();
        let (key, group) = words[0].split_once('/').map_or((words[0], None), |(key, group)| (key, Some(group)));
        let component = component::find(key).unwrap();
        let name = format!("rel-milvus-{}{}", component.label, group.map_or(String::new(), |g| format!("-{g}")));
        let after = |word: &str| words.iter().position(|w| *w == word).map(|at| words[at + 1]);
        let labels = format!(
            "app.kubernetes.io/instance: rel, component: {}{}",
            component.label,
            group.map_or(String::new(), |group| format!(", milvus.io/resource-group: {group}"))
        );
        let replicas = if words[1] == "-" { String::new() } else { format!("  replicas: {}\n", words[1]) };
        self.manifest.push_str(&format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n{replicas}  template:\n    metadata: {{labels: {{{labels}}}}}\n    spec: {{containers: [{{name: {}, image: \"{IMAGE}\"}}]}}\n",
            component.label
        ));
        let live = after("live").unwrap_or(words[1]);
        let Ok(live) = live.parse::<u32>() else { return };
        let image = after("image").unwrap_or(IMAGE);
        let managed = json!([{
            "manager": after("by").unwrap_or("helm"), "time": after("at"), "fieldsV1": {"f:spec": {"f:replicas": {}}}
        }]);
        let managed = if after("at").is_some() {
            managed
        } else {
            json!([{
                "manager": after("by").unwrap_or("helm"), "fieldsV1": {"f:spec": {"f:replicas": {}}}
            }])
        };
        let mut labels = json!({
            "app.kubernetes.io/instance": "rel", "component": component.label, "helm.sh/chart": "milvus-5.0.19"
        });
        if let Some(group) = group {
            labels["milvus.io/resource-group"] = group.into();
        }
        if let Some(label) = after("label") {
            labels[label] = "x".into();
        }
        self.deployments.push(
            serde_json::from_value(json!({
                "metadata": {"name": name, "labels": labels, "managedFields": managed},
                "spec": {"replicas": live, "template": {"spec": {"containers": [{"image": image}]}}},
                "status": {"replicas": live, "updatedReplicas": live, "availableReplicas": live},
            }))
            .unwrap(),
        );
        for number in 1..=live {
            self.pods.push(Pod {
                name: format!("{name}-7d9-{number}"),
                uid: format!("{name}-{number}"),
                component: component.label.into(),
                deployment: Some(name.clone()),
                ready: true,
                containers: Containers { ready: 1, total: 1 },
                status: "Running".into(),
                created: "2026-01-01T10:00:00Z".into(),
                image: Some(image.to_owned()),
                node: Some("node-1".into()),
                ..Pod::default()
            });
        }
    }

    fn dependency(&mut self, name: &str, declared: u32, ready: u32) {
        self.manifest.push_str(&format!(
            "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: rel-{name}}}\nspec:\n  replicas: {declared}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{env: [{{name: ETCD_INITIAL_CLUSTER_STATE, value: existing}}]}}]}}\n"
        ));
        for number in 0..declared {
            self.pods.push(Pod {
                name: format!("rel-{name}-{number}"),
                stateful_set: Some(format!("rel-{name}")),
                ready: number < ready,
                containers: Containers { ready: usize::from(number < ready), total: 1 },
                status: "Running".into(),
                created: "2026-01-01T10:00:00Z".into(),
                ..Pod::default()
            });
        }
    }

    /// Puts the pods of a Deployment, from the `from`th on, into a state.
    fn trouble(&mut self, deployment: &str, from: usize, change: impl Fn(&mut Pod)) {
        let mine = self.pods.iter_mut().filter(|pod| pod.deployment.as_deref() == Some(deployment));
        for pod in mine.skip(from) {
            pod.ready = false;
            pod.containers.ready = 0;
            change(pod);
        }
    }

    fn autoscaler(&mut self, deployment: &str, bounds: (u32, u32), condition: &str) {
        let text = format!(
            r#"{{"metadata":{{}},"items":[{{"metadata":{{"name":"{deployment}-hpa"}},
                "spec":{{"scaleTargetRef":{{"kind":"Deployment","name":"{deployment}"}},"minReplicas":{},"maxReplicas":{}}},
                "status":{{"currentReplicas":2,"conditions":[{condition}]}}}}]}}"#,
            bounds.0, bounds.1
        );
        self.autoscalers.extend(autoscaler::read_list(&mut text.as_bytes()).unwrap());
    }

    fn seen(self) -> Seen {
        let release = Release {
            name: "rel".into(),
            revision: 4,
            status: self.status,
            chart: ChartVersion { name: "milvus".into(), version: "5.0.19".into() },
            apply: Apply::Unread,
        };
        let record = Record {
            release,
            updated: "2026-01-01T11:55:00Z".into(),
            description: "kubectl milvus scale: queryNode 1 to 3".into(),
            standby: Vec::new(),
            manifest: self.manifest.clone(),
        };
        let declared = manifest::declared(&self.manifest, "rel").unwrap();
        let basis = Basis { manifest: self.manifest, failed: Vec::new(), declared };
        Seen {
            name: "rel".into(),
            namespace: Arc::new(Namespace {
                name: "ns".into(),
                hints: crate::target::Hints::new("ns", false),
                deployments: Reading::Known(self.deployments),
                pods: Reading::Known(self.pods),
                autoscalers: Reading::Known(self.autoscalers),
            }),
            record: Reading::Known(Recorded { record, basis: Ok(basis) }),
            events: self.events,
        }
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn judged(seen: &Seen) -> ReleaseStatus {
    judge(seen, now())
}

fn report(seen: &Seen) -> StatusReport {
    StatusReport::of(vec![judged(seen)], None)
}

/// The screen, and the exit code below it.
fn screen(seen: &Seen) -> String {
    wide(seen, Width::Normal)
}

fn wide(seen: &Seen, width: Width) -> String {
    let report = report(seen);
    format!("{}exit {}\n", report.text(width, Listing::OneNamespace, now()), report.exit_code)
}

fn unread<T>(verb: &'static str, resource: &'static str) -> Reading<T> {
    Reading::Forbidden(Denied { verb, resource })
}

fn namespace(seen: &mut Seen) -> &mut Namespace {
    Arc::get_mut(&mut seen.namespace).unwrap()
}

const CLUSTER: &str = "proxy 1, queryNode 2, dataNode 1, mixCoordinator 1";
