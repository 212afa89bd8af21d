//! A way down is interrupted at one point after the other, from its first
//! command to its last: wherever that is, nothing is half done, and the same
//! command or the opposite one ends what was begun.

use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, Pod, Sandbox};
use crate::with_each_helm;

with_each_helm!(interrupted_anywhere_it_goes_on_or_back);

/// The points between two that are tried: the signals take turns, so that each
/// comes to points of its own in each step.
const STRIDE: usize = 5;

/// What is sent, and the exit code it leads to; of one that nobody can hear,
/// none.
const SIGNALS: [(&str, Option<i32>); 4] = [("INT", Some(130)), ("TERM", Some(143)), ("HUP", Some(143)), ("KILL", None)];

const DOWN: &str = "rel qn=1 --grace 5s";
const UP: &str = "rel qn=3";

fn interrupted_anywhere_it_goes_on_or_back(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let others = uids_of_others(&sandbox);
    // The two Helms meet the signals at different points.
    let first = if helm == Helm::V3 { 1 } else { 3 };
    let points = (first..).step_by(STRIDE);
    for (point, (signal, code)) in points.zip(SIGNALS.iter().cycle()) {
        let run = sandbox.milvus(&format!("scale {DOWN} -v")).start();
        let (run, named) = run.until_commands(point);
        if !named {
            let said = run.end();
            assert!(point > 40, "it has only {} commands: {said}", said.commands().len());
            said.exits(0);
            break;
        }
        let said = run.signal_and_end(signal);
        // It may come when nothing is left to be ended.
        assert!(said.code == *code || said.code == Some(0), "{signal} at {point}: {said}");
        well(&sandbox, signal, point, &said);

        let (way, count) = if point % 2 == 0 { (DOWN, 1) } else { (UP, 3) };
        let went = sandbox.scale(way);
        assert_eq!(went.code, Some(0), "{signal} at {point}: {said}\nthen {way}: {went}");
        ends_at(&sandbox, count);
        sandbox.scale(UP).exits(0);
        ends_at(&sandbox, 3);
    }
    assert_eq!(uids_of_others(&sandbox), others);
}

/// Helm was left to end: no operation is pending, and the count is one of the
/// way.
fn well(sandbox: &Sandbox, signal: &str, point: usize, said: &Said) {
    let is_pending = || sandbox.history("rel").iter().any(|revision| revision.status.starts_with("pending"));
    if signal == "KILL" {
        // Helm has outlived the run that started it.
        sandbox.until("helm has ended", || !is_pending());
    }
    assert!(!is_pending(), "{signal} at {point}: {said}");
    let count = sandbox.deployments()["rel-milvus-querynode"].replicas;
    assert!((1..=3).contains(&count), "{signal} at {point}: {count}, {said}");
}

#[track_caller]
fn ends_at(sandbox: &Sandbox, count: u64) {
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, count);
    let pods = sandbox.pods("component=querynode");
    assert_eq!(pods.iter().filter(|pod| pod.ready && !pod.terminating).count() as u64, count, "{pods:#?}");
}

fn uids_of_others(sandbox: &Sandbox) -> Vec<String> {
    let others: Vec<Pod> = sandbox.pods("app.kubernetes.io/instance=rel,component!=querynode");
    others.into_iter().map(|pod| pod.uid).collect()
}
