//! The chart's autoscaler on, changed and off; one that really moves; the one
//! that is printed; and what is refused.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::answering::answers;
use crate::evidence::{count, create, evidence, history, moved, refused, settled};
use crate::hand_over::give_jane;
use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(
    on_changed_and_off_without_moving_a_pod,
    an_autoscaler_that_moves_is_kept_and_what_it_set_is_recorded,
    scale_takes_pods_away_beside_an_autoscaler_that_only_grows,
);

/// What an autoscaler computes shares of.
const REQUESTS: &str = "queryNode.resources.requests.cpu=100m,queryNode.resources.requests.memory=100Mi,\
                        proxy.resources.requests.cpu=100m,dataNode.resources.requests.cpu=100m,\
                        dataNode.resources.requests.memory=100Mi,streamingNode.resources.requests.cpu=100m";

fn requesting(helm: Helm, set: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::with(helm)?;
    sandbox.install("rel", NEWEST, &format!("{REQUESTS},{set}"));
    Some(sandbox)
}

fn autoscale(sandbox: &Sandbox, words: &str) -> Said {
    sandbox.milvus(&format!("autoscale {words}")).end()
}

/// `name min-max cpu/memory` of every autoscaler.
fn autoscalers(sandbox: &Sandbox) -> String {
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.spec.minReplicas}-{.spec.maxReplicas} \
                   {.spec.metrics[*].resource.target.averageUtilization}{'\\n'}{end}";
    sandbox.kubectl(&["get", "hpa", "--output", columns])
}

/// All that a run said but what a later upgrade does, which differs by Helm.
fn without_later_upgrades(said: &Said) -> String {
    let said = said.to_string();
    let lines = said.lines().filter(|line| !line.starts_with("  a later `helm upgrade` of yours "));
    lines.collect::<Vec<_>>().join("\n")
}

/// What each pod of a component uses from now on.
fn uses(sandbox: &Sandbox, component: &str, usage: &str) {
    sandbox.behave(&format!("{component}.usage={usage}"));
}

/// Waits until the autoscaler of a component has measured this much.
fn measures(sandbox: &Sandbox, autoscaler: &str, cpu: &str) {
    let path = "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}";
    sandbox.until(&format!("it measures {cpu} %"), || {
        sandbox.kubectl(&["get", "hpa", autoscaler, "--output", path]) == cpu
    });
}

fn on_changed_and_off_without_moving_a_pod(helm: Helm) {
    let Some(sandbox) = requesting(helm, "etcd.replicaCount=3,queryNode.replicas=2") else { return };
    sandbox.kubectl(&["scale", "deployment/rel-milvus-querynode", "--replicas=3"]);
    settled(&sandbox);
    let before = evidence(&sandbox);

    let planned = autoscale(&sandbox, "rel qn --min 2 --max 5 --cpu 50 --dry-run");
    assert!(planned.stdout.contains("  HorizontalPodAutoscaler `rel-milvus-querynode-hpa` is created\n"), "{planned}");
    assert!(planned.stdout.ends_with("\nnothing was changed\n"), "{planned}");
    assert_eq!((autoscalers(&sandbox).as_str(), sandbox.revision("rel")), ("", 1));

    let said = autoscale(&sandbox, "rel qn --min 2 --max 5 --cpu 50");
    insta::allow_duplicates! {
        insta::assert_snapshot!(without_later_upgrades(&said), @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: queryNode is autoscaled between 2 and 5 (cpu 50 %, memory 60 %), now at 3; verified (revision 2)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode autoscaled between 2 and 5 (cpu 50 %, memory 60 %)
          etcd.initialClusterState=new is set: without it the first upgrade replaces every etcd pod (to lift it later, in a maintenance window: `--set etcd.initialClusterState=existing`)
          the autoscaler has nothing to compute with, and only its bounds act: the metrics API has not measured these pods yet
          this autoscaler removes pods of `queryNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
        ");
        insta::assert_snapshot!(autoscalers(&sandbox), @"rel-milvus-querynode-hpa 2-5 50 60");
    }
    // Its words about what Helm does later are those of this Helm.
    assert_eq!(said.stderr.contains("ends in a conflict"), helm == Helm::V4, "{said}");

    let same = autoscale(&sandbox, "rel qn --min 2 --max 5");
    insta::allow_duplicates! {
        insta::assert_snapshot!(same, @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: queryNode is autoscaled between 2 and 5 (cpu 50 %, memory 60 %), now at 3; nothing to change (revision 2)
        ");
    }
    let changed = autoscale(&sandbox, "rel query-node --min 3 --max 6 --memory 70 -o json");
    let document = changed.exits(0).json();
    assert_eq!((&document["outcome"], &document["count"]), (&json!("verified"), &json!(3)));
    assert_eq!((&document["before"]["max"], &document["wanted"]["memory"]), (&json!(5), &json!(70)));
    insta::allow_duplicates! {
        insta::assert_snapshot!(autoscalers(&sandbox), @"rel-milvus-querynode-hpa 3-6 50 70");
    }

    let off = autoscale(&sandbox, "rel qn --off -q");
    insta::allow_duplicates! {
        insta::assert_snapshot!(off, @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: queryNode has no autoscaler, and is at 3; verified (revision 4)
        ");
        insta::assert_snapshot!(autoscale(&sandbox, "rel qn --off"), @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: queryNode has no autoscaler, and is at 3; nothing to change (revision 4)
        ");
    }
    assert_eq!(autoscalers(&sandbox), "");
    let values = sandbox.helm(&["get", "values", "rel", "--output", "json"]);
    let values: serde_json::Value = serde_json::from_str(&values).unwrap();
    assert_eq!(values["queryNode"]["replicas"], 3, "{values}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"nothing");
        insta::assert_snapshot!(history(&sandbox, "rel"), @"
        1 superseded: Install complete
        2 superseded: kubectl milvus autoscale: queryNode autoscaled between 2 and 5 (cpu 50 %, memory 60 %)
        3 superseded: kubectl milvus autoscale: queryNode autoscaled between 3 and 6 (cpu 50 %, memory 70 %)
        4 deployed: kubectl milvus autoscale: queryNode without autoscaler, at 3
        ");
    }
}

fn an_autoscaler_that_moves_is_kept_and_what_it_set_is_recorded(helm: Helm) {
    let Some(sandbox) = requesting(helm, "") else { return };
    autoscale(&sandbox, "rel qn --min 1 --max 4 --cpu 50").exits(0);
    uses(&sandbox, "querynode", "cpu=90m,memory=10Mi");
    sandbox.until("it has grown", || count(&sandbox, "rel-milvus-querynode") == 4);
    settled(&sandbox);
    measures(&sandbox, "rel-milvus-querynode-hpa", "90");

    // Another component's scaling leaves it alone.
    let before = evidence(&sandbox);
    let said = sandbox.scale("rel proxy=2");
    assert!(said.exits(0).stderr.contains("queryNode stays at 4: the release says 1, set by an autoscaler"), "{said}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-proxy-POD
        ~ Deployment rel-milvus-proxy
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel qn=5")), @"
        release `rel` in namespace `NAMESPACE`: revision 3, chart milvus-5.0.19 (milvus/milvus)
        error: the count of `queryNode` of release `rel` in namespace `NAMESPACE` belongs to an autoscaler (autoscaled)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-hpa` keeps it between 1 and 4

        hint: `kubectl milvus autoscale rel queryNode --min 1 --max 5 -n NAMESPACE` changes its bounds, `kubectl milvus autoscale rel queryNode --off -n NAMESPACE` ends it
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel qn --min 1 --max 3")), @"
        error: `queryNode` of release `rel` in namespace `NAMESPACE` is at 4, above `--max 3` (outside-bounds)
        caused by: an autoscaler would cut it to 3 at once, and without care

        hint: take them away first: `kubectl milvus scale rel queryNode=3 -n NAMESPACE`, or raise `--max`
        ");
    }
    let before = evidence(&sandbox);
    autoscale(&sandbox, "rel qn --off").exits(0);
    assert_eq!(moved(&before, &evidence(&sandbox)), "nothing");

    // And down, once there is less to do.
    autoscale(&sandbox, "rel qn --min 2 --max 4 --cpu 50").exits(0);
    uses(&sandbox, "querynode", "cpu=10m,memory=10Mi");
    sandbox.until("it has shrunk", || count(&sandbox, "rel-milvus-querynode") == 2);
    let said = autoscale(&sandbox, "rel qn --off");
    assert!(said.exits(0).stdout.contains("queryNode has no autoscaler, and is at 2; verified"), "{said}");
}

fn scale_takes_pods_away_beside_an_autoscaler_that_only_grows(helm: Helm) {
    let Some(sandbox) = requesting(helm, "") else { return };
    let before = sandbox.state();
    let printed = autoscale(&sandbox, "rel qn --min 2 --max 5 --grow-only");
    insta::allow_duplicates! {
        insta::assert_snapshot!(without_later_upgrades(&printed), @r#"
        exit 0
        ----- stdout
        apiVersion: autoscaling/v2
        kind: HorizontalPodAutoscaler
        metadata:
          name: rel-milvus-querynode-autoscaler
          namespace: "NAMESPACE"
          labels:
            app.kubernetes.io/instance: "rel"
            app.kubernetes.io/managed-by: kubectl-milvus
            component: querynode
        spec:
          scaleTargetRef:
            apiVersion: apps/v1
            kind: Deployment
            name: rel-milvus-querynode
          minReplicas: 2
          maxReplicas: 5
          metrics:
          - type: Resource
            resource:
              name: cpu
              target:
                type: Utilization
                averageUtilization: 60
          behavior:
            scaleUp:
              policies:
              - type: Pods
                value: 1
                periodSeconds: 30
            scaleDown:
              selectPolicy: Disabled
        ----- stderr
        the autoscaler of chart milvus-5.0.19 always shrinks as well: this object does what is wanted, and is not the release's
          the autoscaler grows `queryNode` from 1 to 2 as soon as it is there
          the autoscaler has nothing to compute with, and only its bounds act: the metrics API has not measured these pods yet
        nothing was changed
        `... | kubectl apply -f - -n NAMESPACE` applies it, `kubectl delete hpa rel-milvus-querynode-autoscaler -n NAMESPACE` takes it away again
        "#);
    }
    assert!(sandbox.state() == before, "to print it changed something");
    apply(&sandbox, &printed.stdout);

    uses(&sandbox, "querynode", "cpu=150m,memory=10Mi");
    sandbox.until("it has grown", || count(&sandbox, "rel-milvus-querynode") >= 3);
    uses(&sandbox, "querynode", "cpu=10m,memory=10Mi");
    measures(&sandbox, "rel-milvus-querynode-autoscaler", "10");
    sandbox.scale("rel qn=5").exits(0);
    settled(&sandbox);

    // It never shrinks; `scale` does, pod by pod.
    assert_eq!(count(&sandbox, "rel-milvus-querynode"), 5);
    let said = sandbox.scale("rel qn=3 -o json");
    assert_eq!(said.exits(0).json()["steps"].as_array().unwrap().len(), 2);
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel qn=1")), @"
        release `rel` in namespace `NAMESPACE`: revision 4, chart milvus-5.0.19 (milvus/milvus)
        error: `queryNode=1` of release `rel` in namespace `NAMESPACE` is outside the bounds of its autoscaler (outside-bounds)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-autoscaler` keeps it between 2 and 5, and would set it back at once

        hint: change its bounds first: `kubectl milvus autoscale rel queryNode --min 1 --max 5 --grow-only -n NAMESPACE | kubectl apply -f - -n NAMESPACE`
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel qn=6")), @"
        release `rel` in namespace `NAMESPACE`: revision 4, chart milvus-5.0.19 (milvus/milvus)
        error: `queryNode=6` of release `rel` in namespace `NAMESPACE` is outside the bounds of its autoscaler (outside-bounds)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-autoscaler` keeps it between 2 and 5, and would set it back at once

        hint: change its bounds first: `kubectl milvus autoscale rel queryNode --min 2 --max 6 --grow-only -n NAMESPACE | kubectl apply -f - -n NAMESPACE`
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel qn --min 2 --max 5")), @"
        error: `queryNode` of release `rel` in namespace `NAMESPACE` has an autoscaler that is not the chart's (autoscaled)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-autoscaler` keeps it between 2 and 5

        hint: delete it first: `kubectl delete hpa rel-milvus-querynode-autoscaler -n NAMESPACE`
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel qn --off")), @"
        error: `queryNode` of release `rel` in namespace `NAMESPACE` has an autoscaler that is not the chart's (autoscaled)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-autoscaler` keeps it between 2 and 5

        hint: delete it first: `kubectl delete hpa rel-milvus-querynode-autoscaler -n NAMESPACE`
        ");
    }
    // What it would add again at once is not taken away.
    uses(&sandbox, "querynode", "cpu=50m,memory=10Mi");
    measures(&sandbox, "rel-milvus-querynode-autoscaler", "50");
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel qn=2")), @"
        release `rel` in namespace `NAMESPACE`: revision 4, chart milvus-5.0.19 (milvus/milvus)
        error: the autoscaler of `queryNode` of release `rel` in namespace `NAMESPACE` would take 2 back (autoscaled)
        caused by: HorizontalPodAutoscaler `rel-milvus-querynode-autoscaler` keeps it between 2 and 5, and by what the pods use now it would grow it to 3

        hint: wait until less is used, or raise what it aims at (cpu 60 %): `kubectl describe hpa rel-milvus-querynode-autoscaler -n NAMESPACE`
        ");
    }
    // New bounds are the same command.
    let wider = autoscale(&sandbox, "rel qn --min 1 --max 5 --cpu 90 --grow-only -q");
    assert_eq!(wider.stderr, "");
    apply(&sandbox, &wider.stdout);
    insta::allow_duplicates! {
        insta::assert_snapshot!(autoscalers(&sandbox), @"rel-milvus-querynode-autoscaler 1-5 90");
    }
}

/// The real `kubectl apply -f -`, with nothing but what was printed.
fn apply(sandbox: &Sandbox, manifest: &str) {
    let mut child = sandbox.command("kubectl", &["apply", "--filename", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), manifest.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{manifest}");
}

/// More to do in the middle of a run down: the run ends, and says who.
#[test]
fn an_autoscaler_that_grows_in_the_middle_of_a_step_down_ends_it() {
    let Some(sandbox) = requesting(Helm::V4, "queryNode.replicas=4") else { return };
    sandbox.behave("querynode.terminates-after=8s");
    let printed = autoscale(&sandbox, "rel qn --min 1 --max 6 --grow-only -q");
    apply(&sandbox, &printed.stdout);
    uses(&sandbox, "querynode", "cpu=10m,memory=10Mi");
    measures(&sandbox, "rel-milvus-querynode-autoscaler", "10");
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("of 3 ready");
    uses(&sandbox, "querynode", "cpu=150m,memory=10Mi");
    let said = run.end();
    said.exits(3);
    assert!(said.stderr.contains("was set from 3 to 4 by an autoscaler"), "{said}");
    assert!(said.stderr.contains("(superseded)"), "{said}");
}

#[test]
fn what_the_chart_has_no_autoscaler_for_is_printed_and_works() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", "4.0.3", "dataNode.resources.requests.cpu=100m,dataNode.resources.requests.memory=100Mi");
    let printed = autoscale(&sandbox, "rel dn --min 1 --max 3 --cpu 50 --memory 50 -o json");
    let document = printed.exits(0).json();
    assert_eq!(document["outcome"], "printed");
    assert_eq!(document["change"], json!(null));
    apply(&sandbox, document["manifest"].as_str().unwrap());
    uses(&sandbox, "datanode", "cpu=10m,memory=90Mi");
    sandbox.until("it has grown", || count(&sandbox, "rel-milvus-datanode") == 2);
    assert_eq!(sandbox.revision("rel"), 1);
}

#[test]
fn index_nodes_have_one_in_charts_of_milvus_2_5() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", "4.2.58", "indexNode.resources.requests.cpu=100m");
    autoscale(&sandbox, "rel indexnode --min 1 --max 2").exits(0);
    assert_eq!(autoscalers(&sandbox), "rel-milvus-indexnode-hpa 1-2 40\n");
}

/// A negative count leaves it to an autoscaler, and to no one where there is
/// none: the one is given, or the count taken back.
#[test]
fn a_count_that_the_release_leaves_out() {
    let Some(sandbox) = requesting(Helm::V4, "proxy.replicas=-1") else { return };
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=3"]);
    settled(&sandbox);
    let before = evidence(&sandbox);
    let said = autoscale(&sandbox, "rel proxy --min 2 --max 4");
    assert!(!said.exits(0).stderr.contains("a later `helm upgrade`"), "{said}");
    autoscale(&sandbox, "rel proxy --off").exits(0);
    assert_eq!(moved(&before, &evidence(&sandbox)), "nothing");
    sandbox.scale("rel proxy=2").exits(0);
}

#[test]
fn what_could_not_work_is_refused_and_nothing_is_changed() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "replicaResourceGroups={a,b},dataNode.resources.requests.cpu=1m");
    create(
        &sandbox,
        &json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "by-hand"},
            "spec": {
                "minReplicas": 1,
                "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "rel-milvus-datanode"}
            }
        }),
    );
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("autoscale rel {words}")));
    insta::assert_snapshot!(refuse("qn --min 1 --max 2"), @"
    error: `queryNode` of release `rel` in namespace `NAMESPACE` has resource groups, and cannot be autoscaled (resource-groups)
    caused by: each group is a Deployment of its own: the chart's autoscaler would point at none of them

    hint: set the count of each group: `kubectl milvus scale rel queryNode=N -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("qn --min 1 --max 2 --grow-only"), @"
    error: `queryNode` of release `rel` in namespace `NAMESPACE` has resource groups, and cannot be autoscaled (resource-groups)
    caused by: each group is a Deployment of its own: the chart's autoscaler would point at none of them

    hint: set the count of each group: `kubectl milvus scale rel queryNode=N -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("dn --min 1 --max 2"), @"
    error: `dataNode` of release `rel` in namespace `NAMESPACE` has an autoscaler that is not the chart's (autoscaled)
    caused by: HorizontalPodAutoscaler `by-hand` keeps it between 1 and 5

    hint: delete it first: `kubectl delete hpa by-hand -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("dn --off"), @"
    error: `dataNode` of release `rel` in namespace `NAMESPACE` has an autoscaler that is not the chart's (autoscaled)
    caused by: HorizontalPodAutoscaler `by-hand` keeps it between 1 and 5

    hint: delete it first: `kubectl delete hpa by-hand -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("proxy --min 1 --max 2"), @"
    error: `proxy` of release `rel` in namespace `NAMESPACE` requests too little to be autoscaled: the share of nothing cannot be computed (no-requests)
    caused by: container `proxy` requests no cpu

    hint: set `proxy.resources.requests.cpu` in an upgrade of your own, which restarts the pods
    ");
    insta::assert_snapshot!(refuse("mixcoord --min 1 --max 2"), @"
    error: `mixCoordinator` of release `rel` in namespace `NAMESPACE` is a coordinator, and coordinators do not scale (coordinator)
    caused by: there is one, or there are two of which one waits
    ");
    insta::assert_snapshot!(refuse("in --min 1 --max 2"), @"
    error: `indexNode` of release `rel` in namespace `NAMESPACE` runs `milvusdb/milvus:v2.6.15`, and Milvus 2.6 has no index node (indexnode-gone)
    caused by: its work moved to the data node; an index node of 2.6 ends with `Unknown server type`

    hint: scale the data node instead, for instance `kubectl milvus scale rel dataNode=+1 -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("kafka --min 1 --max 2"), @"
    error: `kafka` is not a component of Milvus (unknown-component)
    caused by: release `rel` in namespace `NAMESPACE` runs `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`
    ");
    for words in ["proxy --min 0 --max 2", "proxy --min 3 --max 2", "proxy --max 2", "proxy"] {
        let before = evidence(&sandbox);
        let said = autoscale(&sandbox, &format!("rel {words}"));
        said.exits(2);
        assert_eq!((said.stdout.as_str(), moved(&before, &evidence(&sandbox)).as_str()), ("", "nothing"), "{said}");
    }
}

#[test]
fn fewer_query_nodes_than_loaded_replicas_are_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    answers(&sandbox, "2.6.15");
    sandbox.behave("milvus-replicas=3");
    sandbox.install("rel", NEWEST, &format!("{REQUESTS},queryNode.replicas=4"));
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel qn --min 2 --max 5")), @"
    error: `queryNode` of release `rel` in namespace `NAMESPACE` cannot have `--min 2`: a loaded collection has 3 replicas, and each needs a query node of its own (below-loaded-replicas)

    hint: say `--min 3`, or load the collection with fewer replicas first
    ");
    autoscale(&sandbox, "rel qn --min 3 --max 5").exits(0);
}

#[test]
fn without_a_metrics_api_it_is_said_and_done() {
    let Some(sandbox) = requesting(Helm::V3, "") else { return };
    sandbox.behave("metrics=absent");
    let said = autoscale(&sandbox, "rel proxy --min 2 --max 5");
    // Its bounds may have acted by then.
    insta::assert_snapshot!(said.to_string().replace("now at 2", "now at 1"), @"
    exit 0
    ----- stdout
    release `rel` in namespace `NAMESPACE`: proxy is autoscaled between 2 and 5 (cpu 40 %), now at 1; verified (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] proxy autoscaled between 2 and 5 (cpu 40 %)
      the autoscaler grows `proxy` from 1 to 2 as soon as it is there
      the autoscaler has nothing to compute with, and only its bounds act: the cluster has no metrics API, which metrics-server provides
      a later `helm upgrade` of yours sets `proxy` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    sandbox.until("its bounds act", || count(&sandbox, "rel-milvus-proxy") == 2);
    sandbox.behave("metrics-");
    let said = autoscale(&sandbox, "rel proxy --min 1 --max 5 --dry-run");
    assert!(said.stdout.contains("has not measured these pods yet"), "{said}");
    uses(&sandbox, "proxy", "cpu=20m,memory=10Mi");
    let said = autoscale(&sandbox, "rel proxy --min 1 --max 5 --dry-run");
    assert!(!said.stdout.contains("nothing to compute with"), "{said}");
}

/// An image that was set by hand would be set back by the upgrade.
#[test]
fn what_else_would_change_is_refused_with_the_upgrade_that_makes_it() {
    let Some(sandbox) = requesting(Helm::V4, "") else { return };
    sandbox.kubectl(&["set", "image", "deployment/rel-milvus-datanode", "datanode=milvusdb/milvus:by-hand"]);
    settled(&sandbox);
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel proxy --min 1 --max 5")), @"
    error: an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift)
    caused by: Deployment `rel-milvus-datanode` `.spec.template.spec.containers[datanode].image` from `milvusdb/milvus:by-hand` to `milvusdb/milvus:v2.6.15`: its pods restart

    hint: record it in the release's values; to make these changes first, at unchanged counts: `helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --no-hooks --force-conflicts '--description=kubectl milvus scale: other changes, at unchanged counts' --namespace=NAMESPACE --kube-context=sandbox`
    ");
}

/// Helm would find out half-way.
#[test]
fn without_the_right_to_write_autoscalers_nothing_begins() {
    let Some(sandbox) = requesting(Helm::V3, "") else { return };
    let reads = "{apiGroups: [''], resources: [pods], verbs: [get, list, watch]}";
    give_jane(&sandbox, reads);
    autoscale(&sandbox, "rel proxy --min 1 --max 3 --as jane").exits(0);
    sandbox.kubectl(&["delete", "role", "jane"]);
    let rules = r#"[{"apiGroups":["apps"],"resources":["*"],"verbs":["*"]},
        {"apiGroups":["autoscaling"],"resources":["*"],"verbs":["get","list","patch"]},
        {"apiGroups":[""],"resources":["pods","secrets","configmaps","services","serviceaccounts"],"verbs":["*"]}]"#;
    let rules: serde_json::Value = serde_json::from_str(rules).unwrap();
    create(
        &sandbox,
        &json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "jane"}, "rules": rules
        }),
    );
    let before = autoscalers(&sandbox);
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("autoscale rel proxy --off --as jane")), @"
    error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
    caused by: missing: `delete horizontalpodautoscalers.autoscaling`

    hint: kubectl auth can-i delete horizontalpodautoscalers.autoscaling -n NAMESPACE --as=jane
    ");
    assert_eq!(autoscalers(&sandbox), before);
    // To change it is less.
    autoscale(&sandbox, "rel proxy --min 1 --max 4 --as jane").exits(0);
}

/// Between the proof and the upgrade, once.
#[test]
fn a_count_that_moves_after_the_proof_is_noticed() {
    let Some(sandbox) = requesting(Helm::V4, "") else { return };
    let done = sandbox.home().join("moved");
    let script = format!(
        "case \"$*\" in *--dry-run=server*) if [ ! -e {done} ]; then\n\
         \"$REAL\" \"$@\"; ended=$?\n\
         kubectl scale deployment/rel-milvus-proxy --replicas=3 >{done}; exit $ended\n\
         fi;; esac\nexec \"$REAL\" \"$@\"",
        done = done.display()
    );
    sandbox.wrap("helm", &script);
    let said = autoscale(&sandbox, "rel proxy --min 1 --max 5");
    assert!(fs::exists(&done).unwrap());
    assert!(
        said.exits(0).stderr.contains("Deployment `rel-milvus-proxy` was set to 3 meanwhile: looking again"),
        "{said}"
    );
    assert!(said.stdout.contains("now at 3; verified (revision 2)"), "{said}");
}
