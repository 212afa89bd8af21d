//! Nothing to do is done without a revision, but not without a look.

use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(a_count_that_is_true_makes_no_revision);

fn a_count_that_is_true_makes_no_revision(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let before = sandbox.state();
    insta::allow_duplicates! {
        insta::assert_snapshot!(sandbox.scale("querynode=1"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode at 1, 1 pod ready; nothing to change, verified (revision 1)
        ");
        insta::assert_snapshot!(sandbox.scale("rel querynode=+0 proxy=1"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode at 1, 1 pod ready; proxy at 1, 1 pod ready; nothing to change, verified (revision 1)
        ");
        insta::assert_snapshot!(sandbox.scale("rel querynode=1 --dry-run"), @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: chart milvus-5.0.19, revision 1

        COMPONENT   NOW   WANTED   PODS
        queryNode   1     1        1

        nothing to change
        ");
    }
    assert_eq!(sandbox.state(), before);
}

#[test]
fn the_same_command_again_waits_for_pods_that_are_still_starting() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.after=20s");
    insta::assert_snapshot!(sandbox.scale("rel querynode=3 --no-wait"), @"
    exit 0
    ----- stdout
    release `rel` in namespace `NAMESPACE`: queryNode 1 to 3; applied, pods not looked at (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    ");
    assert!(sandbox.pods("component=querynode").iter().any(|pod| !pod.ready), "the test is too slow");
    let before = sandbox.state();

    let said = sandbox.scale("rel querynode=3");

    insta::assert_snapshot!(said, @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode at 3, 3 pods ready; nothing to change, verified (revision 2)
    ");
    assert_eq!(said.progress().last(), Some(&"queryNode: 3 of 3 ready"));
    assert!(sandbox.pods("component=querynode").iter().all(|pod| pod.ready));
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_count_that_only_the_cluster_has_is_recorded_without_touching_pods() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-querynode", "--replicas=3"]);
    sandbox.kubectl(&["rollout", "status", "deployment/rel-milvus-querynode"]);
    let pods = sandbox.pods("component=querynode");

    insta::assert_snapshot!(sandbox.scale("rel querynode=3"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode at 3, 3 pods ready; verified (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode recorded at 3
    ");

    assert_eq!(sandbox.pods("component=querynode"), pods);
    let values = sandbox.helm(&["get", "values", "rel", "--output", "json"]);
    assert!(values.contains(r#""queryNode":{"replicas":3}"#), "{values}");
}
