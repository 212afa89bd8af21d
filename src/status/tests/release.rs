//! What is said of the release as a whole.

use super::*;

#[test]
fn an_operation_under_way_or_failed_is_the_first_thing_told() {
    let mut world = World::of(CLUSTER);
    world.status = Status::Pending("pending-upgrade".into());
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, pending-upgrade 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <none>       <none>   release-pending
    queryNode        2         2      2/2     0          <none>       <none>   release-pending
    dataNode         1         1      1/1     0          <none>       <none>   release-pending
    mixCoordinator   1         1      1/1     0          <none>       <none>   release-pending

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      revision 4 is `pending-upgrade`

    Scale refuses:
      release `rel` in namespace `ns` is `pending-upgrade` (revision 4): another operation is under way, or was killed (release-pending)
    exit 3
    ");
    let mut world = World::of(CLUSTER);
    world.status = Status::Failed;
    insta::assert_snapshot!(screen(&world.seen()), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, failed 5m ago: kubectl milvus scale: queryNode 1 to 3
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

    Not as declared:
      revision 4 failed: kubectl milvus scale: queryNode 1 to 3
    exit 3
    ");
    let mut world = World::of("proxy 1");
    world.status = Status::Failed;
    let mut seen = world.seen();
    if let Reading::Known(recorded) = &mut seen.record {
        recorded.basis =
            Err(Failure::new("release-failed", "release `rel` in namespace `ns` was never installed well"));
    }
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, failed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy       1         1      1/1     0          <none>       <none>   release-failed

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      revision 4 failed: kubectl milvus scale: queryNode 1 to 3

    Scale refuses:
      release `rel` in namespace `ns` was never installed well (release-failed)
    exit 3
    ");
}

#[test]
fn standalone_milvus_says_that_it_does_not_scale() {
    insta::assert_snapshot!(screen(&World::of("standalone 1").seen()), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT    RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    standalone   1         1      1/1     0          <none>       <none>   standalone

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Scale refuses:
      release `rel` in namespace `ns` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone): its chart ignores the counts of components where `cluster.enabled` is false
    exit 0
    ");
}

#[test]
fn others_who_own_a_count_are_told() {
    let seen = World::of("proxy 1 label argocd.argoproj.io/instance, queryNode 1 live 0 by kubectl, dataNode 1").seen();
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT           SCALE
    proxy       1         1      1/1     0          <none>       <none>          gitops-managed
    queryNode   1         0      0/0     0          <none>       -1 by kubectl   yes
    dataNode    1         1      1/1     0          <none>       <none>          drift

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode: 0 in the cluster, 1 in the release, set by `kubectl`

    Scale refuses:
      `proxy` of release `rel` in namespace `ns` is managed by Argo CD (gitops-managed): Argo CD would write the old count back
      `queryNode` of release `rel` in namespace `ns` has 0 in the cluster and 1 in the release (drift): an upgrade would take it back to the release's count, and this one cannot be passed along
    exit 3
    ");
}

#[test]
fn what_is_side_stepped_by_scale_is_noted() {
    let mut world = World::of(CLUSTER);
    world.manifest = world.manifest.replace("value: existing", "value: new");
    let text = screen(&world.seen());
    let (_, notes) = text.split_once("Notes:").unwrap();
    insta::assert_snapshot!(notes, @"
      etcd.initialClusterState=new is in force, and `scale` keeps it: without it the first upgrade replaces every etcd pod (to lift it, in a maintenance window: `helm upgrade` with `--set etcd.initialClusterState=existing`)
    exit 0
    ");
}
