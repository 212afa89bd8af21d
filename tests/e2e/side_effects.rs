//! What an upgrade does besides the counts: replaced etcd pods, hooks, Jobs,
//! and charts that render something new each time.

use serde_json::json;

use crate::evidence::{create, evidence, history, moved, plain_upgrade, refused, settled, without_waiting};
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(the_first_upgrade_leaves_etcd_alone);

fn the_first_upgrade_leaves_etcd_alone(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let set = "minio.enabled=false,sample.hook=true";
    sandbox.install_whole("plain", NEWEST, &format!("{set},pulsarv3.enabled=false"));
    sandbox.install_whole("rel", NEWEST, set);
    sandbox.until("the Jobs of the installation are finished", || {
        let jobs = sandbox.kubectl(&["get", "jobs", "--output", "jsonpath={.items[*].status.succeeded}"]);
        jobs == "1 1"
    });
    settled(&sandbox);
    let before = evidence(&sandbox);

    assert_eq!(plain_upgrade(&sandbox, "plain", NEWEST, "queryNode.replicas=2"), "exit 0");
    sandbox.until("etcd is replaced", || {
        let now = evidence(&sandbox);
        (0..3).all(|n| {
            now.get(&format!("Pod plain-etcd-{n}")).is_some_and(|pod| *pod != before[&format!("Pod plain-etcd-{n}")])
        })
    });
    settled(&sandbox);
    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Job plain-milvus-sample-hook
        + Pod plain-milvus-querynode-POD
        ~ Deployment plain-milvus-querynode
        ~ Pod plain-etcd-0
        ~ Pod plain-etcd-1
        ~ Pod plain-etcd-2
        ~ StatefulSet plain-etcd
        ");
    }

    // A Job that is not finished is not taken away.
    wait_again(&sandbox, "rel-pulsarv3-bookie-init");
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=2")), @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        error: an upgrade of release `rel` in namespace `NAMESPACE` would change more than the count (side-effects)
        caused by: Job `rel-pulsarv3-bookie-init` is removed

        hint: to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --allow-other-changes`
        ");
    }
    sandbox.kubectl(&["patch", "job/rel-pulsarv3-bookie-init", "--patch", r#"{"spec":{"suspend":false}}"#]);
    sandbox.kubectl(&["wait", "job/rel-pulsarv3-bookie-init", "--for=condition=Complete", "--timeout=60s"]);

    let before = evidence(&sandbox);
    insta::allow_duplicates! {
        insta::assert_snapshot!(sandbox.scale("rel querynode=2"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode 1 to 2, 2 pods ready; verified (revision 2)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode 1 to 2
          etcd.initialClusterState=new is set: without it the first upgrade replaces every etcd pod (to lift it later, in a maintenance window: `--set etcd.initialClusterState=existing`)
          finished Jobs are removed, nothing runs again: rel-pulsarv3-bookie-init, rel-pulsarv3-pulsar-init
        ");
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        - Job rel-pulsarv3-bookie-init
        - Job rel-pulsarv3-pulsar-init
        ~ Deployment rel-milvus-querynode
        ");
    }

    // The other release now says `existing`: there the value would itself
    // replace the pods, and is not set.
    let before = evidence(&sandbox);
    let said = sandbox.scale("plain querynode=1 -v");
    assert!(!said.exits(0).stderr.contains("initialClusterState"), "{said}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        - Pod plain-milvus-querynode-POD
        ~ Deployment plain-milvus-querynode
        ");
    }
}

/// Puts a Job that waits in the place of one that the installation ran.
fn wait_again(sandbox: &Sandbox, name: &str) {
    sandbox.kubectl(&["delete", "job", name]);
    create(
        sandbox,
        &json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"suspend": true, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "init", "image": "init"}]
            }}}
        }),
    );
}

#[test]
fn a_chart_that_renders_otherwise_each_time_is_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("random", NEWEST, "sample.randomSecret=true");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale random querynode=2")), @"
    release `random` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    error: the chart of release `random` in namespace `NAMESPACE` renders differently each time (unstable-render)
    caused by: Secret `random-milvus-sample` `.stringData.token` changes (not shown)
    caused by: Secret `random-milvus-sample` `.data.token` changes (not shown)

    hint: take what is random out of the values, for instance a password that the chart makes up
    ");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale random querynode=2 --allow-other-changes")), @"
    release `random` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    error: the chart of release `random` in namespace `NAMESPACE` renders differently each time (unstable-render)
    caused by: Secret `random-milvus-sample` `.stringData.token` changes (not shown)
    caused by: Secret `random-milvus-sample` `.data.token` changes (not shown)

    hint: take what is random out of the values, for instance a password that the chart makes up
    ");

    // With every revision something new: plain helm replaces the proxy's pods
    // each time, and consent does not help, since it comes back.
    sandbox.install("counting", NEWEST, "sample.revisionAnnotation=true");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale counting querynode=2")), @"
    release `counting` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    error: an upgrade of release `counting` in namespace `NAMESPACE` would change more than the count (side-effects)
    caused by: Deployment `counting-milvus-proxy` `.spec.template.metadata.annotations[sample/revision]` changes (not shown): its pods restart

    hint: to make these changes first, at unchanged counts: `kubectl milvus scale counting queryNode=2 -n NAMESPACE --allow-other-changes`
    ");
    let said = sandbox.scale("counting querynode=2 --allow-other-changes");
    insta::assert_snapshot!(without_waiting(&said), @"
    exit 3
    ----- stderr
    release `counting` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/2] other changes, at unchanged counts
      Deployment `counting-milvus-proxy` `.spec.template.metadata.annotations[sample/revision]` changes (not shown): its pods restart
    release `counting` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
    error: other changes of release `counting` in namespace `NAMESPACE` came back after they were made (unstable-render)
    caused by: Deployment `counting-milvus-proxy` `.spec.template.metadata.annotations[sample/revision]` changes (not shown): its pods restart

    hint: helm history counting -n NAMESPACE; then go on with `kubectl milvus scale counting queryNode=2 -n NAMESPACE`, or back with `kubectl milvus scale counting queryNode=1 -n NAMESPACE`
    ");
    insta::assert_snapshot!(history(&sandbox, "counting"), @"
    1 superseded: Install complete
    2 deployed: kubectl milvus scale: other changes, at unchanged counts
    ");
}

/// What a proof did not foresee is seen afterwards: Helm's own change ends the
/// run, another person's is a note.
#[test]
fn what_moves_during_the_upgrade_is_told_by_who_moved_it() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.before_upgrade("kubectl rollout restart deployment/rel-milvus-proxy >/dev/null 2>&1");
    let said = sandbox.scale("rel querynode=2");
    assert!(
        said.exits(0).stderr.contains("Deployment `rel-milvus-proxy` was changed meanwhile (by `kubectl-rollout`"),
        "{said}"
    );
    settled(&sandbox);

    sandbox.before_upgrade("exec \"$REAL\" \"$@\" --set proxy.annotations.a=b");
    // The restart by hand is no difference: the render has no such annotation.
    let said = sandbox.scale("rel querynode=3");
    sandbox.unwrap("helm");
    said.exits(3);
    assert!(said.stderr.contains("changed Deployment `rel-milvus-proxy` as well (side-effects)"), "{said}");
}
