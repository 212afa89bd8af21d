//! `status`: what it shows of a real cluster, what it says of one that is not
//! as declared, and that it never disagrees with `scale`.

use std::process::Stdio;

use insta::internals::SettingsBindDropGuard;
use serde_json::{Value, json};

use crate::evidence::{count, create, evidence, plain_upgrade, refused, settled, unmoved};
use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, Sandbox, chart};
use crate::terminal::{screen, terminal};
use crate::with_each_helm;

with_each_helm!(
    what_is_well_and_what_was_changed_by_hand,
    an_operation_that_was_killed_or_failed,
    it_says_of_each_component_what_scale_says
);

fn what_is_well_and_what_was_changed_by_hand(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let _as_shown = as_shown();
    sandbox.install_whole("rel", NEWEST, "");
    let before = evidence(&sandbox);
    let well = status(&sandbox, "rel");
    unmoved(&sandbox, &before, &well);
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=3"]);
    sandbox.kubectl(&["set", "image", "deployment/rel-milvus-datanode", "datanode=milvusdb/milvus:v2.6.14"]);
    settled(&sandbox);
    let changed = status(&sandbox, "rel");
    let document = sandbox.milvus("status rel -o json").end();
    let document = document.exits(3).json();
    let component = |key: &str| {
        let all = document["releases"][0]["components"].as_array().unwrap().clone();
        all.into_iter().find(|component| component["component"] == key).unwrap()
    };
    assert_eq!(component("proxy")["drift"]["by"], "kubectl");
    assert_eq!((component("proxy")["declared"].as_u64(), component("proxy")["live"].as_u64()), (Some(1), Some(3)));
    assert_eq!(component("queryNode")["drift"], Value::Null);
    insta::allow_duplicates! {
        insta::assert_snapshot!(well, @"
            exit 0
            ----- stdout
            Release:   rel in namespace NAMESPACE
            Status:   as declared
            Revision:   1, deployed TIME ago: Install complete
            Chart:   milvus-5.0.19
            Milvus:   v2.6.15

            COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
            proxy   1   1   1/1   0   <none>   <none>   yes
            queryNode   1   1   1/1   0   <none>   <none>   yes
            dataNode   1   1   1/1   0   <none>   <none>   yes
            streamingNode   1   1   1/1   0   <none>   <none>   yes
            mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator

            DEPENDENCY   KIND   READY   RESTARTS
            etcd   etcd   3/3   0
            object storage   minio   4/4   0
            message queue   pulsarv3   11/11   0

            Notes:
              etcd.initialClusterState=new is in force, and `scale` keeps it: without it the first upgrade replaces every etcd pod (to lift it, in a maintenance window: `helm upgrade` with `--set etcd.initialClusterState=existing`)
            ");
            insta::assert_snapshot!(changed, @"
            exit 3
            ----- stdout
            Release:   rel in namespace NAMESPACE
            Status:   not as declared
            Revision:   1, deployed TIME ago: Install complete
            Chart:   milvus-5.0.19
            Milvus:   v2.6.15 and v2.6.14 (dataNode)

            COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
            proxy   1   3   3/3   0   <none>   +2 by kubectl   drift
            queryNode   1   1   1/1   0   <none>   <none>   drift
            dataNode   1   1   1/1   0   <none>   <none>   drift
            streamingNode   1   1   1/1   0   <none>   <none>   drift
            mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator

            DEPENDENCY   KIND   READY   RESTARTS
            etcd   etcd   3/3   0
            object storage   minio   4/4   0
            message queue   pulsarv3   11/11   0

            Not as declared:
              proxy: 3 in the cluster, 1 in the release, set by `kubectl`
              dataNode: image `milvusdb/milvus:v2.6.14` in the cluster, `milvusdb/milvus:v2.6.15` in the release

            Scale refuses:
              an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift): Deployment `rel-milvus-datanode` `.spec.template.spec.containers[datanode].image` from `milvusdb/milvus:v2.6.14` to `milvusdb/milvus:v2.6.15`: its pods restart

            Notes:
              etcd.initialClusterState=new is in force, and `scale` keeps it: without it the first upgrade replaces every etcd pod (to lift it, in a maintenance window: `helm upgrade` with `--set etcd.initialClusterState=existing`)
            ");
    }
}

fn an_operation_that_was_killed_or_failed(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "");
    plain_upgrade(&sandbox, "rel", NEWEST, "dataNode.replicas=many");
    settled(&sandbox);
    let failed = sandbox.milvus("status rel -o json").end();
    let failed = &failed.exits(3).json()["releases"][0];
    assert_eq!(failed["revision"]["status"], "failed");
    assert!(failed["differences"][0].as_str().unwrap().starts_with("revision 2 failed: "), "{failed:#}");
    // It goes on from the last deployed revision, as `scale` does.
    assert_eq!(failed["components"][0]["declared"], 1);
    assert_eq!(failed["components"][0]["scale"]["up"], Value::Null);

    sandbox.behave("querynode.behaviour=never-ready");
    let (chart, version) = chart(NEWEST);
    let set = "queryNode.replicas=2,dataNode.replicas=1";
    let words = ["upgrade", "rel", &chart, "--version", &version, "--reuse-values", "--set", set, "--wait"];
    let mut upgrade = sandbox.command("helm", &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.until("an upgrade is under way", || sandbox.history("rel").last().unwrap().status == "pending-upgrade");
    sandbox.until("it counts", || count(&sandbox, "rel-milvus-querynode") == 2);
    sandbox.until("its pod is there", || sandbox.pods("component=querynode").len() == 2);
    upgrade.kill().unwrap();
    upgrade.wait().unwrap();
    let pending = status(&sandbox, "rel");
    insta::allow_duplicates! {
        insta::assert_snapshot!(pending, @"
        exit 3
        ----- stdout
        Release:   rel in namespace NAMESPACE
        Status:   not as declared
        Revision:   3, pending-upgrade TIME ago: Preparing upgrade
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        proxy   1   1   1/1   0   <none>   <none>   release-pending
        queryNode   2   2   1/2   0   <none>   <none>   release-pending
        dataNode   1   1   1/1   0   <none>   <none>   release-pending
        streamingNode   1   1   1/1   0   <none>   <none>   release-pending
        mixCoordinator   1   1   1/1   0   <none>   <none>   release-pending

        DEPENDENCY   KIND   READY   RESTARTS
        etcd   etcd   1/1   0
        object storage   s3   <elsewhere> rel-minio:9000   <none>
        message queue   woodpecker   <inside Milvus>   <none>

        POD   READY   STATUS   RESTARTS   AGE   REASON
        rel-milvus-querynode-POD   0/1   Running   0   TIME   its probes begin in SOME seconds

        Not as declared:
          revision 3 is `pending-upgrade`
          queryNode: 1 of 2 ready, 1 starting

        Scale refuses:
          release `rel` in namespace `NAMESPACE` is `pending-upgrade` (revision 3): another operation is under way, or was killed (release-pending)
        ");
    }
}

/// Whatever the state: the identifier in the column SCALE is the one with which
/// `scale` would refuse.
fn it_says_of_each_component_what_scale_says(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "mixCoordinator.activeStandby.enabled=true,proxy.replicas=-1,attu.enabled=true");
    assert_eq!(
        agreed(&sandbox, "rel"),
        [
            "proxy autoscaled",
            "queryNode yes",
            "dataNode yes",
            "streamingNode yes",
            "mixCoordinator yes",
            "attu component-fixed"
        ]
    );
    create(&sandbox, &autoscaler("by-hand", "rel-milvus-querynode", &json!([])));
    sandbox.kubectl(&["label", "deployment/rel-milvus-datanode", "helm.toolkit.fluxcd.io/name=rel"]);
    sandbox.kubectl(&["scale", "deployment/rel-milvus-mixcoord", "--replicas=2"]);
    assert_eq!(
        agreed(&sandbox, "rel"),
        [
            "proxy autoscaled",
            "queryNode autoscaled",
            "dataNode gitops-managed",
            "streamingNode yes",
            "mixCoordinator coordinator",
            "attu component-fixed"
        ]
    );
    sandbox.kubectl(&["set", "image", "deployment/rel-milvus-mixcoord", "mixcoord=milvusdb/milvus:v2.6.14"]);
    assert_eq!(agreed(&sandbox, "rel")[3..5], ["streamingNode drift", "mixCoordinator coordinator"]);
    sandbox.kubectl(&["scale", "deployment/rel-milvus-mixcoord", "--replicas=0"]);
    sandbox.kubectl(&["delete", "deployment/rel-milvus-streamingnode"]);
    assert_eq!(
        agreed(&sandbox, "rel"),
        [
            "proxy autoscaled",
            "queryNode drift",
            "dataNode gitops-managed",
            "streamingNode drift",
            "mixCoordinator drift",
            "attu component-fixed"
        ]
    );
    sandbox.helm(&["uninstall", "rel"]);

    let alone = "cluster.enabled=false,etcd.replicaCount=1,minio.mode=standalone,pulsarv3.enabled=false";
    sandbox.install_whole("alone", NEWEST, alone);
    let said = sandbox.milvus("status alone").end();
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"
        exit 0
        ----- stdout
        Release:   alone in namespace NAMESPACE
        Status:   as declared
        Revision:   1, deployed TIME ago: Install complete
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        standalone   1   1   1/1   0   <none>   <none>   standalone

        DEPENDENCY   KIND   READY   RESTARTS
        etcd   etcd   1/1   0
        object storage   minio   1/1   0
        message queue   woodpecker   <inside Milvus>   <none>

        Scale refuses:
          release `alone` in namespace `NAMESPACE` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone): its chart ignores the counts of components where `cluster.enabled` is false
        ");
    }
    let refused = sandbox.milvus("scale alone querynode=2 -o json --dry-run").end();
    assert_eq!(refused.exits(1).json()["error"]["id"], "standalone");
}

/// Asks both about one more of each component, and gives what they agree on.
#[track_caller]
fn agreed(sandbox: &Sandbox, release: &str) -> Vec<String> {
    let document = sandbox.milvus(&format!("status {release} -o json")).end().json();
    let components = document["releases"][0]["components"].as_array().unwrap().clone();
    let told = components.iter().map(|component| {
        let key = component["component"].as_str().unwrap();
        let more = component["live"].as_u64().unwrap_or(0) + 1;
        let scale = sandbox.milvus(&format!("scale {release} {key}={more} --dry-run -o json")).end().json();
        let (said, refused) = (&component["scale"]["up"]["id"], &scale["error"]["id"]);
        assert_eq!(said, refused, "{key}: status and scale disagree: {component:#} {scale:#}");
        format!("{key} {}", said.as_str().unwrap_or("yes"))
    });
    told.collect()
}

#[test]
fn autoscalers_are_shown_with_their_conditions() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let _as_shown = as_shown();
    sandbox.behave("metrics=absent");
    sandbox.install("rel", NEWEST, "replicaResourceGroups={a,b},queryNode.hpa.enabled=true");
    sandbox.kubectl(&["autoscale", "deployment", "rel-milvus-datanode", "--min=2", "--max=4", "--cpu=50%"]);
    sandbox.until("the autoscaler has moved it", || count(&sandbox, "rel-milvus-datanode") == 2);
    settled(&sandbox);
    // At its limits it need not compute; and the chart's has no target.
    let conditions =
        || sandbox.kubectl(&["get", "hpa", "--output", "jsonpath={.items[*].status.conditions[*].reason}"]);
    sandbox.until("both have said what is wrong", || {
        conditions().contains("FailedGetScale") && conditions().contains("FailedGetResourceMetric")
    });
    let said = status(&sandbox, "rel");
    insta::assert_snapshot!(said, @r#"
    exit 3
    ----- stdout
    Release:   rel in namespace NAMESPACE
    Status:   not as declared
    Revision:   1, deployed TIME ago: Install complete
    Chart:   milvus-5.0.19
    Milvus:   v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
    proxy   1   1   1/1   0   <none>   <none>   yes
    queryNode/a   1   1   1/1   0   <none>   <none>   yes
    queryNode/b   1   1   1/1   0   <none>   <none>   yes
    dataNode   1   2   2/2   0   2 in 2-4   <none>   autoscaled
    streamingNode/a   1   1   1/1   0   <none>   <none>   yes
    streamingNode/b   1   1   1/1   0   <none>   <none>   yes
    mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator

    DEPENDENCY   KIND   READY   RESTARTS
    etcd   etcd   1/1   0
    object storage   s3   <elsewhere> rel-minio:9000   <none>
    message queue   woodpecker   <inside Milvus>   <none>

    AUTOSCALER   MIN   NOW   MAX   CONDITION
    rel-milvus-datanode   2   2   4   it cannot compute a count: FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)
    rel-milvus-querynode-hpa   1   <unknown>   5   it cannot scale: FailedGetScale: the HPA controller was unable to get the target's current scale: deployments.apps "rel-milvus-querynode" not found

    Not as declared:
      HorizontalPodAutoscaler `rel-milvus-datanode`: it cannot compute a count (FailedGetResourceMetric)
      HorizontalPodAutoscaler `rel-milvus-querynode-hpa`: it cannot scale (FailedGetScale)

    Scale refuses:
      the count of `dataNode` of release `rel` in namespace `NAMESPACE` belongs to an autoscaler (autoscaled): HorizontalPodAutoscaler `rel-milvus-datanode` keeps it between 2 and 4
    "#);
}

#[test]
fn pods_that_crash_are_shown_with_the_reason() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=crash-loop");
    sandbox.kubectl(&["delete", "pod", "-l", "component=querynode"]);
    let restarts = || {
        let path = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
        let told = sandbox.kubectl(&["get", "pods", "-l", "component=querynode", "--output", path]);
        told.trim().parse().unwrap_or(0)
    };
    sandbox.until("it has crashed often enough", || restarts() >= 3_u32);
    let waiting = |said: &Said| said.stdout.contains("CrashLoopBackOff");
    let mut said = status(&sandbox, "rel");
    sandbox.until("it waits between two crashes", || {
        said = status(&sandbox, "rel");
        waiting(&said)
    });
    insta::assert_snapshot!(said, @"
        exit 3
        ----- stdout
        Release:   rel in namespace NAMESPACE
        Status:   not as declared
        Revision:   1, deployed TIME ago: Install complete
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        proxy   1   1   1/1   0   <none>   <none>   yes
        queryNode   1   1   0/1   SOME   <none>   <none>   yes
        dataNode   1   1   1/1   0   <none>   <none>   yes
        streamingNode   1   1   1/1   0   <none>   <none>   yes
        mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator

        DEPENDENCY   KIND   READY   RESTARTS
        etcd   etcd   1/1   0
        object storage   s3   <elsewhere> rel-minio:9000   <none>
        message queue   woodpecker   <inside Milvus>   <none>

        POD   READY   STATUS   RESTARTS   AGE   REASON
        rel-milvus-querynode-POD   0/1   CrashLoopBackOff   SOME   TIME   crash-loop: CrashLoopBackOff: back-off ...

        Not as declared:
          queryNode: 0 of 1 ready, 1 CrashLoopBackOff
        ");
}

#[test]
fn a_pod_without_room_is_told_with_the_schedulers_words() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    plain_upgrade(&sandbox, "rel", NEWEST, "queryNode.resources.requests.cpu=999");
    sandbox.until("a pod waits for room", || {
        let path = "jsonpath={.items[*].status.conditions[*].reason}";
        sandbox.kubectl(&["get", "pods", "-l", "component=querynode", "--output", path]).contains("Unschedulable")
    });
    let document = sandbox.milvus("status rel -o json").end();
    let document = document.exits(3).json();
    let pod = &document["releases"][0]["pods"][0];
    assert_eq!(pod["status"], "Pending");
    assert!(pod["reason"].as_str().unwrap().contains("Insufficient cpu"), "{pod:#}");
    // Too early to be certain that no node autoscaler will help.
    assert_eq!(pod["stuck"], Value::Null);
}

#[test]
fn several_releases_are_a_table_and_all_namespaces_another() {
    let (Some(sandbox), Some(other)) = (Sandbox::with(Helm::V3), Sandbox::with(Helm::V3)) else { return };
    let _as_shown = as_shown();
    let none = refused(&sandbox, sandbox.milvus("status"));
    insta::assert_snapshot!(none, @"
    error: namespace `NAMESPACE` has no release of the chart `milvus` (not-found)

    hint: helm list -A
    ");
    sandbox.install("one", NEWEST, "");
    let only = sandbox.milvus("status").end();
    assert!(only.exits(0).stdout.starts_with("Release:    one in namespace"), "{only}");
    sandbox.install("two", "4.2.58", "");
    sandbox.helm(&["install", "third", "milvus/other"]);
    other.install("three", "5.0.17", "");
    let two = sandbox.milvus("status").end();
    let wide = sandbox.milvus("status -o wide").end();
    sandbox.kubectl(&["scale", "deployment/two-milvus-proxy", "--replicas=2"]);
    settled(&sandbox);
    let drifted = sandbox.milvus("status").end();
    insta::assert_snapshot!(two, @"
        exit 0
        ----- stdout
        NAME   STATUS   AS-DECLARED   REVISION   CHART   MILVUS   READY   UPDATED
        one   deployed   yes   1   milvus-5.0.19   v2.6.15   5/5   TIME
        two   deployed   yes   1   milvus-4.2.58   v2.5.16   5/5   TIME
        ");
    insta::assert_snapshot!(drifted, @"
        exit 3
        ----- stdout
        NAME   STATUS   AS-DECLARED   REVISION   CHART   MILVUS   READY   UPDATED
        one   deployed   yes   1   milvus-5.0.19   v2.6.15   5/5   TIME
        two   deployed   no   1   milvus-4.2.58   v2.5.16   6/6   TIME

        two:
          proxy: 2 in the cluster, 1 in the release, set by `kubectl`
        ");
    assert!(wide.exits(0).stdout.contains("Install complete"), "{wide}");

    // Other tests have releases as well.
    let everywhere = sandbox.milvus("status --all-namespaces").end();
    let of = |sandbox: &Sandbox| {
        let mine = |line: &&str| line.starts_with("NAMESPACE ") || line.starts_with(&format!("{} ", sandbox.namespace));
        everywhere.stdout.lines().filter(mine).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of(&sandbox), @"
    NAMESPACE   NAME   STATUS   AS-DECLARED   REVISION   CHART   MILVUS   READY   UPDATED
    NAMESPACE   one   deployed   yes   1   milvus-5.0.19   v2.6.15   5/5   TIME
    NAMESPACE   two   deployed   no   1   milvus-4.2.58   v2.5.16   6/6   TIME
    ");
    insta::assert_snapshot!(of(&other), @"
    NAMESPACE   NAME   STATUS   AS-DECLARED   REVISION   CHART   MILVUS   READY   UPDATED
    NAMESPACE   three   deployed   yes   1   milvus-5.0.17   v2.6.14   5/5   TIME
    ");
    let document = sandbox.milvus("status -A -o json").end().json();
    let names: Vec<&str> = document["releases"].as_array().unwrap().iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(["one", "three", "two"].iter().all(|name| names.contains(name)), "{names:?}");
    let usage = sandbox.milvus("status one -A").end();
    assert!(
        usage.exits(2).stderr.contains("error: `RELEASE` and `--all-namespaces` cannot be used together"),
        "{usage}"
    );
}

#[test]
fn wide_is_for_status_alone() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "");
    let wide = sandbox.milvus("status rel -o wide").end();
    insta::assert_snapshot!(wide, @"
    exit 0
    ----- stdout
    Release:   rel in namespace NAMESPACE
    Status:   as declared
    Revision:   1, deployed TIME ago: Install complete
    Chart:   milvus-5.0.19
    Milvus:   v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE   DEPLOYMENT   IMAGE
    proxy   1   1   1/1   0   <none>   <none>   yes   rel-milvus-proxy   milvusdb/milvus:v2.6.15
    queryNode   1   1   1/1   0   <none>   <none>   yes   rel-milvus-querynode   milvusdb/milvus:v2.6.15
    dataNode   1   1   1/1   0   <none>   <none>   yes   rel-milvus-datanode   milvusdb/milvus:v2.6.15
    streamingNode   1   1   1/1   0   <none>   <none>   yes   rel-milvus-streamingnode   milvusdb/milvus:v2.6.15
    mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator   rel-milvus-mixcoord   milvusdb/milvus:v2.6.15

    DEPENDENCY   KIND   READY   RESTARTS   WORKLOADS
    etcd   etcd   1/1   0   rel-etcd 1/1
    object storage   s3   <elsewhere> rel-minio:9000   <none>   <none>
    message queue   woodpecker   <inside Milvus>   <none>   <none>
    ");
    let scale = refused_usage(&sandbox, "scale rel querynode=2 -o wide");
    assert!(scale.contains("it takes `text`, `json`"), "{scale}");
    let other = refused_usage(&sandbox, "status rel -o yaml");
    assert!(other.contains("it takes `text`, `wide`, `json`"), "{other}");
}

fn refused_usage(sandbox: &Sandbox, words: &str) -> String {
    let said = sandbox.milvus(words).end();
    assert_eq!(said.exits(2).stdout, "");
    said.stderr
}

/// One call of helm and three of kubectl for a release that is named.
#[test]
fn one_round_of_calls_is_enough() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let calls = |words: &str| {
        let said = sandbox.milvus(words).end();
        let commands = said.exits(0).commands();
        let of = |name: &str| commands.iter().filter(|line| line.starts_with(name)).count();
        (of("helm "), of("kubectl "), commands.len())
    };
    assert_eq!(calls("status rel -v"), (1, 3, 4));
    assert_eq!(calls("status -v"), (2, 3, 5));
}

#[test]
fn who_may_not_read_everything_sees_the_rest() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "");
    let as_jane = |words: &str| sandbox.milvus(&format!("status {words} --as jane")).end();
    let nothing = as_jane("rel");
    insta::assert_snapshot!(nothing, @r#"
    exit 1
    ----- stderr
    error: helm may not read release `rel` in namespace `NAMESPACE` (forbidden)
    caused by: query: failed to query with labels: secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"

    hint: ask for the rights to get and list the Secrets that hold Helm's releases
    "#);
    allow(&sandbox, "deployments", "deployments.apps");
    let deployments = as_jane("");
    allow(&sandbox, "pods", "pods");
    let pods = as_jane("rel");
    allow(&sandbox, "secrets", "secrets");
    let all_but_autoscalers = as_jane("rel");
    sandbox.kubectl(&["delete", "rolebinding", "pods"]);
    let no_pods = as_jane("rel -o json");
    let document = no_pods.exits(1).json();
    assert_eq!((&document["verdict"], &document["error"]["id"]), (&json!("unknown"), &json!("forbidden")));
    insta::assert_snapshot!(deployments, @r#"
        exit 1
        ----- stdout
        Release:   rel in namespace NAMESPACE
        Status:   not known
        Revision:   <unknown>
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        proxy   <unknown>   1   1/1   <unknown>   <unknown>   <unknown>   <unknown>
        queryNode   <unknown>   1   1/1   <unknown>   <unknown>   <unknown>   <unknown>
        dataNode   <unknown>   1   1/1   <unknown>   <unknown>   <unknown>   <unknown>
        streamingNode   <unknown>   1   1/1   <unknown>   <unknown>   <unknown>   <unknown>
        mixCoordinator   <unknown>   1   1/1   <unknown>   <unknown>   <unknown>   <unknown>

        Not read:
          you may not list `secrets`; not known: what the release declares
          you may not list `pods`; not known: which pods are not well, and the dependencies
          you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
        ----- stderr
        error: helm may not read release `rel` in namespace `NAMESPACE` (forbidden)
        caused by: query: failed to query with labels: secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"

        hint: ask for the rights to get and list the Secrets that hold Helm's releases
        "#);
    insta::assert_snapshot!(pods, @r#"
        exit 1
        ----- stdout
        Release:   rel in namespace NAMESPACE
        Status:   not known
        Revision:   <unknown>
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        proxy   <unknown>   1   1/1   0   <unknown>   <unknown>   <unknown>
        queryNode   <unknown>   1   1/1   0   <unknown>   <unknown>   <unknown>
        dataNode   <unknown>   1   1/1   0   <unknown>   <unknown>   <unknown>
        streamingNode   <unknown>   1   1/1   0   <unknown>   <unknown>   <unknown>
        mixCoordinator   <unknown>   1   1/1   0   <unknown>   <unknown>   <unknown>

        Not read:
          you may not list `secrets`; not known: what the release declares
          you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
        ----- stderr
        error: helm may not read release `rel` in namespace `NAMESPACE` (forbidden)
        caused by: query: failed to query with labels: secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"

        hint: ask for the rights to get and list the Secrets that hold Helm's releases
        "#);
    insta::assert_snapshot!(all_but_autoscalers, @"
        exit 0
        ----- stdout
        Release:   rel in namespace NAMESPACE
        Status:   as declared
        Revision:   1, deployed TIME ago: Install complete
        Chart:   milvus-5.0.19
        Milvus:   v2.6.15

        COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
        proxy   1   1   1/1   0   <unknown>   <none>   yes
        queryNode   1   1   1/1   0   <unknown>   <none>   yes
        dataNode   1   1   1/1   0   <unknown>   <none>   yes
        streamingNode   1   1   1/1   0   <unknown>   <none>   yes
        mixCoordinator   1   1   1/1   0   <unknown>   <none>   coordinator

        DEPENDENCY   KIND   READY   RESTARTS
        etcd   etcd   1/1   0
        object storage   s3   <elsewhere> rel-minio:9000   <none>
        message queue   woodpecker   <inside Milvus>   <none>

        Not read:
          you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
        ");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=2"]);
    assert_eq!(as_jane("rel -o json").exits(3).json()["verdict"], "not-as-declared");
}

fn allow(sandbox: &Sandbox, role: &str, resources: &str) {
    sandbox.kubectl(&["create", "role", role, "--verb=get,list,watch", &format!("--resource={resources}")]);
    sandbox.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), "--user=jane"]);
}

#[test]
fn what_is_no_release_of_milvus_is_told_as_scale_tells_it() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.helm(&["install", "umbrella", "milvus/umbrella"]);
    let labels = json!({
        "app.kubernetes.io/managed-by": "milvus-operator", "app.kubernetes.io/instance": "mine",
        "app.kubernetes.io/component": "querynode"
    });
    create(
        &sandbox,
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mine-milvus-querynode-0", "labels": labels},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "querynode", "image": "milvus"}]}}
            }
        }),
    );
    for release in ["umbrella", "mine", "nowhere", ""] {
        let status = refused(&sandbox, sandbox.milvus(&format!("status {release}")));
        let scale = refused(&sandbox, sandbox.milvus(&format!("scale {release} querynode=2")));
        // Nobody has asked for a count here.
        let asked = scale.replace(r#""queryNode":{"replicas":2}"#, r#""COMPONENT":{"replicas":N}"#);
        assert_eq!(status, asked, "{release}");
    }
    let away = sandbox.milvus("status rel").env("KUBECONFIG", "/nonexistent").end();
    assert_eq!(away.exits(1).stdout, "");
    let json = sandbox.milvus("status rel -o json --context nowhere").end();
    assert_eq!(json.exits(1).json()["error"]["id"], "unreachable");
}

#[test]
fn a_watch_into_a_pipe_prints_what_changes() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let text = sandbox.milvus("status rel --watch").start().until_it_prints("DEPENDENCY");
    let json = sandbox.milvus("status rel -w -o json").start().until_it_prints("\"as-declared\"");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=2"]);
    let text = text.until_it_prints("proxy: 1 in the release, 2 live, 2 ready\n");
    let json = json.until_it_prints("\"not-as-declared\"");
    // Helm's record is no object that is watched.
    sandbox.milvus("scale rel proxy=2").end().exits(0);
    let text = text.until_it_prints("rel: as declared\n").signal_and_end("INT");
    let json = json.until_it_prints("\"revision\":2").signal_and_end("TERM");
    assert_eq!(text.exits(130).stderr, "");
    assert_eq!(json.exits(143).stderr, "");
    let (_, changes) = text.stdout.split_once("\n\nNotes:").unwrap_or(("", &text.stdout));
    assert!(changes.contains("/rel: revision 2 deployed: kubectl milvus scale: proxy recorded at 2\n"), "{text}");
    assert_eq!(text.stdout.matches("Release:").count(), 1, "the screen is printed once: {text}");
    for line in json.stdout.lines() {
        crate::schema::check(&serde_json::from_str(line).unwrap());
    }
    let first: Value = serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["exitCode"], 0);
}

#[test]
fn a_watch_goes_on_through_an_outage_and_ends_when_nobody_reads() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    let down = sandbox.home().join("down");
    sandbox.wrap("helm", &format!("[ -e {} ] && {{ echo 'Error: Kubernetes cluster unreachable: no route' >&2; exit 1; }}\nexec \"$REAL\" \"$@\"", down.display()));
    let watch = sandbox.milvus("status rel -w").start().until_it_prints("DEPENDENCY");
    std::fs::write(&down, "").unwrap();
    let watch = watch.until_it_prints("cannot be read: the cluster cannot be reached\n");
    std::fs::remove_file(&down).unwrap();
    let watch = watch.until_it_prints("can be read again\n");
    watch.signal_and_end("INT").exits(130);

    let run = sandbox.milvus("status rel -w -o json");
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", "\"$0\" \"$@\" | head -1", env!("CARGO_BIN_EXE_kubectl-milvus")]).args(run.words());
    command.env_clear().envs(run.environment()).env("PATH", format!("{}:/usr/bin:/bin", sandbox.bin().display()));
    let mut piped = command.stdout(Stdio::null()).spawn().unwrap();
    let mut replicas = 1;
    sandbox.until("it ends", || {
        replicas = 3 - replicas;
        sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", &format!("--replicas={replicas}")]);
        piped.try_wait().unwrap().is_some()
    });
}

#[test]
fn a_watch_at_a_terminal_draws_one_screen() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let _as_shown = as_shown();
    sandbox.install("rel", NEWEST, "");
    let mut terminal = terminal(&sandbox.milvus("status rel -w"));
    let mut all = terminal.exp_string("DEPENDENCY").unwrap() + "DEPENDENCY";
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=2"]);
    all += &(terminal.exp_string("+1 by kubectl").unwrap() + "+1 by kubectl");
    all += &(terminal.exp_string("2/2").unwrap() + "2/2");
    all += &(terminal.exp_string("set by `kubectl`").unwrap() + "set by `kubectl`");
    terminal.send_control('c').unwrap();
    all += &terminal.exp_eof().unwrap();
    insta::assert_snapshot!(screen(&all).replace("^C", ""), @"
    Release:   rel in namespace NAMESPACE
    Status:   not as declared
    Revision:   1, deployed TIME ago: Install complete
    Chart:   milvus-5.0.19
    Milvus:   v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT   SCALE
    proxy   1   2   2/2   0   <none>   +1 by kubectl   yes
    queryNode   1   1   1/1   0   <none>   <none>   yes
    dataNode   1   1   1/1   0   <none>   <none>   yes
    streamingNode   1   1   1/1   0   <none>   <none>   yes
    mixCoordinator   1   1   1/1   0   <none>   <none>   coordinator

    DEPENDENCY   KIND   READY   RESTARTS
    etcd   etcd   1/1   0
    object storage   s3   <elsewhere> rel-minio:9000   <none>
    message queue   woodpecker   <inside Milvus>   <none>

    Not as declared:
      proxy: 2 in the cluster, 1 in the release, set by `kubectl`
    ");
}

fn status(sandbox: &Sandbox, words: &str) -> Said {
    sandbox.milvus(&format!("status {words}")).end()
}

/// Ages and the widths of columns differ from run to run.
fn as_shown() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    for (pattern, instead) in [
        (r"\b\d+(s|m\d+s|m) ago", "TIME ago"),
        (r" {3,}", "   "),
        (r"(?m)^(\S+-(?:POD|\d)   \d/\d   \S+   \S+   )\d+(s|m\d+s|m) ", "${1}TIME "),
        (r"begin in \d+ seconds?", "begin in SOME seconds"),
        (r"(?m)back-off .*$", "back-off ..."),
        (r"(0/1   CrashLoopBackOff   |queryNode   1   1   0/1   )\d+", "${1}SOME"),
    ] {
        settings.add_filter(pattern, instead);
    }
    settings.bind_to_scope()
}

fn autoscaler(name: &str, deployment: &str, metrics: &Value) -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "minReplicas": 1, "maxReplicas": 5, "metrics": metrics,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
        }
    })
}
