//! Whole runs as text: a state and what was asked for go in, every decision
//! until nothing is left to do comes out.

use serde_json::json;

use super::*;
use crate::component;
use crate::observe::Pods;
use crate::pod::Pod;
use crate::reading::Reading;
use crate::refusal::Place;
use crate::release::{Apply, ChartVersion, Declared, Release};
use crate::target::Hints;

/// A release from lines such as `queryNode 1`, `proxy 1 live 3`, `dataNode -`
/// (no count declared), `cdc 1 live gone`, `mixCoordinator 1 standby`, `queryNode/rg1 2`,
/// `indexNode 1 image x/milvus:v2.6.0`; every Deployment has its pods, Ready,
/// unless it is `queryNode 4 ready 2`; `queryNode pod terminating` adds a pod.
pub(crate) fn observed(state: &str) -> Observed {
    let release = Release {
        name: "rel".into(),
        revision: 7,
        status: Status::Deployed,
        chart: ChartVersion { name: "milvus".into(), version: "5.0.19".into() },
        apply: Apply::ClientSide,
    };
    let mut observed = Observed {
        release,
        manifest: String::new(),
        failed: Vec::new(),
        declared: Vec::new(),
        deployments: Vec::new(),
        pods: Pods::default(),
        autoscalers: Reading::Known(Vec::new()),
        standby: Vec::new(),
    };
    for line in state.split(',').map(str::trim) {
        let (what, rest) = line.split_once(' ').unwrap();
        let (key, group) = what.split_once('/').map_or((what, None), |(key, group)| (key, Some(group)));
        let component = component::find(key).unwrap();
        if rest == "pod terminating" {
            let pod = Pod { component: component.label.into(), terminating: true, ..Pod::default() };
            observed.pods.items.push(pod);
            continue;
        }
        let (declared, more) = rest.split_once(' ').unwrap_or((rest, ""));
        observed.standby.extend((more == "standby").then_some(component));
        let name = format!("rel-milvus-{}{}", component.label, group.map_or(String::new(), |g| format!("-{g}")));
        let replicas = declared.parse().ok();
        observed.declared.push(Declared { name: name.clone(), component, group: group.map(str::to_owned), replicas });
        let live = more.strip_prefix("live ").unwrap_or(declared);
        if live != "gone" {
            let ready = more.strip_prefix("ready ");
            let live = if ready.is_some() { declared } else { live };
            let (image, labels) = (more.strip_prefix("image "), more.strip_prefix("label "));
            let labels = labels.map_or(json!({}), |label| json!({ label: "x" }));
            let deployment = json!({
                "metadata": { "name": name, "labels": labels },
                "spec": {
                    "replicas": live.parse::<u32>().unwrap_or(1),
                    "template": { "spec": { "containers": [{ "image": image }] } },
                },
            });
            observed.deployments.push(serde_json::from_value(deployment).unwrap());
            let ready = ready.unwrap_or(live).parse().unwrap_or(1);
            let pod = Pod { component: component.label.into(), deployment: Some(name), ready: true, ..Pod::default() };
            observed.pods.items.extend(std::iter::repeat_n(pod, ready));
        }
    }
    observed
}

fn asked(words: &str) -> Vec<Asked> {
    let one = |word: &str| {
        let (spelling, count) = word.split_once('=').unwrap();
        let number = |digits: &str| digits.parse().unwrap();
        let count = match count.split_at(1) {
            ("+", by) => Count::More(number(by)),
            ("-", by) => Count::Fewer(number(by)),
            _ => Count::Exactly(number(count)),
        };
        Asked { spelling: spelling.into(), component: component::find(spelling), count }
    };
    words.split_whitespace().map(one).collect()
}

fn refused(refusal: &Refusal) -> String {
    let failure = refusal.failure(&Place {
        release: "rel",
        namespace: "ns",
        hints: &Hints::new("ns", false),
        said: String::new(),
    });
    let causes = failure.causes.iter().map(|cause| format!("\nbecause {cause}"));
    let hint = failure.hint.iter().map(|hint| format!("\nhint: {hint}"));
    format!("refused: {failure}{}", causes.chain(hint).collect::<String>())
}

/// The run from this state on, each step done at once.
fn run(state: &str, words: &str, pace: Pace, consent: Consent) -> String {
    let mut observed = observed(state);
    let goal = match goal(&asked(words), &observed, consent) {
        Ok(goal) => goal,
        Err(refusal) => return refused(&refusal),
    };
    let mut said = Vec::new();
    loop {
        match next(&goal, &observed, pace) {
            Err(refusal) => said.push(refused(&refusal)),
            Ok(Decision::Follow(expected)) => said.push(format!("follow {}", expectation(&expected))),
            Ok(Decision::Step { after, .. }) if !after.is_empty() => {
                said.push(format!("await {}", expectation(&after)));
                observed.pods.items.retain(|pod| !pod.terminating);
                continue;
            }
            Ok(Decision::Step { step, left, expected, .. }) => {
                said.push(format!("{left}: {step}; then {}", expectation(&expected)));
                for change in &step.changes {
                    for declared in observed.declared.iter_mut().filter(|d| d.component == change.component) {
                        declared.replicas = Some(change.to.0);
                        let live = observed.deployments.iter_mut().find(|live| live.name == declared.name);
                        live.unwrap().wanted = change.to.0;
                    }
                }
                continue;
            }
        }
        return said.join("\n");
    }
}

fn expectation(expected: &[Expected]) -> String {
    let one = |e: &Expected| {
        let counts: Vec<String> = e.deployments.iter().map(|(_, count)| count.to_string()).collect();
        format!("{} {}", e.component.key, counts.join("+"))
    };
    expected.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn check(state: &str, words: &str) -> String {
    run(state, words, Pace::Pods(1), Consent::default())
}

#[test]
fn what_grows_goes_in_one_step() {
    insta::assert_snapshot!(check("queryNode 1", "qn=3"), @"
    1: queryNode 1 to 3; then queryNode 3
    follow queryNode 3
    ");
    insta::assert_snapshot!(check("queryNode 1, proxy 1, dataNode 1", "qn=3 proxy=+2"), @"
    1: queryNode 1 to 3, proxy 1 to 3; then queryNode 3, proxy 3
    follow queryNode 3, proxy 3
    ");
}

#[test]
fn pods_that_never_came_are_given_up_in_one_step() {
    insta::assert_snapshot!(check("queryNode 6 ready 2", "qn=1"), @"
    2: queryNode 6 to 2; then queryNode 2
    1: queryNode 2 to 1; then queryNode 1
    follow queryNode 1
    ");
    insta::assert_snapshot!(check("queryNode 6 ready 2", "qn=4"), @"
    1: queryNode 6 to 4; then queryNode 4
    follow queryNode 4
    ");
}

#[test]
fn what_shrinks_goes_one_pod_after_the_other_and_at_another_pace_if_told() {
    insta::assert_snapshot!(check("queryNode 4", "qn=1"), @"
    3: queryNode 4 to 3; then queryNode 3
    2: queryNode 3 to 2; then queryNode 2
    1: queryNode 2 to 1; then queryNode 1
    follow queryNode 1
    ");
    let state = "queryNode 6";
    insta::assert_snapshot!(run(state, "qn=1", Pace::Pods(2), Consent::default()), @"
    3: queryNode 6 to 4; then queryNode 4
    2: queryNode 4 to 2; then queryNode 2
    1: queryNode 2 to 1; then queryNode 1
    follow queryNode 1
    ");
    insta::assert_snapshot!(run(state, "qn=-5", Pace::All, Consent::default()), @"
    1: queryNode 6 to 1; then queryNode 1
    follow queryNode 1
    ");
    insta::assert_snapshot!(run(state, "qn=5", Pace::Pods(100), Consent::default()), @"
    1: queryNode 6 to 5; then queryNode 5
    follow queryNode 5
    ");
}

#[test]
fn what_grows_goes_before_what_shrinks_in_the_order_in_which_it_was_asked() {
    insta::assert_snapshot!(check("queryNode 3, proxy 1, dataNode 2", "dn=1 qn=1 proxy=2"), @"
    4: proxy 1 to 2; then dataNode 2, queryNode 3, proxy 2
    3: dataNode 2 to 1; then dataNode 1, queryNode 3, proxy 2
    2: queryNode 3 to 2; then dataNode 1, queryNode 2, proxy 2
    1: queryNode 2 to 1; then dataNode 1, queryNode 1, proxy 2
    follow dataNode 1, queryNode 1, proxy 2
    ");
}

#[test]
fn a_step_down_waits_for_pods_that_are_still_going_and_a_step_up_does_not() {
    insta::assert_snapshot!(check("queryNode 3, queryNode pod terminating", "qn=2"), @"
    await queryNode 3
    1: queryNode 3 to 2; then queryNode 2
    follow queryNode 2
    ");
    insta::assert_snapshot!(check("queryNode 3, queryNode pod terminating", "qn=4"), @"
    1: queryNode 3 to 4; then queryNode 4
    follow queryNode 4
    ");
    insta::assert_snapshot!(check("queryNode 3, proxy 2, proxy pod terminating", "qn=2"), @"
    1: queryNode 3 to 2; then queryNode 2
    follow queryNode 2
    ");
}

#[test]
fn nothing_to_change_is_only_followed() {
    insta::assert_snapshot!(check("queryNode 2, proxy 1", "qn=2 proxy=+0"), @"follow queryNode 2, proxy 1");
}

#[test]
fn a_count_that_release_or_cluster_does_not_have_is_set() {
    insta::assert_snapshot!(check("queryNode 1 live 3", "qn=3"), @"
    1: queryNode recorded at 3; then queryNode 3
    follow queryNode 3
    ");
    insta::assert_snapshot!(check("queryNode 3 live 1", "qn=3"), @"
    1: queryNode 1 to 3; then queryNode 3
    follow queryNode 3
    ");
    insta::assert_snapshot!(check("queryNode 1 live 5", "qn=3"), @"
    2: queryNode 5 to 4; then queryNode 4
    1: queryNode 4 to 3; then queryNode 3
    follow queryNode 3
    ");
    insta::assert_snapshot!(check("queryNode 5 live 2", "qn=3"), @"
    1: queryNode 2 to 3; then queryNode 3
    follow queryNode 3
    ");
}

#[test]
fn a_relative_count_needs_one_base() {
    insta::assert_snapshot!(check("queryNode 2", "qn=+1"), @"
    1: queryNode 2 to 3; then queryNode 3
    follow queryNode 3
    ");
    insta::assert_snapshot!(check("queryNode 2", "qn=-1"), @"
    1: queryNode 2 to 1; then queryNode 1
    follow queryNode 1
    ");
    insta::assert_snapshot!(check("queryNode 2 live 3", "qn=+1"), @"
    refused: a relative count of `queryNode` of release `rel` in namespace `ns` has no base: 3 in the cluster, 2 in the release (drift)
    hint: say the count you want: `kubectl milvus scale rel queryNode=3 -n ns`
    ");
    insta::assert_snapshot!(check("queryNode/a 2, queryNode/b 2 live 4", "qn=+1"), @"
    refused: a relative count of `queryNode` of release `rel` in namespace `ns` has no base: 2 and 4 in the cluster, 2 in the release (drift)
    hint: say the count you want: `kubectl milvus scale rel queryNode=4 -n ns`
    ");
    insta::assert_snapshot!(check("queryNode 2", "qn=-3"), @"refused: `queryNode=-3` leads nowhere: release `rel` in namespace `ns` has 2");
    insta::assert_snapshot!(check("queryNode 2", "qn=+2147483646"), @"refused: `queryNode=+2147483646` leads nowhere: release `rel` in namespace `ns` has 2");
}

#[test]
fn a_count_is_of_each_group() {
    insta::assert_snapshot!(check("queryNode/a 1, queryNode/b 1", "qn=3"), @"
    1: queryNode 1 to 3; then queryNode 3+3
    follow queryNode 3+3
    ");
    insta::assert_snapshot!(check("queryNode/a 3, queryNode/b 3", "qn=2"), @"
    1: queryNode 3 to 2; then queryNode 2+2
    follow queryNode 2+2
    ");
}

#[test]
fn groups_of_unequal_counts_become_equal_without_one_growing_while_another_shrinks() {
    insta::assert_snapshot!(check("queryNode/a 1, queryNode/b 1 live 4", "qn=4"), @"
    1: queryNode recorded at 4; then queryNode 4+4
    follow queryNode 4+4
    ");
    insta::assert_snapshot!(check("queryNode/a 1 live 3, queryNode/b 1 live 4", "qn=3"), @"
    1: queryNode 4 to 3; then queryNode 3+3
    follow queryNode 3+3
    ");
    insta::assert_snapshot!(check("queryNode/a 1, queryNode/b 1 live 4", "qn=2"), @"
    refused: the resource groups of `queryNode` of release `rel` in namespace `ns` have different counts: 1 and 4 (drift)
    because one step would make one group smaller and another larger
    hint: make them equal first: `kubectl milvus scale rel queryNode=4 -n ns`
    ");
}

#[test]
fn what_this_release_does_not_run_is_refused() {
    insta::assert_snapshot!(check("queryNode 1, proxy 1", "dn=2"), @"refused: release `rel` in namespace `ns` does not run `dataNode` (component-disabled)");
    insta::assert_snapshot!(check("queryNode 1, proxy 1", "qn=2 kueryNode=2"), @"
    refused: `kueryNode` is not a component of Milvus (unknown-component)
    because release `rel` in namespace `ns` runs `queryNode`, `proxy`
    hint: did you mean `queryNode`?
    ");
    insta::assert_snapshot!(check("queryNode 1", "kafka=2"), @"
    refused: `kafka` is not a component of Milvus (unknown-component)
    because release `rel` in namespace `ns` runs `queryNode`
    ");
    insta::assert_snapshot!(check("standalone 1", "qn=2"), @"
    refused: release `rel` in namespace `ns` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone)
    because its chart ignores the counts of components where `cluster.enabled` is false
    hint: install a release with `cluster.enabled=true` and move the data, for instance with milvus-backup
    ");
    insta::assert_snapshot!(check("queryNode 1 live gone", "qn=2"), @"
    refused: Deployment `rel-milvus-querynode` of `queryNode` of release `rel` in namespace `ns` is not in the cluster (drift)
    because an upgrade would create it anew
    hint: helm get manifest rel -n ns
    ");
}

#[test]
fn what_cannot_be_scaled_is_refused() {
    insta::assert_snapshot!(check("attu 1", "attu=2"), @"refused: the count of `attu` of release `rel` in namespace `ns` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(check("cdc 1", "cdc=2"), @"refused: the count of `cdc` of release `rel` in namespace `ns` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(check("queryNode 1", "woodpecker=2"), @"
    refused: `woodpecker` of release `rel` in namespace `ns` is a dependency of Milvus, not a worker (component-fixed)
    because its count is the value `woodpecker.replicaCount`, and a change of it restarts other pods
    ");
    insta::assert_snapshot!(check("standalone 1", "standalone=2"), @"refused: the count of `standalone` of release `rel` in namespace `ns` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(check("indexNode 1 image x/milvus:v2.6.0", "in=2"), @"
    refused: `indexNode` of release `rel` in namespace `ns` runs `x/milvus:v2.6.0`, and Milvus 2.6 has no index node (indexnode-gone)
    because its work moved to the data node; an index node of 2.6 ends with `Unknown server type`
    hint: scale the data node instead, for instance `kubectl milvus scale rel dataNode=+1 -n ns`
    ");
    insta::assert_snapshot!(check("indexNode 1 image x/milvus:v2.5.16@sha256:0", "in=2"), @"
    1: indexNode 1 to 2; then indexNode 2
    follow indexNode 2
    ");
    insta::assert_snapshot!(check("queryNode -", "qn=2"), @"
    refused: the count of `queryNode` of release `rel` in namespace `ns` is left to an autoscaler (autoscaled)
    because its value `queryNode.replicas` is negative, so the release declares no count
    hint: `kubectl milvus autoscale rel queryNode --off -n ns` declares the live count, so that it can be scaled
    ");
    insta::assert_snapshot!(check("queryNode 1 label kustomize.toolkit.fluxcd.io/name", "qn=2"), @"
    refused: `queryNode` of release `rel` in namespace `ns` is managed by Flux (gitops-managed)
    because Flux would write the old count back
    hint: commit `queryNode.replicas` to the values of the HelmRelease instead
    ");
}

#[test]
fn a_second_coordinator_needs_active_standby() {
    insta::assert_snapshot!(check("mixCoordinator 1", "mixcoord=2"), @"
    refused: `mixCoordinator` of release `rel` in namespace `ns` is a coordinator, and coordinators do not scale (coordinator)
    because its active standby is off: a second one would crash in a loop
    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    insta::assert_snapshot!(check("mixCoordinator 2", "mixcoord=1"), @"
    1: mixCoordinator 2 to 1; then mixCoordinator 1
    follow mixCoordinator 1
    ");
    for (words, state) in [("mixcoord=2", "mixCoordinator 1 standby"), ("mixcoord=1", "mixCoordinator 2 standby")] {
        assert!(check(state, words).contains("follow mixCoordinator"), "{words}");
    }
    insta::assert_snapshot!(check("mixCoordinator 1 standby", "mixcoord=3"), @"
    refused: `mixCoordinator` of release `rel` in namespace `ns` is a coordinator, and coordinators do not scale (coordinator)
    because its active standby is on: there can be 1, or 2 of which one waits; say which
    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    insta::assert_snapshot!(check("mixCoordinator 1 standby", "mixcoord=+1"), @"
    refused: `mixCoordinator` of release `rel` in namespace `ns` is a coordinator, and coordinators do not scale (coordinator)
    because its active standby is on: there can be 1, or 2 of which one waits; say which
    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
}

#[test]
fn zero_needs_consent_unless_it_is_so_already() {
    insta::assert_snapshot!(check("dataNode 1", "dn=0"), @"
    refused: `dataNode=0` would stop every `dataNode` of release `rel` in namespace `ns` (zero)
    hint: if that is what you want: `kubectl milvus scale rel dataNode=0 -n ns --allow-zero`
    ");
    insta::assert_snapshot!(check("dataNode 2", "dn=-2"), @"
    refused: `dataNode=0` would stop every `dataNode` of release `rel` in namespace `ns` (zero)
    hint: if that is what you want: `kubectl milvus scale rel dataNode=0 -n ns --allow-zero`
    ");
    let consent = Consent { zero: true };
    insta::assert_snapshot!(run("dataNode 2", "dn=0", Pace::Pods(1), consent), @"
    2: dataNode 2 to 1; then dataNode 1
    1: dataNode 1 to 0; then dataNode 0
    follow dataNode 0
    ");
    insta::assert_snapshot!(check("dataNode 0", "dn=0"), @"follow dataNode 0");
    insta::assert_snapshot!(check("dataNode 0", "dn=1"), @"
    1: dataNode 0 to 1; then dataNode 1
    follow dataNode 1
    ");
}

#[test]
fn query_and_streaming_nodes_do_not_shrink_in_one_call() {
    insta::assert_snapshot!(check("queryNode 2, streamingNode 2", "qn=1 sn=1"), @"
    refused: `queryNode` and `streamingNode` of release `rel` in namespace `ns` must not shrink in one call (both-nodes-in)
    because channels and segments would move at the same time, and searches would lack segments
    hint: shrink one of them, and the other when that is done
    ");
    insta::assert_snapshot!(check("queryNode 2, streamingNode 2", "qn=1 sn=3"), @"
    2: streamingNode 2 to 3; then queryNode 2, streamingNode 3
    1: queryNode 2 to 1; then queryNode 1, streamingNode 3
    follow queryNode 1, streamingNode 3
    ");
}

#[test]
fn a_release_that_is_not_deployed_is_left_alone() {
    let said = |status: &str| {
        let mut observed = observed("queryNode 1");
        let goal = goal(&asked("qn=2"), &observed, Consent::default()).unwrap();
        observed.release.status = Status::from(status);
        match next(&goal, &observed, Pace::All) {
            Ok(decision) => format!("{decision:?}"),
            Err(refusal) => refused(&refusal),
        }
    };
    for status in ["pending-install", "pending-upgrade", "pending-rollback", "uninstalling", "unknown", "superseded"] {
        assert!(said(status).contains("(release-pending)"), "{}", said(status));
    }
    insta::assert_snapshot!(said("pending-upgrade"), @"
    refused: release `rel` in namespace `ns` is `pending-upgrade` (revision 7): another operation is under way, or was killed (release-pending)
    hint: look at `helm history rel -n ns` and wait
    ");
    // One that failed goes on from the last deployed revision, if it changed
    // nothing but counts.
    assert!(said("failed").starts_with("Step"), "{}", said("failed"));
}

#[test]
fn other_components_counts_are_kept_and_what_cannot_be_kept_is_refused() {
    let said = |state: &str| {
        let observed = observed(state);
        let component = component::find("queryNode").unwrap();
        let step = Step { changes: vec![CountChange { component, from: PerGroup(1), to: PerGroup(2) }] };
        match kept(&step, &observed) {
            Ok(kept) => {
                let counts = kept.iter().map(|one| format!("{} {}", one.component.key, one.count));
                format!("{:?} {:?}", counts.collect::<Vec<_>>(), permitted(&step, &kept, &observed))
            }
            Err(refusal) => refused(&refusal),
        }
    };
    insta::assert_snapshot!(said("queryNode 1 live 9, proxy 1, dataNode 1"), @r#"[] {"rel-milvus-querynode": 2}"#);
    insta::assert_snapshot!(said("queryNode 1, proxy 1 live 3, dataNode 2"), @r#"["proxy 3"] {"rel-milvus-proxy": 3, "rel-milvus-querynode": 2}"#);
    insta::assert_snapshot!(said("queryNode 1, proxy - live 3, attu 1 live 2"), @r#"[] {"rel-milvus-querynode": 2}"#);
    insta::assert_snapshot!(said("queryNode 1, streamingNode/a 1 live 2, streamingNode/b 1 live 2"), @r#"["streamingNode 2"] {"rel-milvus-querynode": 2, "rel-milvus-streamingnode-a": 2, "rel-milvus-streamingnode-b": 2}"#);
    insta::assert_snapshot!(said("queryNode 1, streamingNode/a 1 live 2, streamingNode/b 1 live 3"), @"
    refused: `streamingNode` of release `rel` in namespace `ns` has 2 and 3 in the cluster and 1 in the release (drift)
    because an upgrade would take it back to the release's count, and this one cannot be passed along
    hint: say which count it is to have: `kubectl milvus scale rel streamingNode=3 -n ns`
    ");
    insta::assert_snapshot!(said("queryNode 1, dataNode 1 live 0"), @"
    refused: `dataNode` of release `rel` in namespace `ns` has 0 in the cluster and 1 in the release (drift)
    because an upgrade would take it back to the release's count, and this one cannot be passed along
    hint: say which count it is to have: `kubectl milvus scale rel dataNode=1 -n ns`, or `kubectl milvus scale rel dataNode=0 -n ns --allow-zero` if it is to stay stopped
    ");
}

/// Before chart 4.0.4 the value of a coordinator's count is never read: the
/// proof names the drift instead.
#[test]
fn a_coordinators_count_is_passed_along_only_where_its_chart_reads_it() {
    let kept = |version: &str| {
        let mut observed = observed("queryNode 1, rootcoord 1 live 2");
        observed.release.chart.version = version.to_owned();
        let change = CountChange { component: component::find("qn").unwrap(), from: PerGroup(1), to: PerGroup(2) };
        kept(&Step { changes: vec![change] }, &observed).unwrap().len()
    };
    assert_eq!((kept("4.0.3"), kept("4.0.4")), (0, 1));
}

#[test]
fn in_the_middle_of_an_operation_nothing_is_said_of_what_was_asked() {
    let mut observed = observed("queryNode 1 live gone");
    observed.release.status = Status::from("pending-install");
    let refusal = goal(&asked("qn=2"), &observed, Consent::default()).unwrap_err();
    assert!(matches!(refusal, Refusal::ReleasePending { .. }), "{refusal:?}");
}

#[test]
fn what_is_not_there_is_told_before_what_its_count_may_be() {
    let said =
        |state: &str, words: &str| refused(&goal(&asked(words), &observed(state), Consent::default()).unwrap_err());
    assert!(said("queryNode 1 image x/milvus:v2.6.0", "in=2").contains("(indexnode-gone)"));
    assert!(said("queryNode 1 image x/milvus:v2.5.9", "in=2").contains("(component-disabled)"));
    for component in ["attu", "cdc", "standalone", "rootcoord"] {
        let said = said("queryNode 1, mixcoord 1", &format!("{component}=2"));
        assert!(said.contains("(component-disabled)"), "{said}");
    }
    for component in ["mixcoord", "proxy", "attu"] {
        let said = said("standalone 1", &format!("{component}=1"));
        assert!(said.contains("(standalone)"), "{said}");
    }
    assert!(said("standalone 1", "standalone=2").contains("(component-fixed)"));
}
