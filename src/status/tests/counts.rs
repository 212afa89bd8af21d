//! The table: what release, cluster and autoscalers say of the counts.

use super::*;

#[test]
fn all_as_declared() {
    let world = World::of(CLUSTER);
    let seen = world.seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <none>       <none>   yes
    queryNode        2         2      2/2     0          <none>       <none>   yes
    dataNode         1         1      1/1     0          <none>       <none>   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>
    exit 0
    ");
    insta::assert_snapshot!(wide(&seen, Width::Wide), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE         DEPLOYMENT             IMAGE
    proxy            1         1      1/1     0          <none>       <none>   yes           rel-milvus-proxy       milvusdb/milvus:v2.6.15
    queryNode        2         2      2/2     0          <none>       <none>   yes           rel-milvus-querynode   milvusdb/milvus:v2.6.15
    dataNode         1         1      1/1     0          <none>       <none>   yes           rel-milvus-datanode    milvusdb/milvus:v2.6.15
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator   rel-milvus-mixcoord    milvusdb/milvus:v2.6.15

    DEPENDENCY       KIND         READY             RESTARTS   WORKLOADS
    etcd             etcd         3/3               0          rel-etcd 3/3
    object storage   minio        1/1               0          rel-minio 1/1
    message queue    woodpecker   <inside Milvus>   <none>     <none>
    exit 0
    ");
}

#[test]
fn counts_set_by_others_and_a_deployment_that_is_gone() {
    let seen = World::of(
        "proxy 1 live 3 by kubectl, queryNode 3 live 1 by kubectl-edit at 2026-01-01T11:00:00Z, dataNode 1 live gone, cdc 1 live 1 image milvusdb/milvus:v2.6.14, mixCoordinator 1",
    );
    insta::assert_snapshot!(screen(&seen.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15 and v2.6.14 (cdc)

    COMPONENT        RELEASE   LIVE     READY   RESTARTS   AUTOSCALER   DRIFT                        SCALE
    proxy            1         3        3/3     0          <none>       +2 by kubectl                drift
    queryNode        3         1        1/1     0          <none>       -2 by kubectl-edit 60m ago   drift
    dataNode         1         <none>   0       0          <none>       <none>                       drift
    mixCoordinator   1         1        1/1     0          <none>       <none>                       coordinator
    cdc              1         1        1/1     0          <none>       <none>                       component-fixed

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      proxy: 3 in the cluster, 1 in the release, set by `kubectl`
      queryNode: 1 in the cluster, 3 in the release, set by `kubectl-edit` at 2026-01-01T11:00:00Z
      dataNode: Deployment `rel-milvus-datanode` is not in the cluster
      cdc: image `milvusdb/milvus:v2.6.14` in the cluster, `milvusdb/milvus:v2.6.15` in the release

    Scale refuses:
      an upgrade of release `rel` in namespace `ns` would overwrite what was changed in the cluster by hand (drift): Deployment `rel-milvus-cdc` `.spec.template.spec.containers[cdc].image` from `milvusdb/milvus:v2.6.14` to `milvusdb/milvus:v2.6.15`: its pods restart
      Deployment `rel-milvus-datanode` of `dataNode` of release `rel` in namespace `ns` is not in the cluster (drift): an upgrade would create it anew
    exit 3
    ");
}

#[test]
fn resource_groups_are_rows_of_their_own() {
    let seen = World::of("proxy 1, queryNode/rg1 2, queryNode/rg2 2 live 1 by kubectl, mixCoordinator 1").seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT           SCALE
    proxy            1         1      1/1     0          <none>       <none>          drift
    queryNode/rg1    2         2      2/2     0          <none>       <none>          yes
    queryNode/rg2    2         1      1/1     0          <none>       -1 by kubectl   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>          coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode/rg2: 1 in the cluster, 2 in the release, set by `kubectl`

    Scale refuses:
      `queryNode` of release `rel` in namespace `ns` has 2 and 1 in the cluster and 2 in the release (drift): an upgrade would take it back to the release's count, and this one cannot be passed along
    exit 3
    ");
}

#[test]
fn autoscalers_are_told_with_what_they_say_of_themselves() {
    let mut world =
        World::of("proxy 1 live 2 by kube-controller-manager, queryNode 2, dataNode - live 2, mixCoordinator 1");
    world.autoscaler(
        "rel-milvus-proxy",
        (1, 5),
        r#"{"type":"ScalingLimited","status":"True","reason":"TooManyReplicas","message":"x"}"#,
    );
    let failed = r#"{"type":"ScalingActive","status":"False","reason":"FailedGetResourceMetric","message":"unable to fetch metrics"}"#;
    world.autoscaler("rel-milvus-datanode", (2, 4), failed);
    world.autoscaler("other", (1, 2), failed);
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         2      2/2     0          2 in 1-5     <none>   autoscaled
    queryNode        2         2      2/2     0          <none>       <none>   yes
    dataNode         <none>    2      2/2     0          2 in 2-4     <none>   autoscaled
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    AUTOSCALER                MIN   NOW   MAX   CONDITION
    rel-milvus-proxy-hpa      1     2     5     it would set more than its maximum of 5
    rel-milvus-datanode-hpa   2     2     4     it cannot compute a count: FailedGetResourceMetric: unable to fetch metrics

    Not as declared:
      HorizontalPodAutoscaler `rel-milvus-datanode-hpa`: it cannot compute a count (FailedGetResourceMetric)

    Scale refuses:
      the count of `proxy` of release `rel` in namespace `ns` belongs to an autoscaler (autoscaled): HorizontalPodAutoscaler `rel-milvus-proxy-hpa` keeps it between 1 and 5
      the count of `dataNode` of release `rel` in namespace `ns` is left to an autoscaler (autoscaled): its value `dataNode.replicas` is negative, so the release declares no count
    exit 3
    ");
}

#[test]
fn a_count_that_an_autoscaler_moved_within_its_bounds_is_as_declared() {
    let well = r#"{"type":"ScalingActive","status":"True","reason":"ValidMetricFound","message":"x"}"#;
    let verdict = |live: u32| {
        let mut world = World::of(&format!("proxy 1 live {live} by kube-controller-manager"));
        world.autoscaler("rel-milvus-proxy", (2, 5), well);
        report(&world.seen()).exit_code
    };
    assert_eq!((verdict(2), verdict(5), verdict(6)), (0, 0, 3));
}
