//! Between two steps down the service is available, and the run knows from
//! whom.

use std::time::Duration;

use crate::answering::{answers, feels, milvus, requests};
use crate::hand_over::give_jane;
use crate::pod_lives::PodLives;
use crate::sandbox::{Helm, NEWEST, Sandbox};

const COMPLIANCE: &str = "/management/replica/loadconfig/compliance";

#[test]
fn five_to_two_asks_the_metrics_of_2_4() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    five_to_two(&sandbox, "4.0.3", "2.4.23", "coordinator metrics", "/metrics", "querycoord");
}

#[test]
fn five_to_two_asks_for_available_collections_in_2_5() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let name = "availability of loaded collections";
    five_to_two(&sandbox, "4.2.58", "2.5.12", name, "/api/v1/_collection/list?db_name=library", "proxy");
}

#[test]
fn five_to_two_asks_for_available_collections_in_2_6_15() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let name = "availability of loaded collections";
    five_to_two(&sandbox, NEWEST, "2.6.15", name, "/api/v1/_qc/replica", "proxy");
}

#[test]
fn five_to_two_asks_for_compliance_since_2_6_16() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    five_to_two(&sandbox, NEWEST, "2.6.17", "load-configuration compliance", COMPLIANCE, "mixcoord");
}

/// Each pod leaves with half an hour, and the next one only after Milvus has
/// moved what it had to move, by its own word.
fn five_to_two(sandbox: &Sandbox, chart: &str, version: &str, gate: &str, path: &str, component: &str) {
    const MOVES: Duration = Duration::from_secs(2);
    const SETTLES: Duration = Duration::from_secs(1);
    answers(sandbox, version);
    sandbox.behave("querynode.terminates-after=1s");
    sandbox.install("rel", chart, &format!("image.all.tag=v{version},queryNode.replicas=5"));
    feels(sandbox, "rebalancing:2s");
    let lives = PodLives::follow(sandbox, "querynode");

    let said = sandbox.scale("rel qn=2 --settle 1s -o json");
    said.exits(0);

    assert_eq!(said.json()["gate"], gate);
    lives.until("all who left are gone", |all| {
        all.iter().all(|life| life.gone.is_some() || life.from_the_start && life.asked_to_leave.is_none())
    });
    let left = lives.left();
    assert_eq!(left.len(), 3, "{left:#?}");
    assert!(left.iter().all(|life| life.asked_to_leave.unwrap().1 == 1800), "{left:#?}");
    for pair in left.windows(2) {
        let (next, _) = pair[1].asked_to_leave.unwrap();
        let between = next.duration_since(pair[0].gone.unwrap()).unwrap();
        assert!(between >= MOVES + SETTLES, "the next pod left {between:?} after the one before was gone");
    }
    let asked: Vec<String> = requests(sandbox).into_iter().filter(|one| one.path == path).map(|one| one.pod).collect();
    // Twice at least before the first step and after each.
    assert!(asked.len() >= 8, "{asked:?}");
    assert!(asked.iter().all(|pod| pod.contains(component)), "{asked:?}");
}

#[test]
fn a_gate_that_stays_shut_ends_the_run_and_nothing_is_lost() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    feels(&sandbox, "rebalancing:1h");
    let lives = PodLives::follow(&sandbox, "querynode");
    let said = sandbox.scale("rel qn=1 --settle 1s --grace 2s --timeout 12s");
    said.exits(3);
    insta::assert_snapshot!(said, @"
    exit 3
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    before the first step down: the service has to be available for 1s
      the gate asks: load-configuration compliance
    [1/3] queryNode 4 to 3
      pod `rel-milvus-querynode-POD` leaves, and has up to 2s to hand over
      waiting: load-configuration compliance: segments of collection 100 are being moved
    error: the service did not become available again after step 1 of 3, in release `rel` in namespace `NAMESPACE` (gate-shut)
    caused by: load-configuration compliance: segments of collection 100 are being moved

    hint: go on with `kubectl milvus scale rel queryNode=1 --grace=2s -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=4 --grace=2s -n NAMESPACE`
    ");
    assert_eq!(lives.left().len(), 1);
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 3);

    // Data does not move any more: both ways are open.
    feels(&sandbox, "healthy");
    sandbox.scale("rel queryNode=4").exits(0);
}

#[test]
fn a_gate_that_cannot_be_asked_any_more_is_shut_until_it_can() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    feels(&sandbox, "rebalancing:10s");
    let run = sandbox.milvus("scale rel qn=2 --settle 1s").start();
    let run = run.until_it_says("waiting: ");
    feels(&sandbox, "not-found");
    let run = run.until_it_says("load-configuration compliance: it is not there");
    assert_eq!(sandbox.revision("rel"), 2);
    feels(&sandbox, "healthy");
    run.end().exits(0);
}

#[test]
fn nothing_is_taken_away_from_what_is_not_well() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    let before = sandbox.state();
    let refuse = |words: &str| {
        let said = sandbox.scale(words);
        said.exits(1);
        assert_eq!(sandbox.state(), before);
        said
    };
    feels(&sandbox, "unwell");
    insta::assert_snapshot!(refuse("rel qn=2 --settle 1s --grace 2s --timeout 2s"), @"
    exit 1
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    before the first step down: the service has to be available for 1s
      waiting: load-configuration compliance: segments of collection 100 are being moved
    error: release `rel` in namespace `NAMESPACE` is not well, and nothing is taken away from it (unhealthy-before)
    caused by: load-configuration compliance: segments of collection 100 are being moved

    hint: see what is wrong: `kubectl get pods -n NAMESPACE`; `--gate pods` asks for less
    ");
    feels(&sandbox, "healthy");
    sandbox.behave("milvus-replicas=3");
    insta::assert_snapshot!(refuse("rel qn=2 --settle 1s"), @"
    exit 1
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    error: `queryNode` of release `rel` in namespace `NAMESPACE` cannot go to 2: a loaded collection has 3 replicas, and each needs a query node of its own (below-loaded-replicas)

    hint: load the collection with fewer replicas first, or keep as many query nodes
    ");
    sandbox.behave("milvus-replicas=1");
    sandbox.behave("milvus-groups=3");
    let said = refuse("rel qn=2 --settle 1s");
    assert!(
        said.stderr.contains("the resource groups of Milvus ask for 3 query nodes (below-loaded-replicas)"),
        "{said}"
    );
    // As many as are needed can hold them.
    sandbox.scale("rel qn=3 --settle 0s").exits(0);
}

/// One collection that was not available before anything was done must not tie
/// the hands of whoever scales; but it is said.
#[test]
fn a_collection_that_was_not_available_before_is_named() {
    let Some(sandbox) = milvus("2.5.12", "") else { return };
    feels(&sandbox, "unwell-collection-from-start");
    let said = sandbox.scale("rel qn=3 --settle 1s");
    said.exits(0);
    let why = "not asked: availability of loaded collections: not available: library.magazines";
    assert!(said.stderr.contains(why) && said.stderr.contains("the gate asks: coordinator metrics"), "{said}");
}

#[test]
fn pods_alone_or_nothing_is_asked_where_that_is_wanted() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    feels(&sandbox, "unwell");
    for (words, gate) in [("qn=3 --gate pods --settle 1s", "pods only"), ("qn=2 --gate none", "none")] {
        let said = sandbox.scale(&format!("rel {words} -o json"));
        said.exits(0);
        assert_eq!(said.json()["gate"], gate);
        let unknown = "how many query nodes the loaded collections need: not asked";
        assert!(said.stderr.contains(unknown), "{said}");
    }
    assert_eq!(requests(&sandbox), []);
}

/// Whatever Milvus or something in front of it says instead, it is neither well
/// nor unwell; pods alone count, and the report says so.
#[test]
fn an_answer_that_tells_nothing_is_no_answer() {
    let Some(sandbox) = milvus("2.6.17", "queryNode.replicas=5") else { return };
    for (state, count) in [("forbidden-all", 4), ("garbage", 3), ("huge", 2), ("slow", 1)] {
        feels(&sandbox, state);
        let said = sandbox.scale(&format!("rel qn={count} --settle 1s"));
        said.exits(0);
        assert!(said.stderr.contains("the gate asks: pods only"), "{state}: {said}");
        let unreadable = said.stderr.lines().filter(|line| line.contains("not asked: ")).count();
        assert_eq!(unreadable, 3, "{state}: {said}");
    }
    requests(&sandbox);
}

#[test]
fn without_the_right_to_ask_pods_alone_count() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    feels(&sandbox, "unwell");
    give_jane(&sandbox, "{apiGroups: [''], resources: [pods], verbs: [get, list, watch, patch, delete]}");
    let said = sandbox.scale("rel qn=3 --settle 1s --as jane");
    said.exits(0);
    let why = "not asked: load-configuration compliance: you may not get `pods/proxy`";
    assert!(said.stderr.contains(why) && said.stderr.contains("the gate asks: pods only"), "{said}");
    assert_eq!(requests(&sandbox), []);
}

/// Where the best source is locked and another is not, the other is asked.
#[test]
fn the_next_best_source_is_asked() {
    let Some(sandbox) = milvus("2.6.17", "") else { return };
    feels(&sandbox, "forbidden");
    let said = sandbox.scale("rel qn=3 --settle 1s -o json");
    said.exits(0);
    assert_eq!(said.json()["gate"], "coordinator metrics");
}

#[test]
fn of_two_coordinators_the_active_one_is_asked() {
    for (chart, version, path) in [(NEWEST, "2.6.17", COMPLIANCE), ("4.2.58", "2.4.23", "/metrics")] {
        let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
        answers(&sandbox, version);
        let standby = "mixCoordinator.replicas=2,mixCoordinator.activeStandby.enabled=true";
        sandbox.install("rel", chart, &format!("image.all.tag=v{version},queryNode.replicas=3,{standby}"));
        // Not the oldest, which would be found by taking the first.
        sandbox.behave("milvus-active=1");
        sandbox.scale("rel qn=2 --settle 1s").exits(0);
        let requests = requests(&sandbox);
        let active =
            format!("/management/check/ready?role={}", if version == "2.6.17" { "mixcoord" } else { "querycoord" });
        let last_found = requests.iter().rfind(|one| one.path == active).unwrap().pod.clone();
        let mut asked: Vec<&str> = requests.iter().filter(|one| one.path == path).map(|one| one.pod.as_str()).collect();
        asked.dedup();
        assert_eq!(asked, [last_found], "{version}");
    }
}
