//! Who leaves in a step down, with how much time, and who does not: by UID, in
//! the API server's own words.

use std::fs;
use std::time::Duration;

use crate::answering::milvus;
use crate::pod_lives::PodLives;
use crate::said::signal;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

const DOWN: &str = "rel qn=2 --settle 0s";

with_each_helm!(the_newest_pod_hands_over_and_its_replacement_goes);

/// Three query nodes, of which the newest is known, that need two seconds to
/// leave.
fn three(helm: Helm) -> Option<(Sandbox, PodLives)> {
    let sandbox = Sandbox::with(helm)?;
    sandbox.behave("querynode.terminates-after=2s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let lives = PodLives::follow(&sandbox, "querynode");
    Some((sandbox, lives))
}

/// One of the first three left with this grace, and nobody who came is there.
#[track_caller]
fn one_left(lives: &PodLives, grace: u64) {
    lives.until("all who left are gone", |all| {
        all.iter().all(|life| life.gone.is_some() || life.from_the_start && life.asked_to_leave.is_none())
    });
    let left = lives.left();
    assert_eq!(left.len(), 1, "{:#?}", lives.so_far());
    assert_eq!(left[0].asked_to_leave.unwrap().1, grace, "{left:#?}");
}

fn the_newest_pod_hands_over_and_its_replacement_goes(helm: Helm) {
    let Some((sandbox, lives)) = three(helm) else { return };
    // Newer than the other two, whatever a second's fraction says.
    sandbox.kubectl(&["delete", "pod", &lives.so_far()[0].name, "--wait=false"]);
    sandbox.until("the fourth is Ready", || {
        let pods = sandbox.pods("component=querynode");
        pods.len() == 3 && pods.iter().all(|pod| pod.ready && !pod.terminating)
    });
    drop(lives);
    let lives = PodLives::follow(&sandbox, "querynode");
    let newest = lives.so_far().into_iter().max_by_key(|life| life.created.clone()).unwrap();
    sandbox.scale(DOWN).exits(0);
    one_left(&lives, 1800);
    assert_eq!(lives.left()[0].uid, newest.uid);
    assert_eq!(lives.newcomers().len(), 1, "the replacement");
}

/// The upgrade may come late: replacements that are Ready by then still go
/// first.
#[test]
fn a_replacement_that_is_ready_before_the_upgrade_goes() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    let ready = sandbox.home().join("ready");
    sandbox.before_upgrade(&format!("while ! [ -e {} ]; do sleep 0.1; done", ready.display()));
    let run = sandbox.milvus(&format!("scale {DOWN}")).start();
    sandbox.until("the replacement is Ready", || lives.newcomers().iter().any(|life| life.ready));
    fs::write(&ready, "").unwrap();
    run.end().exits(0);
    one_left(&lives, 1800);
}

/// Kubernetes takes pods that are not Ready first. If a sibling becomes so
/// between the deletion and the upgrade, it leaves, and that is said.
#[test]
fn a_sibling_that_is_unready_at_the_wrong_moment_is_named() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    let go = sandbox.home().join("go");
    sandbox.before_upgrade(&format!("while ! [ -e {} ]; do sleep 0.1; done", go.display()));
    let run = sandbox.milvus(&format!("scale {DOWN}")).start();
    sandbox.until("the replacement is Ready", || lives.newcomers().iter().any(|life| life.ready));
    let sibling = lives.so_far().into_iter().find(|life| life.asked_to_leave.is_none()).unwrap().name;
    sandbox.kubectl(&["annotate", "pod", &sibling, "sandbox.milvus.io/behaviour=never-ready"]);
    sandbox.until("the sibling is not Ready", || lives.so_far().iter().any(|life| life.name == sibling && !life.ready));
    fs::write(&go, "").unwrap();
    let said = run.end();
    said.exits(0);
    assert!(said.stderr.contains(&format!("pod `{sibling}` left as well, or instead")), "{said}");
    assert_eq!(sandbox.pods("component=querynode").iter().filter(|pod| pod.ready).count(), 2);
}

#[test]
fn an_upgrade_that_fails_after_the_deletion_keeps_the_count() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    sandbox.before_upgrade("echo 'Error: no luck' >&2; exit 1");
    let said = sandbox.scale(DOWN);
    said.exits(3);
    assert!(said.stderr.contains("the pods that were handed over leave, and are replaced"), "{said}");
    assert_eq!(sandbox.revision("rel"), 1);
    assert_eq!(lives.left().len(), 1);
    // The same command again takes the replacement, and nobody else.
    sandbox.unwrap("helm");
    sandbox.scale(DOWN).exits(0);
    assert_eq!(lives.so_far().iter().filter(|life| life.from_the_start && life.asked_to_leave.is_some()).count(), 1);
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 2);
}

/// Also if the gate would stay shut for longer than the pod takes to leave:
/// afterwards nothing would tell its replacement from the others.
#[test]
fn a_killed_run_is_finished_without_another_deletion() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    sandbox.kubectl(&[
        "annotate",
        "pods",
        "-l",
        "component=querynode",
        "sandbox.milvus.io/terminates-after=15s",
        "--overwrite",
    ]);
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!("echo $$ >{0}.part; mv {0}.part {0}; exec sleep 1000", begun.display()));
    let run = sandbox.milvus(&format!("scale {DOWN}")).start();
    sandbox.until("the pod was deleted and the upgrade begins", || begun.exists());
    let said = run.signal_and_end("KILL");
    assert_eq!(said.code, None);
    signal("KILL", fs::read_to_string(&begun).unwrap().trim());
    sandbox.unwrap("helm");

    let said = sandbox.scale("rel qn=2 --settle 16s");
    said.exits(0);
    assert!(said.stderr.contains("a hand-over that was interrupted is finished"), "{said}");
    one_left(&lives, 1800);
    assert_eq!(sandbox.revision("rel"), 2);
}

/// Finishing what another run began is no reason to go below what Milvus needs.
#[test]
fn a_killed_run_is_not_finished_below_the_loaded_replicas() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    sandbox.behave("milvus-replicas=3");
    sandbox.kubectl(&[
        "annotate",
        "pods",
        "-l",
        "component=querynode",
        "sandbox.milvus.io/terminates-after=2m",
        "--overwrite",
    ]);
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!("echo $$ >{0}.part; mv {0}.part {0}; exec sleep 1000", begun.display()));
    let run = sandbox.milvus("scale rel qn=3 --settle 0s").start();
    sandbox.until("the pod was deleted and the upgrade begins", || begun.exists());
    run.signal_and_end("KILL");
    signal("KILL", fs::read_to_string(&begun).unwrap().trim());
    sandbox.unwrap("helm");
    let said = sandbox.scale("rel qn=1 --settle 0s");
    said.exits(1);
    assert!(said.stderr.contains("(below-loaded-replicas)"), "{said}");
    assert_eq!(sandbox.revision("rel"), 1);
}

#[test]
fn without_the_right_to_delete_pods_nothing_begins() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    give_jane(&sandbox, "{apiGroups: [''], resources: [pods, pods/proxy], verbs: [get, list, watch, patch]}");
    let said = sandbox.scale(&format!("{DOWN} --as jane"));
    said.exits(1);
    assert!(said.stderr.contains("(forbidden)") && said.stderr.contains("missing: `delete pods`"), "{said}");
    assert_eq!(lives.left().len(), 0);
    assert_eq!(sandbox.revision("rel"), 1);
    // Kubernetes chooses and removes the pod: that needs no such right.
    sandbox.scale(&format!("{DOWN} --as jane --grace chart")).exits(0);
    one_left(&lives, 30);
}

/// All that a scale needs for a user `jane`, but for this rule on pods.
pub fn give_jane(sandbox: &Sandbox, pods: &str) {
    let role = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: jane}
rules:
- {apiGroups: [apps, autoscaling, batch, policy], resources: ['*'], verbs: ['*']}
- {apiGroups: [''], resources: [secrets, configmaps, services, serviceaccounts, persistentvolumeclaims, events], verbs: ['*']}
- PODS
";
    let file = sandbox.home().join("role.yaml");
    fs::write(&file, role.replace("PODS", pods)).unwrap();
    sandbox.kubectl(&["create", "-f", file.to_str().unwrap()]);
    sandbox.kubectl(&["create", "rolebinding", "jane", "--role=jane", "--user=jane"]);
}

#[test]
fn one_pod_of_each_resource_group_leaves_in_a_step() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=1s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3,replicaResourceGroups={rg1,rg2}");
    let lives = PodLives::follow(&sandbox, "querynode");
    sandbox.scale("rel qn=1 --settle 0s").exits(0);
    let left: Vec<String> = lives.left().into_iter().map(|life| life.group).collect();
    assert_eq!(left.len(), 4, "{left:?}");
    for step in left.chunks(2) {
        let mut step = step.to_vec();
        step.sort();
        assert_eq!(step, ["rg1", "rg2"], "{left:?}");
    }
    lives.until("the replacements are gone", |all| all.iter().all(|life| life.from_the_start || life.gone.is_some()));
}

/// A pod that never served has nothing to hand over: it goes first, at once,
/// and nobody is asked.
#[test]
fn pods_that_were_never_ready_go_first() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=2");
    sandbox.behave("querynode.behaviour=never-ready");
    sandbox.scale("rel qn=4 --no-wait").exits(0);
    sandbox.until("there are four", || sandbox.pods("component=querynode").len() == 4);
    let lives = PodLives::follow(&sandbox, "querynode");
    let said = sandbox.scale("rel qn=2 --step all");
    said.exits(0);
    assert!(!said.stderr.contains("the service has to be available"), "{said}");
    let left = lives.left();
    assert!(left.iter().all(|life| !life.ready && life.asked_to_leave.unwrap().1 == 30), "{left:#?}");
    assert_eq!(left.len(), 2);
}

/// Without a gate nobody asks how the others are; still a pod that serves does
/// not leave beside one that does not.
#[test]
fn a_pod_that_broke_leaves_before_one_that_serves() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    let broken = lives.so_far()[0].name.clone();
    let breaks = |pod: &str| {
        sandbox.kubectl(&["annotate", "pod", pod, "sandbox.milvus.io/behaviour=crash-loop"]);
        sandbox
            .until("it is not Ready", || sandbox.pods("component=querynode").iter().any(|p| p.name == pod && !p.ready));
    };
    breaks(&broken);
    sandbox.scale(&format!("{DOWN} --gate none")).exits(0);
    one_left(&lives, 1800);
    assert_eq!(lives.left()[0].name, broken);

    // Of two that broke only one can go, and then nobody does.
    let long_there = sandbox.pods("component=querynode");
    assert_eq!(long_there.len(), 2);
    sandbox.scale("rel qn=3").exits(0);
    for pod in &long_there {
        breaks(&pod.name);
    }
    let before = sandbox.state();
    let said = sandbox.scale(&format!("{DOWN} --gate none"));
    said.exits(1);
    assert!(
        said.stderr.contains("is not Ready and would stay") && said.stderr.contains("(unhealthy-before)"),
        "{said}"
    );
    assert_eq!(sandbox.state(), before);
}

#[test]
fn the_grace_is_what_was_said() {
    let Some((sandbox, lives)) = three(Helm::V3) else { return };
    sandbox.scale(&format!("{DOWN} --grace 60s")).exits(0);
    one_left(&lives, 60);
    let said = sandbox.scale("rel qn=1 --grace 60s --timeout 59s");
    insta::assert_snapshot!(said, @"
    exit 2
    ----- stderr
    error: `--timeout 59s` is shorter than the 1m that a leaving pod is given

    hint: leave `--timeout` out, or give the pods less with `--grace`
    ");
    // Also where something else would grow first.
    sandbox.scale("rel proxy=2 qn=1 --timeout 5m").exits(2);
    sandbox.scale("rel proxy=2 qn=1 --grace 1s --timeout 5m --settle 5m").exits(2);
    assert_eq!(sandbox.revision("rel"), 2);
}

/// An upgrade takes no notice of a disruption budget, and neither does the
/// hand-over; what the budget was there for is the gate's business.
#[test]
fn a_disruption_budget_does_not_stop_half_way() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    sandbox.kubectl(&["create", "poddisruptionbudget", "all", "--selector=component=querynode", "--min-available=3"]);
    sandbox.scale(DOWN).exits(0);
    one_left(&lives, 1800);
}

/// A pod that takes its time is waited for, far beyond the chart's 30 s if it
/// must be, and the gate opens only when it is gone.
#[test]
fn a_pod_that_hands_over_is_waited_for() {
    let Some((sandbox, lives)) = three(Helm::V4) else { return };
    sandbox.kubectl(&[
        "annotate",
        "pods",
        "-l",
        "component=querynode",
        "sandbox.milvus.io/terminates-after=8s",
        "--overwrite",
    ]);
    sandbox.scale(DOWN).exits(0);
    let life = &lives.left()[0];
    let took = life.gone.unwrap().duration_since(life.asked_to_leave.unwrap().0).unwrap();
    assert!(took >= Duration::from_secs(5), "{took:?}");
}
