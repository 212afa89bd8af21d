//! Whole decisions as text: a state and a wish go in, the upgrade, the object
//! or the refusal comes out.

use serde_json::json;

use super::*;
use crate::autoscaler::of_object;
use crate::component;
use crate::decide::tests::observed;
use crate::manifest;
use crate::reading::Reading;
use crate::refusal::Place;
use crate::release::ChartVersion;
use crate::target::Hints;

/// A state of `decide`'s tests, and what an autoscaler is in it.
struct State {
    observed: Observed,
    released: Objects,
    seen: Seen,
}

impl State {
    fn of(counts: &str) -> Self {
        let hpa = json!({"enabled": false, "minReplicas": 1, "maxReplicas": 5, "cpuUtilization": 40, "memoryUtilization": 60});
        let with = json!({"hpa": hpa});
        let values =
            json!({"proxy": with, "queryNode": with, "dataNode": with, "indexNode": with, "streamingNode": {}});
        let seen = Seen { values, lacking: Vec::new(), needed: None, unmeasured: None };
        Self { observed: observed(counts), released: Objects::new(), seen }
    }

    fn autoscalers(&mut self) -> &mut Vec<Autoscaler> {
        let Reading::Known(autoscalers) = &mut self.observed.autoscalers else { panic!("they are known") };
        autoscalers
    }

    /// The release has an autoscaler of a component, `min` to `max`, as its
    /// values and its manifest say; live it is between others.
    fn on(mut self, key: &str, released: (u32, u32), live: (u32, u32)) -> Self {
        let component = component::find(key).unwrap();
        let object = |(min, max): (u32, u32)| {
            let metric = |name: &str, percent: u32| json!({"type": "Resource", "resource": {"name": name, "target": {"averageUtilization": percent}}});
            let name = format!("rel-milvus-{}", component.label);
            json!({
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": format!("{name}-hpa"), "labels": {"component": component.label}},
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": name},
                    "minReplicas": min,
                    "maxReplicas": max,
                    "metrics": [metric("cpu", 40), metric("memory", 60)],
                },
            })
        };
        self.seen.values[component.key]["hpa"]["enabled"] = json!(true);
        self.released = manifest::objects(&object(released).to_string()).unwrap();
        self.autoscalers().push(of_object(&object(live)).unwrap());
        self
    }

    /// Somebody's autoscaler on a Deployment.
    fn other(mut self, name: &str, deployment: &str) -> Self {
        let deployment = deployment.to_owned();
        self.autoscalers().push(Autoscaler { name: name.into(), deployment, min: 1, max: 9, ..Autoscaler::default() });
        self
    }

    fn lacks(mut self, metric: &'static str, container: &str) -> Self {
        self.seen.lacking.push(Lacking { metric, container: container.into() });
        self
    }

    fn chart(mut self, version: &str) -> Self {
        self.observed.release.chart = ChartVersion { name: "milvus".into(), version: version.into() };
        self
    }

    fn without_values(mut self) -> Self {
        self.seen.values = json!({});
        self
    }

    fn off(&self, spelling: &str) -> String {
        self.said(spelling, Wish::Off)
    }

    fn said(&self, spelling: &str, wish: Wish) -> String {
        let Self { observed, released, seen } = self;
        let decided = eligible(spelling, component::find(spelling), observed)
            .and_then(|component| plan(component, wish, observed, released, seen));
        let standing = |standing: &Standing| {
            let one = |one: &Option<Autoscaler>| {
                one.as_ref().map_or("none".to_owned(), |one| format!("{} {}", one.name, one.described()))
            };
            let cautions = lines("- ", &standing.cautions);
            format!("at {}: {}, then {}{cautions}", standing.count, one(&standing.before), one(&standing.wanted))
        };
        match decided {
            Ok(Plan::Nothing(it)) => format!("nothing, {}", standing(&it)),
            Ok(Plan::Object { why, standing: it }) => format!("printed because {why}\n{}", standing(&it)),
            Ok(Plan::Upgrade { order, change, standing: it }) => {
                let set: Vec<String> = order.set.iter().map(ToString::to_string).collect();
                let objects: Vec<String> = order.permitted.objects.iter().map(ToString::to_string).collect();
                format!(
                    "{change}\nset {}\npermitted {:?} {}\n{}",
                    set.join(" "),
                    order.permitted.counts,
                    objects.join(", "),
                    standing(&it)
                )
            }
            Err(obstacle) => {
                let hints = Hints::new("ns", false);
                let place = Place { release: "rel", namespace: "ns", hints: &hints, said: String::new() };
                let failure = obstacle.failure(&place);
                let causes = lines("because ", &failure.causes);
                let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!("\nhint: {hint}"));
                format!("refused: {failure}{causes}{hint}")
            }
        }
    }
}

fn lines(begin: &str, all: &[String]) -> String {
    let mut text = String::new();
    for one in all {
        text.push_str(&format!("\n{begin}{one}"));
    }
    text
}

fn between(min: u32, max: u32) -> Bounds {
    Bounds { min, max, cpu: None, memory: None, grow_only: false }
}

fn on(bounds: Bounds) -> Wish {
    Wish::On(bounds)
}

#[test]
fn switched_on_the_live_count_is_passed_along() {
    let state = State::of("queryNode 1 live 3, proxy 1 live 2, dataNode 1");
    insta::assert_snapshot!(state.said("qn", on(Bounds { cpu: Some(70), ..between(2, 5) })), @r#"
    queryNode autoscaled between 2 and 5 (cpu 70 %, memory 60 %)
    set queryNode.hpa.enabled=true queryNode.hpa.minReplicas=2 queryNode.hpa.maxReplicas=5 queryNode.hpa.cpuUtilization=70 queryNode.replicas=3 proxy.replicas=2
    permitted {"rel-milvus-proxy": 2, "rel-milvus-querynode": 3} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 3: none, then rel-milvus-querynode-hpa between 2 and 5 (cpu 70 %, memory 60 %)
    - this autoscaler removes pods of `queryNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `queryNode` back to 3, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
    insta::assert_snapshot!(state.said("proxy", on(between(2, 5))), @r#"
    proxy autoscaled between 2 and 5 (cpu 40 %)
    set proxy.hpa.enabled=true proxy.hpa.minReplicas=2 proxy.hpa.maxReplicas=5 proxy.replicas=2 queryNode.replicas=3
    permitted {"rel-milvus-proxy": 2, "rel-milvus-querynode": 3} HorizontalPodAutoscaler `rel-milvus-proxy-hpa`
    at 2: none, then rel-milvus-proxy-hpa between 2 and 5 (cpu 40 %)
    - a later `helm upgrade` of yours sets `proxy` back to 2, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
}

#[test]
fn below_the_smallest_count_it_is_said_that_it_grows_and_above_the_largest_refused() {
    let state = State::of("proxy 1");
    insta::assert_snapshot!(state.said("proxy", on(between(2, 5))), @r#"
    proxy autoscaled between 2 and 5 (cpu 40 %)
    set proxy.hpa.enabled=true proxy.hpa.minReplicas=2 proxy.hpa.maxReplicas=5 proxy.replicas=1
    permitted {"rel-milvus-proxy": 1} HorizontalPodAutoscaler `rel-milvus-proxy-hpa`
    at 1: none, then rel-milvus-proxy-hpa between 2 and 5 (cpu 40 %)
    - the autoscaler grows `proxy` from 1 to 2 as soon as it is there
    - a later `helm upgrade` of yours sets `proxy` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
    insta::assert_snapshot!(State::of("queryNode 6").said("qn", on(between(2, 5))), @"
    refused: `queryNode` of release `rel` in namespace `ns` is at 6, above `--max 5` (outside-bounds)
    because an autoscaler would cut it to 5 at once, and without care
    hint: take them away first: `kubectl milvus scale rel queryNode=5 -n ns`, or raise `--max`
    ");
    insta::assert_snapshot!(State::of("queryNode 0").said("qn", on(between(2, 5))), @"
    refused: `queryNode` of release `rel` in namespace `ns` is at 0, and no autoscaler ever leaves that (zero)
    hint: start it first: `kubectl milvus scale rel queryNode=2 -n ns`
    ");
}

#[test]
fn what_is_so_already_is_left_alone() {
    let state = State::of("queryNode 1 live 3").on("qn", (2, 5), (2, 5));
    insta::assert_snapshot!(state.said("qn", on(between(2, 5))), @"
    nothing, at 3: rel-milvus-querynode-hpa between 2 and 5 (cpu 40 %, memory 60 %), then rel-milvus-querynode-hpa between 2 and 5 (cpu 40 %, memory 60 %)
    - this autoscaler removes pods of `queryNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `queryNode` back to 3, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    // Changed by hand, or in the release alone, it is not so.
    let by_hand = State::of("queryNode 3").on("qn", (2, 5), (1, 9));
    insta::assert_snapshot!(by_hand.said("qn", on(between(2, 5))), @r#"
    queryNode autoscaled between 2 and 5 (cpu 40 %, memory 60 %)
    set queryNode.hpa.enabled=true queryNode.hpa.minReplicas=2 queryNode.hpa.maxReplicas=5 queryNode.replicas=3
    permitted {"rel-milvus-querynode": 3} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 3: rel-milvus-querynode-hpa between 1 and 9 (cpu 40 %, memory 60 %), then rel-milvus-querynode-hpa between 2 and 5 (cpu 40 %, memory 60 %)
    - this autoscaler removes pods of `queryNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `queryNode` back to 3, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
    insta::assert_snapshot!(State::of("queryNode 3").off("qn"), @"nothing, at 3: none, then none");
}

#[test]
fn switched_off_the_live_count_stays_and_is_recorded() {
    let state = State::of("queryNode 1 live 4").on("qn", (2, 5), (2, 5));
    insta::assert_snapshot!(state.off("qn"), @r#"
    queryNode without autoscaler, at 4
    set queryNode.hpa.enabled=false queryNode.replicas=4
    permitted {"rel-milvus-querynode": 4} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 4: rel-milvus-querynode-hpa between 2 and 5 (cpu 40 %, memory 60 %), then none
    "#);
    insta::assert_snapshot!(state.other("mine", "rel-milvus-querynode").off("qn"), @r#"
    queryNode without autoscaler, at 4
    set queryNode.hpa.enabled=false queryNode.replicas=4
    permitted {"rel-milvus-querynode": 4} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 4: rel-milvus-querynode-hpa between 2 and 5 (cpu 40 %, memory 60 %), then none
    - there is another one left: HorizontalPodAutoscaler `mine` keeps it between 1 and 9
    "#);
    // With resource groups it points at nothing, and can still be taken away.
    let groups = State::of("queryNode/a 2, queryNode/b 2").on("qn", (1, 5), (1, 5));
    insta::assert_snapshot!(groups.off("qn"), @r#"
    queryNode without autoscaler, at 2
    set queryNode.hpa.enabled=false queryNode.replicas=2
    permitted {"rel-milvus-querynode-a": 2, "rel-milvus-querynode-b": 2} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 2: rel-milvus-querynode-hpa between 1 and 5 (cpu 40 %, memory 60 %), then none
    "#);
}

#[test]
fn a_count_that_the_release_leaves_out_stays_left_out_until_it_is_switched_off() {
    let state = State::of("queryNode - live 1");
    insta::assert_snapshot!(state.said("qn", on(between(1, 5))), @"
    queryNode autoscaled between 1 and 5 (cpu 40 %, memory 60 %)
    set queryNode.hpa.enabled=true queryNode.hpa.minReplicas=1 queryNode.hpa.maxReplicas=5
    permitted {} HorizontalPodAutoscaler `rel-milvus-querynode-hpa`
    at 1: none, then rel-milvus-querynode-hpa between 1 and 5 (cpu 40 %, memory 60 %)
    - this autoscaler removes pods of `queryNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    ");
    insta::assert_snapshot!(state.off("qn"), @r#"
    queryNode without autoscaler, at 1
    set queryNode.replicas=1
    permitted {"rel-milvus-querynode": 1} 
    at 1: none, then none
    "#);
}

#[test]
fn where_the_chart_cannot_an_object_is_printed() {
    let state = State::of("queryNode 2, dataNode 1, streamingNode 1, indexNode 1");
    let grows = Bounds { grow_only: true, ..between(2, 5) };
    insta::assert_snapshot!(state.said("qn", on(grows)), @"
    printed because the autoscaler of chart milvus-5.0.19 always shrinks as well
    at 2: none, then rel-milvus-querynode-autoscaler between 2 and 5 (cpu 60 %, growing only)
    - a later `helm upgrade` of yours sets `queryNode` back to 2, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    insta::assert_snapshot!(state.said("dn", on(Bounds { memory: Some(70), ..between(1, 5) })), @"
    printed because the autoscaler of chart milvus-5.0.19 for `dataNode` knows cpu alone
    at 1: none, then rel-milvus-datanode-autoscaler between 1 and 5 (memory 70 %)
    - this autoscaler removes pods of `dataNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `dataNode` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    insta::assert_snapshot!(state.said("sn", on(Bounds { cpu: Some(50), memory: Some(70), ..between(1, 5) })), @"
    printed because chart milvus-5.0.19 of this release has no autoscaler for `streamingNode`
    at 1: none, then rel-milvus-streamingnode-autoscaler between 1 and 5 (cpu 50 %, memory 70 %)
    - this autoscaler removes pods of `streamingNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `streamingNode` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    insta::assert_snapshot!(State::of("indexNode 1").chart("5.0.19").said("in", on(between(1, 2))), @"
    printed because chart milvus-5.0.19 of this release has no autoscaler for `indexNode`
    at 1: none, then rel-milvus-indexnode-autoscaler between 1 and 2 (cpu 60 %)
    - a later `helm upgrade` of yours sets `indexNode` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    let older = State::of("indexNode 1").chart("4.2.58").said("in", on(between(1, 2)));
    assert!(older.starts_with("indexNode autoscaled"), "{older}");
    insta::assert_snapshot!(State::of("dataNode 1").chart("4.0.3").without_values().said("dn", on(between(1, 2))), @"
    printed because chart milvus-4.0.3 of this release has no autoscaler for `dataNode`
    at 1: none, then rel-milvus-datanode-autoscaler between 1 and 2 (cpu 60 %)
    - this autoscaler removes pods of `dataNode` with the chart's 30 s and without looking whether the service is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes
    - a later `helm upgrade` of yours sets `dataNode` back to 1, which the release declares; `scale` and `autoscale` pass the count of the moment along
    ");
    // The one that was applied before may be applied anew.
    let again = State::of("queryNode 2").other("rel-milvus-querynode-autoscaler", "rel-milvus-querynode");
    assert!(again.said("qn", on(grows)).starts_with("printed because"));
}

#[test]
fn the_object_grows_and_shrinks_as_the_documentation_says_or_never_shrinks() {
    let autoscaler = Autoscaler {
        name: "rel-milvus-querynode-autoscaler".into(),
        deployment: "rel-milvus-querynode".into(),
        min: 2,
        max: 8,
        cpu: Some(60),
        memory: Some(70),
        ..Autoscaler::default()
    };
    let component = component::find("qn").unwrap();
    let text = object::yaml(&autoscaler, component, "rel", "ns");
    insta::assert_snapshot!(text, @r#"
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata:
      name: rel-milvus-querynode-autoscaler
      namespace: "ns"
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
      maxReplicas: 8
      metrics:
      - type: Resource
        resource:
          name: cpu
          target:
            type: Utilization
            averageUtilization: 60
      - type: Resource
        resource:
          name: memory
          target:
            type: Utilization
            averageUtilization: 70
      behavior:
        scaleUp:
          policies:
          - type: Pods
            value: 1
            periodSeconds: 30
        scaleDown:
          stabilizationWindowSeconds: 300
          policies:
          - type: Pods
            value: 1
            periodSeconds: 60
    "#);
    let text = object::yaml(&Autoscaler { memory: None, grow_only: true, ..autoscaler.clone() }, component, "1", "2");
    insta::assert_snapshot!(text, @r#"
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata:
      name: rel-milvus-querynode-autoscaler
      namespace: "2"
      labels:
        app.kubernetes.io/instance: "1"
        app.kubernetes.io/managed-by: kubectl-milvus
        component: querynode
    spec:
      scaleTargetRef:
        apiVersion: apps/v1
        kind: Deployment
        name: rel-milvus-querynode
      minReplicas: 2
      maxReplicas: 8
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
    "#);
    // What is printed is read as what was meant.
    for wanted in [autoscaler.clone(), Autoscaler { cpu: None, grow_only: true, ..autoscaler }] {
        let objects = manifest::objects(&object::yaml(&wanted, component, "rel", "ns")).unwrap();
        assert_eq!(objects.values().find_map(|object| of_object(&object.content)), Some(wanted));
    }
}

#[test]
fn two_autoscalers_never_meet_on_one_deployment() {
    let foreign = State::of("queryNode 2").other("mine", "rel-milvus-querynode").other("x", "rel-milvus-proxy");
    insta::assert_snapshot!(foreign.said("qn", on(between(2, 5))), @"
    refused: `queryNode` of release `rel` in namespace `ns` has an autoscaler that is not the chart's (autoscaled)
    because HorizontalPodAutoscaler `mine` keeps it between 1 and 9
    hint: delete it first: `kubectl delete hpa mine -n ns`
    ");
    let grows = Bounds { grow_only: true, ..between(2, 5) };
    assert_eq!(foreign.said("qn", on(grows)), foreign.off("qn"));
    let ours = State::of("queryNode 2").on("qn", (2, 5), (2, 5));
    insta::assert_snapshot!(ours.said("qn", on(grows)), @"
    refused: `queryNode` of release `rel` in namespace `ns` has the chart's autoscaler, and two would fight (autoscaled)
    because HorizontalPodAutoscaler `rel-milvus-querynode-hpa` keeps it between 2 and 5
    hint: end that one first: `kubectl milvus autoscale rel queryNode --off -n ns`
    ");
    let printed = State::of("queryNode 2").other("rel-milvus-querynode-autoscaler", "rel-milvus-querynode");
    assert!(printed.said("qn", on(between(2, 5))).contains("kubectl delete hpa rel-milvus-querynode-autoscaler -n ns"));
    let mut keda = foreign;
    keda.autoscalers()[0].keda = true;
    assert!(keda.off("qn").contains("kubectl get scaledobjects.keda.sh -n ns"));
}

#[test]
fn what_could_never_compute_is_refused() {
    let state = State::of("queryNode 2, proxy 1").lacks("memory", "querynode").lacks("memory", "istio-proxy");
    insta::assert_snapshot!(state.said("qn", on(between(2, 5))), @"
    refused: `queryNode` of release `rel` in namespace `ns` requests too little to be autoscaled: the share of nothing cannot be computed (no-requests)
    because container `querynode` requests no memory
    because container `istio-proxy` requests no memory
    hint: set `queryNode.resources.requests.memory` in an upgrade of your own, which restarts the pods
    ");
    // It looks at cpu alone.
    assert!(state.said("proxy", on(between(1, 5))).starts_with("proxy autoscaled"));
    assert!(state.said("qn", on(Bounds { grow_only: true, ..between(2, 5) })).starts_with("printed"));
    let mut unmeasured = State::of("proxy 2");
    unmeasured.seen.unmeasured = Some("the cluster has no metrics API".into());
    insta::assert_snapshot!(unmeasured.said("proxy", on(between(2, 5))), @r#"
    proxy autoscaled between 2 and 5 (cpu 40 %)
    set proxy.hpa.enabled=true proxy.hpa.minReplicas=2 proxy.hpa.maxReplicas=5 proxy.replicas=2
    permitted {"rel-milvus-proxy": 2} HorizontalPodAutoscaler `rel-milvus-proxy-hpa`
    at 2: none, then rel-milvus-proxy-hpa between 2 and 5 (cpu 40 %)
    - the autoscaler has nothing to compute with, and only its bounds act: the cluster has no metrics API
    - a later `helm upgrade` of yours sets `proxy` back to 2, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
}

#[test]
fn query_nodes_stay_as_many_as_the_replicas_that_are_loaded() {
    let mut state = State::of("queryNode 3");
    state.seen.needed = Some(Needs { in_one_group: 3, in_all: 3, of_groups: 0 });
    insta::assert_snapshot!(state.said("qn", on(between(2, 5))), @"
    refused: `queryNode` of release `rel` in namespace `ns` cannot have `--min 2`: a loaded collection has 3 replicas, and each needs a query node of its own (below-loaded-replicas)
    hint: say `--min 3`, or load the collection with fewer replicas first
    ");
    assert!(state.said("qn", on(between(3, 5))).starts_with("queryNode autoscaled"));
}

#[test]
fn what_cannot_be_autoscaled_is_refused() {
    let two = on(between(1, 2));
    insta::assert_snapshot!(State::of("queryNode/a 1, queryNode/b 1").said("qn", two), @"
    refused: `queryNode` of release `rel` in namespace `ns` has resource groups, and cannot be autoscaled (resource-groups)
    because each group is a Deployment of its own: the chart's autoscaler would point at none of them
    hint: set the count of each group: `kubectl milvus scale rel queryNode=N -n ns`
    ");
    insta::assert_snapshot!(State::of("queryNode/a 1").said("qn", two), @"
    refused: `queryNode` of release `rel` in namespace `ns` has resource groups, and cannot be autoscaled (resource-groups)
    because each group is a Deployment of its own: the chart's autoscaler would point at none of them
    hint: set the count of each group: `kubectl milvus scale rel queryNode=N -n ns`
    ");
    insta::assert_snapshot!(State::of("mixCoordinator 1").said("mixcoord", two), @"
    refused: `mixCoordinator` of release `rel` in namespace `ns` is a coordinator, and coordinators do not scale (coordinator)
    because there is one, or there are two of which one waits
    ");
    insta::assert_snapshot!(State::of("attu 1").said("attu", two), @"refused: the count of `attu` of release `rel` in namespace `ns` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(State::of("standalone 1").said("qn", two), @"
    refused: release `rel` in namespace `ns` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone)
    because its chart ignores the counts of components where `cluster.enabled` is false
    hint: install a release with `cluster.enabled=true` and move the data, for instance with milvus-backup
    ");
    insta::assert_snapshot!(State::of("queryNode 1").said("qurynode", two), @"
    refused: `qurynode` is not a component of Milvus (unknown-component)
    because release `rel` in namespace `ns` runs `queryNode`
    hint: did you mean `queryNode`?
    ");
    insta::assert_snapshot!(State::of("queryNode 1").said("dn", two), @"refused: release `rel` in namespace `ns` does not run `dataNode` (component-disabled)");
    insta::assert_snapshot!(State::of("queryNode 1 live gone").said("qn", two), @"
    refused: Deployment `rel-milvus-querynode` of `queryNode` of release `rel` in namespace `ns` is not in the cluster (drift)
    because an upgrade would create it anew
    hint: helm get manifest rel -n ns
    ");
    insta::assert_snapshot!(State::of("queryNode 1, proxy 1 live 0").said("qn", two), @"
    refused: `proxy` of release `rel` in namespace `ns` has 0 in the cluster and 1 in the release (drift)
    because an upgrade would take it back to the release's count, and this one cannot be passed along
    hint: say which count it is to have: `kubectl milvus scale rel proxy=1 -n ns`, or `kubectl milvus scale rel proxy=0 -n ns --allow-zero` if it is to stay stopped
    ");
}

#[test]
fn what_someone_else_made_of_it_is_noticed() {
    let wanted = Autoscaler { name: "h".into(), min: 2, max: 5, cpu: Some(60), ..Autoscaler::default() };
    let on = Standing { count: 3, before: None, wanted: Some(wanted.clone()), cautions: Vec::new() };
    let off = Standing { before: Some(wanted.clone()), wanted: None, ..on.clone() };
    let there = [Autoscaler { keda: true, ..wanted.clone() }];
    // Its count is its own, and may have moved by now.
    assert_eq!(different("queryNode", &on, &there, 4), None);
    assert_eq!(different("queryNode", &off, &[], 3), None);
    for (standing, autoscalers, count, said) in [
        (&on, &[][..], 3, "HorizontalPodAutoscaler `h` is not there"),
        (&on, &[Autoscaler { max: 9, ..wanted }][..], 3, "HorizontalPodAutoscaler `h` is between 2 and 9 (cpu 60 %)"),
        (&off, &there[..], 3, "HorizontalPodAutoscaler `h` is still there"),
        (&off, &[][..], 4, "`queryNode` was set from 3 to 4"),
    ] {
        assert_eq!(different("queryNode", standing, autoscalers, count).as_deref(), Some(said));
    }
}

#[test]
fn a_release_on_the_server_side_says_what_a_later_upgrade_does_there() {
    let mut state = State::of("proxy 2");
    state.observed.release.apply = Apply::ServerSide;
    insta::assert_snapshot!(state.said("proxy", on(between(2, 5))), @r#"
    proxy autoscaled between 2 and 5 (cpu 40 %)
    set proxy.hpa.enabled=true proxy.hpa.minReplicas=2 proxy.hpa.maxReplicas=5 proxy.replicas=2
    permitted {"rel-milvus-proxy": 2} HorizontalPodAutoscaler `rel-milvus-proxy-hpa`
    at 2: none, then rel-milvus-proxy-hpa between 2 and 5 (cpu 40 %)
    - a later `helm upgrade` of yours ends in a conflict over the count once the autoscaler has moved it, and with `--force-conflicts` sets `proxy` back to 2, which the release declares; `scale` and `autoscale` pass the count of the moment along
    "#);
}
