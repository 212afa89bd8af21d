//! Pods that are not well, and why.

use super::*;

#[test]
fn pods_that_are_not_well_are_listed_with_the_reason() {
    let mut world = World::of("proxy 2, queryNode 3, dataNode 1, mixCoordinator 1");
    world.trouble("rel-milvus-querynode", 1, |pod| {
        pod.status = "CrashLoopBackOff".into();
        pod.restarts = 7;
        pod.trouble = Some(Box::new(Trouble {
            reason: "CrashLoopBackOff".into(),
            message: "back-off 5m0s restarting failed container".into(),
            last_end: Some("Error".into()),
            restarts: 7,
            since: None,
        }));
    });
    world.trouble("rel-milvus-proxy", 1, |pod| {
        pod.status = "Pending".into();
        pod.node = None;
        pod.trouble = Some(Box::new(Trouble {
            reason: "Unschedulable".into(),
            message: "0/3 nodes are available: 3 Insufficient cpu.".into(),
            last_end: None,
            restarts: 0,
            since: Some("2026-01-01T11:59:30Z".parse().unwrap()),
        }));
    });
    world.trouble("rel-milvus-datanode", 0, |pod| {
        pod.not_ready_before = Some("2026-01-01T12:01:03Z".parse().unwrap());
    });
    world.pods.iter_mut().filter(|pod| pod.name == "rel-etcd-2").for_each(|pod| {
        pod.terminating = true;
        pod.status = "Terminating".into();
    });
    let declined =
        Event { reason: "NotTriggerScaleUp".into(), message: "max node group size reached".into(), ..Event::default() };
    world.events.insert("rel-milvus-proxy-7d9-2".into(), vec![declined]);
    let seen = world.seen();
    assert_eq!(questionable(&seen, now()), ["rel-milvus-proxy-7d9-2"]);
    insta::assert_snapshot!(screen(&seen), @"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT        RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy            2         2      1/2     0          <none>       <none>   yes
    queryNode        3         3      1/3     14         <none>       <none>   yes
    dataNode         1         1      0/1     0          <none>       <none>   yes
    mixCoordinator   1         1      1/1     0          <none>       <none>   coordinator

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         2/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    POD                          READY   STATUS             RESTARTS   AGE    REASON
    rel-etcd-2                   1/1     Terminating        0          120m   <none>
    rel-milvus-datanode-7d9-1    0/1     Running            0          120m   its probes begin in 63 seconds
    rel-milvus-proxy-7d9-2       0/1     Pending            0          120m   unschedulable: 0/3 nodes are available: 3 Insufficient cpu.; max node group size reached
    rel-milvus-querynode-7d9-2   0/1     CrashLoopBackOff   7          120m   crash-loop: CrashLoopBackOff: back-off 5m0s restarting failed container
    rel-milvus-querynode-7d9-3   0/1     CrashLoopBackOff   7          120m   crash-loop: CrashLoopBackOff: back-off 5m0s restarting failed container

    Not as declared:
      proxy: 1 of 2 ready, 1 Pending
      queryNode: 1 of 3 ready, 2 CrashLoopBackOff
      dataNode: 0 of 1 ready, 1 starting
      `rel-etcd`: 2 of 3 ready
    exit 3
    ");
    assert!(wide(&seen, Width::Wide).contains("NODE"), "a column for the node");
}

#[test]
fn pods_that_cannot_be_created_are_told() {
    let mut world = World::of("proxy 1, queryNode 2");
    world.pods.retain(|pod| pod.name != "rel-milvus-querynode-7d9-2");
    let words = "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1";
    world.deployments[1].cannot_create = Some(words.into());
    insta::assert_snapshot!(screen(&world.seen()), @r#"
    Release:    rel in namespace ns
    Status:     not as declared
    Revision:   4, deployed 5m ago: kubectl milvus scale: queryNode 1 to 3
    Chart:      milvus-5.0.19
    Milvus:     v2.6.15

    COMPONENT   RELEASE   LIVE   READY   RESTARTS   AUTOSCALER   DRIFT    SCALE
    proxy       1         1      1/1     0          <none>       <none>   yes
    queryNode   2         2      1/2     0          <none>       <none>   yes

    DEPENDENCY       KIND         READY             RESTARTS
    etcd             etcd         3/3               0
    object storage   minio        1/1               0
    message queue    woodpecker   <inside Milvus>   <none>

    Not as declared:
      queryNode: 1 of 2 ready
      queryNode: pods cannot be created: pods "x" is forbidden: exceeded quota: q, requested: pods=1 (quota)
    exit 3
    "#);
}
