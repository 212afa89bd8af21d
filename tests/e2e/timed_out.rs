//! Pods that do not come in time.

use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(pods_that_never_become_ready_end_the_run_and_the_way_back_works);

fn pods_that_never_become_ready_end_the_run_and_the_way_back_works(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let said = sandbox.scale("rel querynode=3 proxy=2 --timeout 15s");
    said.exits(3);
    insta::allow_duplicates! { insta::assert_snapshot!(said, @"
    exit 3
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3, proxy 1 to 2
    error: queryNode: 1 of 3 ready, 2 starting after 15s, in release `rel` in namespace `NAMESPACE` (timed-out)
    caused by: pod `rel-milvus-querynode-POD` is Running
    caused by: pod `rel-milvus-querynode-POD` is Running

    hint: go on with `kubectl milvus scale rel queryNode=3 proxy=2 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 proxy=1 -n NAMESPACE`
    "); }
    assert_eq!(sandbox.revision("rel"), 2);

    let hint = said.stderr.lines().last().unwrap();
    let back = hint.split('`').filter_map(|part| part.strip_prefix("kubectl milvus scale ")).next_back().unwrap();
    sandbox.scale(back).exits(0);
    let pods = sandbox.pods("component in (querynode, proxy)");
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|pod| pod.ready), "{pods:#?}");
}

/// The same command once the cause is gone: it verifies, and makes no revision.
#[test]
fn the_way_on_works_when_the_cause_is_gone() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    sandbox.scale("rel querynode=2 --timeout 2s").exits(3);
    let before = sandbox.state();
    sandbox.scale("rel querynode=2 --timeout 2s").exits(1);
    assert_eq!(sandbox.state(), before);

    sandbox.behave("querynode.behaviour-");
    sandbox.kubectl(&["annotate", "pod", "-l", "component=querynode", "sandbox.milvus.io/behaviour-"]);
    sandbox.scale("rel querynode=2").exits(0);
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_pod_that_does_not_go_stops_the_way_down() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.behave_now("querynode", "never-ends");
    let said = sandbox.scale("rel querynode=1 --grace 1s --timeout 10s");
    said.exits(3);
    insta::assert_snapshot!(said, @"
    exit 3
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    before the first step down: the service has to be available for 0s
      not asked: availability of loaded collections: could not tell (REASON)
      not asked: coordinator metrics: could not tell (REASON)
      the gate asks: pods only
    [1/2] queryNode 3 to 2
      pod `rel-milvus-querynode-POD` leaves, and has up to 1s to hand over
    error: queryNode: 2 of 2 ready, 1 terminating after 10s, in release `rel` in namespace `NAMESPACE` (timed-out)
    caused by: pod `rel-milvus-querynode-POD` is Terminating

    hint: go on with `kubectl milvus scale rel queryNode=1 --grace=1s -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=3 --grace=1s -n NAMESPACE`
    ");
    assert_eq!(sandbox.revision("rel"), 2);

    sandbox.behave_now("querynode", "ready");
    sandbox.scale("rel querynode=1").exits(0);
    assert_eq!(sandbox.revision("rel"), 3);
}
