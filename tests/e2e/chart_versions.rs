//! Components that a chart does not have, does not count, or that cannot work.

use crate::evidence::{count, refused};
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn an_old_chart_has_fewer_components_and_fixed_coordinators() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    let slim = "etcd.replicaCount=1,minio.enabled=false,pulsar.enabled=false";
    sandbox.install_whole("rel", "4.0.3", &format!("{slim},rootCoordinator.activeStandby.enabled=true"));
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale rel {words}")));
    insta::assert_snapshot!(refuse("streamingnode=2"), @"
    error: chart milvus-4.0.3 of release `rel` in namespace `NAMESPACE` has no `streamingNode` (unknown-component)
    caused by: it runs `rootCoordinator`, `queryCoordinator`, `dataCoordinator`, `indexCoordinator`, `proxy`, `queryNode`, `dataNode`, `indexNode`
    ");
    insta::assert_snapshot!(refuse("mixcoord=1"), @"
    error: chart milvus-4.0.3 of release `rel` in namespace `NAMESPACE` has no `mixCoordinator` (unknown-component)
    caused by: it runs `rootCoordinator`, `queryCoordinator`, `dataCoordinator`, `indexCoordinator`, `proxy`, `queryNode`, `dataNode`, `indexNode`
    ");
    insta::assert_snapshot!(refuse("querycoord=2"), @"
    error: `queryCoordinator` of release `rel` in namespace `NAMESPACE` is a coordinator, and coordinators do not scale (coordinator)
    caused by: its active standby is off: a second one would crash in a loop

    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    // Standby is on, but the count is a literal in this chart.
    insta::assert_snapshot!(refuse("rootcoord=2"), @"
    error: chart 4.0.3 of release `rel` does not set Deployment `rel-milvus-rootcoord` to 2 (component-fixed)
    caused by: it ignores or changes `rootCoordinator.replicas=2`
    ");
    insta::assert_snapshot!(sandbox.scale("rel rootcoord=1").exits(0).stdout, @"
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-rootcoord-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: rootCoordinator at 1, 1 pod ready; nothing to change, verified (revision 1)
    ");
    sandbox.scale("rel indexnode=2").exits(0);
}

#[test]
fn a_coordinator_can_have_a_standby() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", "4.2.58", "mixCoordinator.activeStandby.enabled=true");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel mixcoord=3")), @"
    error: `mixCoordinator` of release `rel` in namespace `NAMESPACE` is a coordinator, and coordinators do not scale (coordinator)
    caused by: its active standby is on: there can be 1, or 2 of which one waits; say which

    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel mixcoord=+1")), @"
    error: `mixCoordinator` of release `rel` in namespace `NAMESPACE` is a coordinator, and coordinators do not scale (coordinator)
    caused by: its active standby is on: there can be 1, or 2 of which one waits; say which

    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    sandbox.scale("rel mixcoord=2").exits(0);
    assert_eq!(count(&sandbox, "rel-milvus-mixcoord"), 2);
    sandbox.scale("rel mixcoord=1").exits(0);
    assert_eq!(count(&sandbox, "rel-milvus-mixcoord"), 1);
}

/// The new chart still renders it, and the new Milvus does not know it.
#[test]
fn an_index_node_of_milvus_2_6_is_not_grown() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "indexNode.enabled=true");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel indexnode=2")), @"
    error: `indexNode` of release `rel` in namespace `NAMESPACE` runs `milvusdb/milvus:v2.6.15`, and Milvus 2.6 has no index node (indexnode-gone)
    caused by: its work moved to the data node; an index node of 2.6 ends with `Unknown server type`

    hint: scale the data node instead, for instance `kubectl milvus scale rel dataNode=+1 -n NAMESPACE`
    ");
}
