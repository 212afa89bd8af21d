//! Every outcome as a person reads it and as a program does, at a fixed time.

use std::time::Duration;

use jiff::Timestamp;

use super::text::age;
use super::*;
use crate::component;
use crate::decide::{Aim, CountChange, PerGroup};
use crate::pod::Containers;
use crate::release::{Apply, ChartVersion, Status};

const NOW: &str = "2026-01-01T00:05:30Z";

fn release(revision: u64) -> Release {
    let chart = ChartVersion { name: "milvus".into(), version: "5.0.19".into() };
    Release { name: "rel".into(), revision, status: Status::Deployed, chart, apply: Apply::ClientSide }
}

/// A report of a goal such as `queryNode 1 3, dataNode/2 4 4` (two groups).
fn report(goal: &str) -> ScaleReport {
    let mut report = ScaleReport::new("ns");
    report.saw(&release(4));
    let aim = |text: &str| {
        let mut words = text.split_whitespace();
        let (key, groups) = {
            let word = words.next().unwrap();
            word.split_once('/').map_or((word, 1), |(key, groups)| (key, groups.parse().unwrap()))
        };
        let mut count = || PerGroup(words.next().unwrap().parse().unwrap());
        Aim { component: component::find(key).unwrap(), from: count(), to: count(), groups }
    };
    report.aims(&Goal(goal.split(',').map(aim).collect()));
    report
}

fn step(key: &str, from: u32, to: u32) -> Step {
    let component = component::find(key).unwrap();
    Step { changes: vec![CountChange { component, from: PerGroup(from), to: PerGroup(to) }] }
}

fn seen(key: &str, expected: u64, ready: u64, unready: u64, terminating: u64) -> Progress {
    let component = component::find(key).unwrap();
    let waiting_for = Vec::new();
    Progress { component, expected, ready, unready, terminating, reached: false, waiting_for, not_before: None }
}

fn pod(name: &str, created: &str) -> Pod {
    Pod {
        name: name.into(),
        component: "querynode".into(),
        containers: Containers { ready: 1, total: 1 },
        ready: true,
        status: "Running".into(),
        created: created.into(),
        grace: Duration::from_secs(30),
        ..Pod::default()
    }
}

fn text(report: &ScaleReport) -> String {
    report.text(NOW.parse().unwrap())
}

fn verified() -> ScaleReport {
    let mut report = report("queryNode 1 2");
    report.step(&step("queryNode", 1, 2), Vec::new(), "helm upgrade rel milvus/milvus".into());
    report.steps_total = 1;
    report.applied(5);
    report.steps[0].verified = true;
    report.progress(&[seen("queryNode", 2, 2, 0, 0)]);
    let mut restarted = pod("rel-milvus-querynode-b", "2026-01-01T00:05:00Z");
    restarted.restarts = 2;
    report.pods(&[restarted, pod("rel-milvus-querynode-a", "2025-12-01T00:00:00Z")]);
    report.outcome = Outcome::Verified;
    report
}

#[test]
fn what_is_verified_is_shown_with_its_pods() {
    insta::assert_snapshot!(text(&verified()), @"
    NAME                     READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-a   1/1     Running   0          31d
    rel-milvus-querynode-b   1/1     Running   2          30s

    release `rel` in namespace `ns`: queryNode 1 to 2, 2 pods ready; verified (revision 5)
    ");
}

#[test]
fn the_document_has_everything() {
    insta::assert_snapshot!(verified().json(), @r#"
    {
      "schema": "kubectl-milvus/scale/v1",
      "outcome": "verified",
      "exitCode": 0,
      "namespace": "ns",
      "release": {
        "name": "rel",
        "chart": "milvus-5.0.19",
        "revisionBefore": 4,
        "revision": 5
      },
      "components": [
        {
          "component": "queryNode",
          "from": 1,
          "to": 2,
          "groups": 1,
          "pods": {
            "expected": 2,
            "ready": 2,
            "notReady": 0,
            "terminating": 0
          }
        }
      ],
      "steps": [
        {
          "change": "queryNode 1 to 2",
          "commandsBefore": [],
          "command": "helm upgrade rel milvus/milvus",
          "revision": 5,
          "verified": true,
          "handedOver": []
        }
      ],
      "stepsTotal": 1,
      "cautions": [],
      "gate": null,
      "proof": null,
      "pods": [
        {
          "name": "rel-milvus-querynode-a",
          "component": "querynode",
          "containers": "1/1",
          "ready": true,
          "status": "Running",
          "restarts": 0,
          "created": "2025-12-01T00:00:00Z"
        },
        {
          "name": "rel-milvus-querynode-b",
          "component": "querynode",
          "containers": "1/1",
          "ready": true,
          "status": "Running",
          "restarts": 2,
          "created": "2026-01-01T00:05:00Z"
        }
      ],
      "error": null
    }
    "#);
}

#[test]
fn nothing_to_change_is_said_with_the_pods() {
    let mut report = report("queryNode 1 1, dataNode 0 0");
    report.outcome = Outcome::Unchanged;
    report.progress(&[seen("queryNode", 1, 1, 0, 0), seen("dataNode", 0, 0, 0, 0)]);
    report.pods(&[pod("rel-milvus-querynode-a", "2026-01-01T00:00:00Z")]);
    insta::assert_snapshot!(text(&report), @"
    NAME                     READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-a   1/1     Running   0          5m30s

    release `rel` in namespace `ns`: queryNode at 1, 1 pod ready; dataNode at 0, 0 pods ready; nothing to change, verified (revision 4)
    ");
}

#[test]
fn what_is_only_applied_says_that_nobody_looked() {
    let mut report = report("queryNode 1 3, proxy 1 2");
    report.step(&step("queryNode", 1, 3), Vec::new(), "helm upgrade".into());
    report.applied(5);
    report.outcome = Outcome::Applied;
    insta::assert_snapshot!(text(&report), @"release `rel` in namespace `ns`: queryNode 1 to 3; proxy 1 to 2; applied, pods not looked at (revision 5)");
}

fn proof(clean: bool) -> ProofReport {
    ProofReport {
        clean,
        counts: vec![
            CountReport { deployment: "rel-milvus-querynode".into(), from: Some(1), to: 3 },
            CountReport { deployment: "rel-milvus-proxy".into(), from: Some(2), to: 2 },
        ],
        kept: Vec::new(),
        avoided: Vec::new(),
        finished_jobs: vec!["rel-pulsarv3-bookie-init".into()],
        autoscalers_read: true,
        other_changes: if clean { Vec::new() } else { vec!["ConfigMap `rel-milvus` `.data.x`".into()] },
        notes: vec!["the count of `proxy` stays at 2".into()],
    }
}

#[test]
fn a_plan_shows_what_would_change_and_how() {
    let mut report = report("queryNode 1 3, dataNode 2 1");
    report.outcome = Outcome::Planned;
    report.step(
        &step("queryNode", 1, 3),
        Vec::new(),
        "helm upgrade rel milvus/milvus --set queryNode.replicas=3".into(),
    );
    report.steps_total = 2;
    report.proof = Some(proof(true));
    insta::assert_snapshot!(text(&report), @"
    release `rel` in namespace `ns`: chart milvus-5.0.19, revision 4

    COMPONENT   NOW   WANTED   PODS
    queryNode   1     3        3
    dataNode    2     1        1

    step 1 of 2: queryNode 1 to 3
      helm upgrade rel milvus/milvus --set queryNode.replicas=3

    proof: these change, and nothing else
      Deployment `rel-milvus-querynode` `.spec.replicas` from 1 to 3
    notes
      the count of `proxy` stays at 2
      finished Jobs are removed, nothing runs again: rel-pulsarv3-bookie-init

    nothing was changed
    ");
    report.proof = Some(proof(false));
    insta::assert_snapshot!(text(&report).split_once("proof:").unwrap().1, @"
     these change
      Deployment `rel-milvus-querynode` `.spec.replicas` from 1 to 3
    and, before that and at unchanged counts, with your consent
      ConfigMap `rel-milvus` `.data.x`
    notes
      the count of `proxy` stays at 2
      finished Jobs are removed, nothing runs again: rel-pulsarv3-bookie-init

    nothing was changed
    ");
}

#[test]
fn a_plan_of_nothing_says_so() {
    let mut report = report("queryNode/2 3 3");
    report.outcome = Outcome::Planned;
    insta::assert_snapshot!(text(&report), @"
    release `rel` in namespace `ns`: chart milvus-5.0.19, revision 4

    COMPONENT   NOW   WANTED   PODS
    queryNode   3     3        3 × 2 groups = 6

    nothing to change
    ");
}

#[test]
fn groups_are_shown_as_a_product() {
    let mut report = report("queryNode/3 1 2");
    report.outcome = Outcome::Verified;
    report.progress(&[seen("queryNode", 6, 6, 0, 0)]);
    report.pods(&[pod("rel-milvus-querynode-rg1-a", NOW)]);
    insta::assert_snapshot!(text(&report), @"
    NAME                         READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-rg1-a   1/1     Running   0          0s

    release `rel` in namespace `ns`: queryNode 1 to 2, 2 × 3 groups = 6 pods ready; verified (revision 4)
    ");
}

#[test]
fn of_many_pods_a_screenful_is_listed_and_the_document_has_them_all() {
    let mut report = verified();
    let pods: Vec<Pod> = (0..25).map(|n| pod(&format!("pod-{n:02}"), NOW)).collect();
    report.pods(&pods);
    let shown = text(&report);
    let ends: Vec<&str> = shown.lines().filter(|line| line.contains("pod-19") || line.contains("more")).collect();
    insta::assert_snapshot!(ends.join("\n"), @"
    pod-19   1/1     Running   0          0s
    ... and 5 more
    ");
    assert!(!shown.contains("pod-20"));
    assert_eq!(report.json().matches("\"pod-").count(), 25);
}

#[test]
fn a_failure_is_in_the_document_and_not_in_the_text() {
    for outcome in [Outcome::Failed, Outcome::TimedOut, Outcome::Interrupted] {
        let mut report = verified();
        report.outcome = outcome;
        assert_eq!(text(&report), "", "{outcome:?}");
    }
    let mut report = ScaleReport::new("ns");
    report.failed(&Failure::new("not-found", "there is no release `rel`").because("a reason").hint("helm list -A"));
    insta::assert_snapshot!(report.json(), @r#"
    {
      "schema": "kubectl-milvus/scale/v1",
      "outcome": "failed",
      "exitCode": 1,
      "namespace": "ns",
      "release": null,
      "components": [],
      "steps": [],
      "stepsTotal": 0,
      "cautions": [],
      "gate": null,
      "proof": null,
      "pods": [],
      "error": {
        "id": "not-found",
        "message": "there is no release `rel`",
        "causes": [
          "a reason"
        ],
        "hint": "helm list -A"
      }
    }
    "#);
    assert_eq!(text(&report), "");
}

#[test]
fn after_a_failed_second_step_the_document_tells_how_far_it_got() {
    let mut report = report("queryNode 3 1");
    report.step(&step("queryNode", 3, 2), Vec::new(), "helm upgrade 2".into());
    report.steps_total = 2;
    assert!(!report.changed_something());
    report.applied(5);
    assert!(report.changed_something());
    report.steps[0].verified = true;
    report.saw(&release(5));
    report.step(&step("queryNode", 2, 1), Vec::new(), "helm upgrade 1".into());
    report.progress(&[seen("queryNode", 2, 2, 0, 1)]);
    report.outcome = Outcome::TimedOut;
    report.failed(&Failure::new("timed-out", "queryNode: 2 of 2 ready, 1 terminating after 10m").after_a_change());
    insta::assert_snapshot!(report.json(), @r#"
    {
      "schema": "kubectl-milvus/scale/v1",
      "outcome": "timed-out",
      "exitCode": 3,
      "namespace": "ns",
      "release": {
        "name": "rel",
        "chart": "milvus-5.0.19",
        "revisionBefore": 4,
        "revision": 5
      },
      "components": [
        {
          "component": "queryNode",
          "from": 3,
          "to": 1,
          "groups": 1,
          "pods": {
            "expected": 2,
            "ready": 2,
            "notReady": 0,
            "terminating": 1
          }
        }
      ],
      "steps": [
        {
          "change": "queryNode 3 to 2",
          "commandsBefore": [],
          "command": "helm upgrade 2",
          "revision": 5,
          "verified": true,
          "handedOver": []
        },
        {
          "change": "queryNode 2 to 1",
          "commandsBefore": [],
          "command": "helm upgrade 1",
          "revision": null,
          "verified": false,
          "handedOver": []
        }
      ],
      "stepsTotal": 2,
      "cautions": [],
      "gate": null,
      "proof": null,
      "pods": [],
      "error": {
        "id": "timed-out",
        "message": "queryNode: 2 of 2 ready, 1 terminating after 10m",
        "causes": [],
        "hint": null
      }
    }
    "#);
}

#[test]
fn ages_are_as_kubectl_shows_them() {
    let second = |seconds: i64| {
        let now: Timestamp = NOW.parse().unwrap();
        age(&(now - jiff::SignedDuration::from_secs(seconds)).to_string(), now)
    };
    for (seconds, shown) in [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (800 * 86400, "2y70d"),
    ] {
        assert_eq!(second(seconds), shown, "{seconds}");
    }
    assert_eq!(second(-5), "0s");
    assert_eq!(age("yesterday", NOW.parse().unwrap()), "<unknown>");
}
