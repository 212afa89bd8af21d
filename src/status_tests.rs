//! Every screen of `status`, whole: what was seen goes in as a few words, the
//! text or the document comes out.

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

#[test]
fn all_as_declared() {
    let world = World::of(CLUSTER);
    let seen = world.seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <none>       <none>   yes
    queryNode        2         2      2/2     0          <none>       <none>   yes
    dataNode         1         1      1/1     0          <none>       <none>   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>
    exit 0
    ");
    insta::assert_snapshot!(wide(&seen, Width::Wide), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE         DEPLOYMENT             IMAGE
    proxy            1         1      1/1     0          <none>       <none>   yes           rel-milvus-proxy       milvusdb/milvus:v2.6.15
    queryNode        2         2      2/2     0          <none>       <none>   yes           rel-milvus-querynode   milvusdb/milvus:v2.6.15
    dataNode         1         1      1/1     0          <none>       <none>   yes           rel-milvus-datanode    milvusdb/milvus:v2.6.15
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator   rel-milvus-mixcoord    milvusdb/milvus:v2.6.15

    DEPENDENCY       KIND         READY             RESTARTS   WORKLOADS
    etcd             etcd         3/3               0          rel-etcd 3/3
    object storage   minio        1/1               0          rel-minio 1/1
    message queue    woodpecker   <inside Milvus>   <none>     <none>
    exit 0
    ");
}

#[test]
fn counts_set_by_others_and_a_deployment_that_is_gone() {
    let seen = World::of(
        "proxy 1 live 3 by kubectl, queryNode 3 live 1 by kubectl-edit at 2026-01-01T11:00:00Z, dataNode 1 live gone, cdc 1 live 1 image milvusdb/milvus:v2.6.14, mixCoordinator 1",
    );
    insta::assert_snapshot!(screen(&seen.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15 and v2.6.14 (cdc)

    COMPONENT        RELEASE   LIVE     READY   RESTARTS   AUTOSCALER   DRIFT                        SCALE
    proxy            1         3        3/3     0          <none>       +2 by kubectl                drift
    queryNode        3         1        1/1     0          <none>       -2 by kubectl-edit 60m ago   drift
    dataNode         1         <none>   0       0          <none>       <none>                       drift
    mixCoordinator   1         1        1/1     0          <none>       <none>                       coordinator
    cdc              1         1        1/1     0          <none>       <none>                       component-fixed

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      proxy: 3 in the cluster, 1 in the release, set by `kubectl`
      queryNode: 1 in the cluster, 3 in the release, set by `kubectl-edit` at 2026-01-01T11:00:00Z
      dataNode: Deployment `rel-milvus-datanode` is not in the cluster
      cdc: image `milvusdb/milvus:v2.6.14` in the cluster, `milvusdb/milvus:v2.6.15` in the release

    Scale refuses:
      an upgrade of release `rel` in namespace `ns` would overwrite what was changed in the cluster by hand (drift): Deployment `rel-milvus-cdc` `.spec.template.spec.containers[cdc].image` from `milvusdb/milvus:v2.6.14` to `milvusdb/milvus:v2.6.15`: its pods restart
      Deployment `rel-milvus-datanode` of `dataNode` of release `rel` in namespace `ns` is not in the cluster (drift): an upgrade would create it anew
    exit 3
    ");
}

#[test]
fn resource_groups_are_rows_of_their_own() {
    let seen = World::of("proxy 1, queryNode/rg1 2, queryNode/rg2 2 live 1 by kubectl, mixCoordinator 1").seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT           SCALE
    proxy            1         1      1/1     0          <none>       <none>          drift
    queryNode/rg1    2         2      2/2     0          <none>       <none>          yes
    queryNode/rg2    2         1      1/1     0          <none>       -1 by kubectl   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>          coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode/rg2: 1 in the cluster, 2 in the release, set by `kubectl`

    Scale refuses:
      `queryNode` of release `rel` in namespace `ns` has 2 and 1 in the cluster and 2 in the release (drift): an upgrade would take it back to the release's count, and this one cannot be passed along
    exit 3
    ");
}

#[test]
fn autoscalers_are_told_with_what_they_say_of_themselves() {
    let mut world =
        World::of("proxy 1 live 2 by kube-controller-manager, queryNode 2, dataNode - live 2, mixCoordinator 1");
    world.autoscaler(
        "rel-milvus-proxy",
        (1, 5),
        r#"{"type":"ScalingLimited","status":"True","reason":"TooManyReplicas","message":"x"}"#,
    );
    let failed = r#"{"type":"ScalingActive","status":"False","reason":"FailedGetResourceMetric","message":"unable to fetch metrics"}"#;
    world.autoscaler("rel-milvus-datanode", (2, 4), failed);
    world.autoscaler("other", (1, 2), failed);
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         2      2/2     0          2 in 1-5     <none>   autoscaled
    queryNode        2         2      2/2     0          <none>       <none>   yes
    dataNode         <none>    2      2/2     0          2 in 2-4     <none>   autoscaled
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    AUTOSCALER                MIN   NOW   MAX   CONDITION
    rel-milvus-proxy-hpa      1     2     5     it would set more than its maximum of 5
    rel-milvus-datanode-hpa   2     2     4     it cannot compute a count: FailedGetResourceMetric: unable to fetch metrics

    Not as declared:
      HorizontalPodAutoscaler `rel-milvus-datanode-hpa`: it cannot compute a count (FailedGetResourceMetric)

    Scale refuses:
      the count of `proxy` of release `rel` in namespace `ns` belongs to an autoscaler (autoscaled): HorizontalPodAutoscaler `rel-milvus-proxy-hpa` keeps it between 1 and 5
      the count of `dataNode` of release `rel` in namespace `ns` is left to an autoscaler (autoscaled): its value `dataNode.replicas` is negative, so the release declares no count
    exit 3
    ");
}

#[test]
fn a_count_that_an_autoscaler_moved_within_its_bounds_is_as_declared() {
    let well = r#"{"type":"ScalingActive","status":"True","reason":"ValidMetricFound","message":"x"}"#;
    let verdict = |live: u32| {
        let mut world = World::of(&format!("proxy 1 live {live} by kube-controller-manager"));
        world.autoscaler("rel-milvus-proxy", (2, 5), well);
        report(&world.seen()).exit_code
    };
    assert_eq!((verdict(2), verdict(5), verdict(6)), (0, 0, 3));
}

#[test]
fn pods_that_are_not_well_are_listed_with_the_reason() {
    let mut world = World::of("proxy 2, queryNode 3, dataNode 1, mixCoordinator 1");
    world.trouble("rel-milvus-querynode", 1, |pod| {
        pod.status = "CrashLoopBackOff".into();
        pod.restarts = 7;
        pod.trouble = Some(Box::new(Trouble {
            reason: "CrashLoopBackOff".into(),
            message: "back-off 5m0s restarting failed container".into(),
            last_end: Some("Error".into()),
            restarts: 7,
            since: None,
        }));
    });
    world.trouble("rel-milvus-proxy", 1, |pod| {
        pod.status = "Pending".into();
        pod.node = None;
        pod.trouble = Some(Box::new(Trouble {
            reason: "Unschedulable".into(),
            message: "0/3 nodes are available: 3 Insufficient cpu.".into(),
            last_end: None,
            restarts: 0,
            since: Some("2026-01-01T11:59:30Z".parse().unwrap()),
        }));
    });
    world.trouble("rel-milvus-datanode", 0, |pod| {
        pod.not_ready_before = Some("2026-01-01T12:01:03Z".parse().unwrap());
    });
    world.pods.iter_mut().filter(|pod| pod.name == "rel-etcd-2").for_each(|pod| {
        pod.terminating = true;
        pod.status = "Terminating".into();
    });
    let declined =
        Event { reason: "NotTriggerScaleUp".into(), message: "max node group size reached".into(), ..Event::default() };
    world.events.insert("rel-milvus-proxy-7d9-2".into(), vec![declined]);
    let seen = world.seen();
    assert_eq!(questionable(&seen, now()), ["rel-milvus-proxy-7d9-2"]);
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            2         2      1/2     0          <none>       <none>   yes
    queryNode        3         3      1/3     14         <none>       <none>   yes
    dataNode         1         1      0/1     0          <none>       <none>   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         2/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    POD                          READY   STATUS             RESTARTS   AGE    REASON
    rel-etcd-2                   1/1     Terminating        0          120m   <none>
    rel-milvus-datanode-7d9-1    0/1     Running            0          120m   its probes begin in 63 seconds
    rel-milvus-proxy-7d9-2       0/1     Pending            0          120m   unschedulable: 0/3 nodes are available: 3 Insufficient cpu.; max node group size reached
    rel-milvus-querynode-7d9-2   0/1     CrashLoopBackOff   7          120m   crash-loop: CrashLoopBackOff: back-off 5m0s restarting failed container
    rel-milvus-querynode-7d9-3   0/1     CrashLoopBackOff   7          120m   crash-loop: CrashLoopBackOff: back-off 5m0s restarting failed container

    Not as declared:
      proxy: 1 of 2 ready, 1 Pending
      queryNode: 1 of 3 ready, 2 CrashLoopBackOff
      dataNode: 0 of 1 ready, 1 starting
      `rel-etcd`: 2 of 3 ready
    exit 3
    ");
    assert!(wide(&seen, Width::Wide).contains("NODE"), "a column for the node");
}

#[test]
fn pods_that_cannot_be_created_are_told() {
    let mut world = World::of("proxy 1, queryNode 2");
    world.pods.retain(|pod| pod.name != "rel-milvus-querynode-7d9-2");
    let words = "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1";
    world.deployments[1].cannot_create = Some(words.into());
    insta::assert_snapshot!(screen(&world.seen()), @r#"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy       1         1      1/1     0          <none>       <none>   yes
    queryNode   2         2      1/2     0          <none>       <none>   yes

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode: 1 of 2 ready
      queryNode: pods cannot be created: pods "x" is forbidden: exceeded quota: q, requested: pods=1 (quota)
    exit 3
    "#);
}

#[test]
fn an_operation_under_way_or_failed_is_the_first_thing_told() {
    let mut world = World::of(CLUSTER);
    world.status = Status::Pending("pending-upgrade".into());
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, pending-upgrade 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <none>       <none>   release-pending
    queryNode        2         2      2/2     0          <none>       <none>   release-pending
    dataNode         1         1      1/1     0          <none>       <none>   release-pending
    mixCoordinator   1         1      1/1     0          <none>       <none>   release-pending

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      revision 4 is `pending-upgrade`

    Scale refuses:
      release `rel` in namespace `ns` is `pending-upgrade` (revision 4): another operation is under way, or was killed (release-pending)
    exit 3
    ");
    let mut world = World::of(CLUSTER);
    world.status = Status::Failed;
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, failed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <none>       <none>   yes
    queryNode        2         2      2/2     0          <none>       <none>   yes
    dataNode         1         1      1/1     0          <none>       <none>   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      revision 4 failed: kubectl milvus scale: queryNode 1 to 3
    exit 3
    ");
    let mut world = World::of("proxy 1");
    world.status = Status::Failed;
    let mut seen = world.seen();
    if let Reading::Known(recorded) = &mut seen.record {
        recorded.basis =
            Err(Failure::new("release-failed", "release `rel` in namespace `ns` was never installed well"));
    }
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, failed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy       1         1      1/1     0          <none>       <none>   release-failed

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      revision 4 failed: kubectl milvus scale: queryNode 1 to 3

    Scale refuses:
      release `rel` in namespace `ns` was never installed well (release-failed)
    exit 3
    ");
}

#[test]
fn standalone_milvus_says_that_it_does_not_scale() {
    insta::assert_snapshot!(screen(&World::of("standalone 1").seen()), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT    RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    standalone   1         1      1/1     0          <none>       <none>   standalone

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Scale refuses:
      release `rel` in namespace `ns` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone): its chart ignores the counts of components where `cluster.enabled` is false
    exit 0
    ");
}

#[test]
fn others_who_own_a_count_are_told() {
    let seen = World::of("proxy 1 label argocd.argoproj.io/instance, queryNode 1 live 0 by kubectl, dataNode 1").seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT           SCALE
    proxy       1         1      1/1     0          <none>       <none>          gitops-managed
    queryNode   1         0      0/0     0          <none>       -1 by kubectl   yes
    dataNode    1         1      1/1     0          <none>       <none>          drift

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode: 0 in the cluster, 1 in the release, set by `kubectl`

    Scale refuses:
      `proxy` of release `rel` in namespace `ns` is managed by Argo CD (gitops-managed): Argo CD would write the old count back
      `queryNode` of release `rel` in namespace `ns` has 0 in the cluster and 1 in the release (drift): an upgrade would take it back to the release's count, and this one cannot be passed along
    exit 3
    ");
}

#[test]
fn what_is_side_stepped_by_scale_is_noted() {
    let mut world = World::of(CLUSTER);
    world.manifest = world.manifest.replace("value: existing", "value: new");
    let text = screen(&world.seen());
    let (_, notes) = text.split_once("Notes:").unwrap();
    insta::assert_snapshot!(notes, @"
      etcd.initialClusterState=new is in force, and `scale` keeps it: without it the first upgrade replaces every etcd pod (to lift it, in a maintenance window: `helm upgrade` with `--set etcd.initialClusterState=existing`)
    exit 0
    ");
}

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_shown() {
    let mut seen = World::of(CLUSTER).seen();
    namespace(&mut seen).autoscalers = unread("list", "horizontalpodautoscalers.autoscaling");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <unknown>    <none>   yes
    queryNode        2         2      2/2     0          <unknown>    <none>   yes
    dataNode         1         1      1/1     0          <unknown>    <none>   yes
    mixCoordinator   1         1      1/1     0          <unknown>    <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 0
    ");
    namespace(&mut seen).pods = unread("list", "pods");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS    AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     <unknown>   <unknown>    <none>   yes
    queryNode        2         2      2/2     <unknown>   <unknown>    <none>   yes
    dataNode         1         1      1/1     <unknown>   <unknown>    <none>   yes
    mixCoordinator   1         1      1/1     <unknown>   <unknown>    <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         <unknown>         <unknown>
    object storage   minio        <unknown>         <unknown>
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      you may not list `pods`; not known: which pods are not well, and the dependencies
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 1
    ");
    seen.record = unread("list", "secrets");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   <unknown>
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE     LIVE   READY   RESTARTS    AUTOSCALER   DRIFT       SCALE
    proxy            <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>
    queryNode        <unknown>   2      2/2     <unknown>   <unknown>    <unknown>   <unknown>
    dataNode         <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>
    mixCoordinator   <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>

    Not read:
      you may not list `secrets`; not known: what the release declares
      you may not list `pods`; not known: which pods are not well, and the dependencies
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 1
    ");
    let mut seen = World::of(CLUSTER).seen();
    namespace(&mut seen).deployments = Reading::Unclear("the server is busy".into());
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE        READY   RESTARTS   AUTOSCALER   DRIFT       SCALE
    proxy            1         <unknown>   1       0          <none>       <unknown>   <unknown>
    queryNode        2         <unknown>   2       0          <none>       <unknown>   <unknown>
    dataNode         1         <unknown>   1       0          <none>       <unknown>   <unknown>
    mixCoordinator   1         <unknown>   1       0          <none>       <unknown>   <unknown>

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      cannot read `deployments.apps`: the server is busy; not known: the live counts
    exit 1
    ");
}

#[test]
fn several_releases_are_a_table() {
    let well = judged(&World::of(CLUSTER).seen());
    let mut drifted = judged(&World::of("proxy 1 live 2 by kubectl, queryNode 1").seen());
    drifted.name = "another".into();
    let mut elsewhere = World::of("standalone 1").seen();
    elsewhere.record = unread("list", "secrets");
    namespace(&mut elsewhere).name = "other".into();
    let report = StatusReport::of(vec![well, drifted, judged(&elsewhere)], None);
    insta::assert_snapshot!(report.text(Width::Normal, Listing::AllNamespaces, now()), @"
    NAMESPACE   NAME      STATUS      AS-DECLARED   REVISION    CHART           MILVUS    READY   UPDATED
    ns          another   deployed    no            4           milvus-5.0.19   v2.6.15   3/3     5m
    ns          rel       deployed    yes           4           milvus-5.0.19   v2.6.15   5/5     5m
    other       rel       <unknown>   <unknown>     <unknown>   milvus-5.0.19   v2.6.15   1/1     <unknown>

    ns/another:
      proxy: 2 in the cluster, 1 in the release, set by `kubectl`

    other/rel:
      you may not list `secrets`; not known: what the release declares
    ");
    insta::assert_snapshot!(report.text(Width::Wide, Listing::OneNamespace, now()), @"
    NAME      STATUS      AS-DECLARED   REVISION    CHART           MILVUS    READY   UPDATED     DESCRIPTION
    another   deployed    no            4           milvus-5.0.19   v2.6.15   3/3     5m          kubectl milvus scale: queryNode 1 to 3
    rel       deployed    yes           4           milvus-5.0.19   v2.6.15   5/5     5m          kubectl milvus scale: queryNode 1 to 3
    rel       <unknown>   <unknown>     <unknown>   milvus-5.0.19   v2.6.15   1/1     <unknown>   <unknown>

    another:
      proxy: 2 in the cluster, 1 in the release, set by `kubectl`

    rel:
      you may not list `secrets`; not known: what the release declares
    ");
    assert_eq!(report.exit_code, 3);
}

#[test]
fn the_exit_code_is_the_worst_of_all() {
    let well = || judged(&World::of("proxy 1").seen());
    let drifted = || judged(&World::of("proxy 1 live 2").seen());
    let mut dark = World::of("proxy 1").seen();
    namespace(&mut dark).pods = unread("list", "pods");
    let dark = || judged(&dark);
    let code = |releases: Vec<ReleaseStatus>| StatusReport::of(releases, None).exit_code;
    assert_eq!(code(vec![well(), well()]), 0);
    assert_eq!(code(vec![well(), dark()]), 1);
    assert_eq!(code(vec![dark(), drifted(), well()]), 3);
    let failure = Failure::new("forbidden", "you may not");
    assert_eq!(StatusReport::of(vec![well()], Some(&failure)).exit_code, 1);
    assert_eq!(StatusReport::of(vec![drifted()], Some(&failure)).exit_code, 3);
    assert_eq!(StatusReport::of(Vec::new(), Some(&failure)).exit_code, 1);
}

#[test]
fn nothing_secret_is_ever_shown() {
    let seen = World::of(CLUSTER).seen();
    let all = report(&seen).json() + &wide(&seen, Width::Wide);
    assert!(!all.contains("do-not-show"), "{all}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the whole document")]
fn the_document_has_everything() {
    let mut world = World::of("queryNode/rg1 1 live 2 by kubectl at 2026-01-01T11:00:00Z");
    world.manifest = world.manifest.replace("value: existing", "value: new");
    world.trouble("rel-milvus-querynode-rg1", 1, |pod| {
        pod.status = "ImagePullBackOff".into();
        pod.trouble = Some(Box::new(Trouble {
            reason: "ImagePullBackOff".into(),
            message: "not found".into(),
            last_end: None,
            restarts: 0,
            since: None,
        }));
    });
    world.autoscaler("rel-milvus-querynode-rg1", (3, 5), "");
    let mut seen = world.seen();
    namespace(&mut seen).name = "ns".into();
    insta::assert_snapshot!(report(&seen).json(), @r#"
    {
      "schema": "kubectl-milvus/status/v1",
      "verdict": "not-as-declared",
      "exitCode": 3,
      "releases": [
        {
          "name": "rel",
          "namespace": "ns",
          "verdict": "not-as-declared",
          "differences": [
            "queryNode/rg1: 2 in the cluster, 1 in the release, set by `kubectl` at 2026-01-01T11:00:00Z",
            "queryNode/rg1: 1 of 2 ready, 1 ImagePullBackOff"
          ],
          "unread": [],
          "revision": {
            "revision": 4,
            "status": "deployed",
            "updated": "2026-01-01T11:55:00Z",
            "description": "kubectl milvus scale: queryNode 1 to 3"
          },
          "chart": "milvus-5.0.19",
          "milvus": [
            {
              "version": "v2.6.15",
              "components": [
                "queryNode"
              ]
            }
          ],
          "components": [
            {
              "component": "queryNode",
              "group": "rg1",
              "deployment": "rel-milvus-querynode-rg1",
              "declared": 1,
              "live": 2,
              "ready": 1,
              "terminating": 0,
              "restarts": 0,
              "image": "milvusdb/milvus:v2.6.15",
              "autoscaler": "rel-milvus-querynode-rg1-hpa",
              "drift": {
                "by": "kubectl",
                "when": "2026-01-01T11:00:00Z"
              },
              "scale": {
                "up": {
                  "id": "autoscaled",
                  "message": "the count of `queryNode` of release `rel` in namespace `ns` belongs to an autoscaler",
                  "causes": [
                    "HorizontalPodAutoscaler `rel-milvus-querynode-rg1-hpa` keeps it between 3 and 5"
                  ],
                  "hint": "change its bounds, or delete it first: `kubectl get hpa rel-milvus-querynode-rg1-hpa -n ns`"
                },
                "down": {
                  "id": "autoscaled",
                  "message": "the count of `queryNode` of release `rel` in namespace `ns` belongs to an autoscaler",
                  "causes": [
                    "HorizontalPodAutoscaler `rel-milvus-querynode-rg1-hpa` keeps it between 3 and 5"
                  ],
                  "hint": "change its bounds, or delete it first: `kubectl get hpa rel-milvus-querynode-rg1-hpa -n ns`"
                }
              }
            }
          ],
          "dependencies": [
            {
              "role": "etcd",
              "kind": "etcd",
              "place": "release",
              "address": null,
              "declared": 3,
              "ready": 3,
              "restarts": 0,
              "parts": [
                {
                  "workload": "rel-etcd",
                  "declared": 3,
                  "ready": 3
                }
              ]
            },
            {
              "role": "object-storage",
              "kind": "minio",
              "place": "release",
              "address": null,
              "declared": 1,
              "ready": 1,
              "restarts": 0,
              "parts": [
                {
                  "workload": "rel-minio",
                  "declared": 1,
                  "ready": 1
                }
              ]
            },
            {
              "role": "message-queue",
              "kind": "woodpecker",
              "place": "embedded",
              "address": null,
              "declared": null,
              "ready": null,
              "restarts": null,
              "parts": []
            }
          ],
          "autoscalers": [
            {
              "name": "rel-milvus-querynode-rg1-hpa",
              "deployment": "rel-milvus-querynode-rg1",
              "min": 3,
              "now": null,
              "max": 5,
              "keda": false,
              "trouble": null,
              "remark": "it has not looked yet"
            }
          ],
          "pods": [
            {
              "name": "rel-milvus-querynode-rg1-7d9-2",
              "containers": "0/1",
              "status": "ImagePullBackOff",
              "restarts": 0,
              "created": "2026-01-01T10:00:00Z",
              "node": "node-1",
              "stuck": "image-pull",
              "reason": "ImagePullBackOff: not found"
            }
          ],
          "avoided": [
            {
              "set": "etcd.initialClusterState=new",
              "effect": "without it the first upgrade replaces every etcd pod",
              "lift": "--set etcd.initialClusterState=existing"
            }
          ]
        }
      ],
      "error": null
    }
    "#);
    let failure =
        Failure::new("unreachable", "the cluster cannot be reached").because("no route").hint("kubectl cluster-info");
    let unreachable = StatusReport::of(Vec::new(), Some(&failure));
    insta::assert_snapshot!(unreachable.json(), @r#"
    {
      "schema": "kubectl-milvus/status/v1",
      "verdict": "unknown",
      "exitCode": 1,
      "releases": [],
      "error": {
        "id": "unreachable",
        "message": "the cluster cannot be reached",
        "causes": [
          "no route"
        ],
        "hint": "kubectl cluster-info"
      }
    }
    "#);
    assert_eq!(unreachable.json_line().lines().count(), 1);
}

#[test]
fn a_watch_tells_what_changed() {
    let before = World::of(CLUSTER);
    let mut after = World::of("proxy 1, queryNode 2 live 3 by kubectl, dataNode 1, mixCoordinator 1");
    after.trouble("rel-milvus-querynode", 2, |pod| {
        pod.status = "Pending".into();
        pod.restarts = 2;
    });
    after.pods.iter_mut().filter(|pod| pod.name == "rel-etcd-2").for_each(|pod| pod.ready = false);
    after.autoscaler("rel-milvus-proxy", (1, 5), "");
    let (before, after) = (report(&before.seen()), report(&after.seen()));
    let told = |before: &StatusReport, after: &StatusReport| changes(before, after).join("\n");
    assert_eq!(told(&before, &before), "");
    insta::assert_snapshot!(told(&before, &after), @"
    ns/rel: queryNode: 2 in the release, 3 live, 2 ready, 2 restarts
    ns/rel: autoscaler rel-milvus-proxy-hpa: it has not looked yet
    ns/rel: etcd: 2 of 3 ready
    ns/rel: pod rel-etcd-2: 1/1 Running
    ns/rel: pod rel-milvus-querynode-7d9-3: 0/1 Pending
    ns/rel: not as declared: queryNode: 3 in the cluster, 2 in the release, set by `kubectl`; queryNode: 2 of 3 ready, 1 Pending; `rel-etcd`: 2 of 3 ready
    ");
    insta::assert_snapshot!(told(&after, &before), @"
    ns/rel: queryNode: 2 in the release, 2 live, 2 ready
    ns/rel: autoscaler rel-milvus-proxy-hpa: gone
    ns/rel: etcd: 3 of 3 ready
    ns/rel: pod rel-etcd-2: well, or gone
    ns/rel: pod rel-milvus-querynode-7d9-3: well, or gone
    ns/rel: as declared
    ");
    let failure = Failure::new("unreachable", "the cluster cannot be reached");
    let lost = StatusReport::of(before.releases.clone(), Some(&failure));
    insta::assert_snapshot!(told(&before, &lost), @"cannot be read: the cluster cannot be reached");
    insta::assert_snapshot!(told(&lost, &before), @"can be read again");
    let none = StatusReport::of(Vec::new(), None);
    insta::assert_snapshot!(told(&before, &none), @"ns/rel: gone");
    insta::assert_snapshot!(told(&none, &before), @"ns/rel: new, as declared");
}
