//! What may not be read, several releases, and what must never be shown.

use super::*;

#[test]
fn what_may_not_be_read_is_said_and_the_rest_is_shown() {
    let mut seen = World::of(CLUSTER).seen();
    namespace(&mut seen).autoscalers = unread("list", "horizontalpodautoscalers.autoscaling");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     0          <unknown>    <none>   yes
    queryNode        2         2      2/2     0          <unknown>    <none>   yes
    dataNode         1         1      1/1     0          <unknown>    <none>   yes
    mixCoordinator   1         1      1/1     0          <unknown>    <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 0
    ");
    namespace(&mut seen).pods = unread("list", "pods");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS    AUTOSCALER   DRIFT    SCALE
    proxy            1         1      1/1     <unknown>   <unknown>    <none>   yes
    queryNode        2         2      2/2     <unknown>   <unknown>    <none>   yes
    dataNode         1         1      1/1     <unknown>   <unknown>    <none>   yes
    mixCoordinator   1         1      1/1     <unknown>   <unknown>    <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         <unknown>         <unknown>
    object storage   minio        <unknown>         <unknown>
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      you may not list `pods`; not known: which pods are not well, and the dependencies
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 1
    ");
    seen.record = unread("list", "secrets");
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   <unknown>
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE     LIVE   READY   RESTARTS    AUTOSCALER   DRIFT       SCALE
    proxy            <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>
    queryNode        <unknown>   2      2/2     <unknown>   <unknown>    <unknown>   <unknown>
    dataNode         <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>
    mixCoordinator   <unknown>   1      1/1     <unknown>   <unknown>    <unknown>   <unknown>

    Not read:
      you may not list `secrets`; not known: what the release declares
      you may not list `pods`; not known: which pods are not well, and the dependencies
      you may not list `horizontalpodautoscalers.autoscaling`; not known: who else moves counts
    exit 1
    ");
    let mut seen = World::of(CLUSTER).seen();
    namespace(&mut seen).deployments = Reading::Unclear("the server is busy".into());
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not known
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE        READY   RESTARTS   AUTOSCALER   DRIFT       SCALE
    proxy            1         <unknown>   1       0          <none>       <unknown>   <unknown>
    queryNode        2         <unknown>   2       0          <none>       <unknown>   <unknown>
    dataNode         1         <unknown>   1       0          <none>       <unknown>   <unknown>
    mixCoordinator   1         <unknown>   1       0          <none>       <unknown>   <unknown>

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not read:
      cannot read `deployments.apps`: the server is busy; not known: the live counts
    exit 1
    ");
}

#[test]
fn several_releases_are_a_table() {
    let well = judged(&World::of(CLUSTER).seen());
    let mut drifted = judged(&World::of("proxy 1 live 2 by kubectl, queryNode 1").seen());
    drifted.name = "another".into();
    let mut elsewhere = World::of("standalone 1").seen();
    elsewhere.record = unread("list", "secrets");
    namespace(&mut elsewhere).name = "other".into();
    let report = StatusReport::of(vec![well, drifted, judged(&elsewhere)], None);
    insta::assert_snapshot!(report.text(Width::Normal, Listing::AllNamespaces, now()), @"
    NAMESPACE   NAME      STATUS      AS-DECLARED   REVISION    CHART           MILVUS    READY   UPDATED
    ns          another   deployed    no            4           milvus-5.0.19   v2.6.15   3/3     5m
    ns          rel       deployed    yes           4           milvus-5.0.19   v2.6.15   5/5     5m
    other       rel       <unknown>   <unknown>     <unknown>   milvus-5.0.19   v2.6.15   1/1     <unknown>

    ns/another:
      proxy: 2 in the cluster, 1 in the release, set by `kubectl`

    other/rel:
      you may not list `secrets`; not known: what the release declares
    ");
    insta::assert_snapshot!(report.text(Width::Wide, Listing::OneNamespace, now()), @"
    NAME      STATUS      AS-DECLARED   REVISION    CHART           MILVUS    READY   UPDATED     DESCRIPTION
    another   deployed    no            4           milvus-5.0.19   v2.6.15   3/3     5m          kubectl milvus scale: queryNode 1 to 3
    rel       deployed    yes           4           milvus-5.0.19   v2.6.15   5/5     5m          kubectl milvus scale: queryNode 1 to 3
    rel       <unknown>   <unknown>     <unknown>   milvus-5.0.19   v2.6.15   1/1     <unknown>   <unknown>

    another:
      proxy: 2 in the cluster, 1 in the release, set by `kubectl`

    rel:
      you may not list `secrets`; not known: what the release declares
    ");
    assert_eq!(report.exit_code, 3);
}

#[test]
fn the_exit_code_is_the_worst_of_all() {
    let well = || judged(&World::of("proxy 1").seen());
    let drifted = || judged(&World::of("proxy 1 live 2").seen());
    let mut dark = World::of("proxy 1").seen();
    namespace(&mut dark).pods = unread("list", "pods");
    let dark = || judged(&dark);
    let code = |releases: Vec<ReleaseStatus>| StatusReport::of(releases, None).exit_code;
    assert_eq!(code(vec![well(), well()]), 0);
    assert_eq!(code(vec![well(), dark()]), 1);
    assert_eq!(code(vec![dark(), drifted(), well()]), 3);
    let failure = Failure::new("forbidden", "you may not");
    assert_eq!(StatusReport::of(vec![well()], Some(&failure)).exit_code, 1);
    assert_eq!(StatusReport::of(vec![drifted()], Some(&failure)).exit_code, 3);
    assert_eq!(StatusReport::of(Vec::new(), Some(&failure)).exit_code, 1);
}

#[test]
fn nothing_secret_is_ever_shown() {
    let seen = World::of(CLUSTER).seen();
    let all = report(&seen).json() + &wide(&seen, Width::Wide);
    assert!(!all.contains("do-not-show"), "{all}");
}
