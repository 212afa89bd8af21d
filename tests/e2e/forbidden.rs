//! A user who may read everything and not do everything: what an upgrade needs
//! is asked before it is begun, and what can be done without is done without.

use crate::evidence::{evidence, moved, refused, unmoved};
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(what_an_upgrade_needs_is_asked_before, what_comes_and_goes_with_an_upgrade_is_asked_before);

fn what_an_upgrade_needs_is_asked_before(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let objects = "configmaps,services,serviceaccounts,deployments.apps,statefulsets.apps";
    allow(&sandbox, "reads", "get,list,watch", &format!("pods,secrets,{objects}"));
    let scale = || sandbox.milvus("scale rel querynode=2 --as jane");
    let denied = refused(&sandbox, scale());
    match helm {
        Helm::V3 => insta::assert_snapshot!(denied, @"
        error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
        caused by: missing: `create secrets`
        caused by: missing: `patch deployments.apps`
        caused by: missing: `update secrets`

        hint: kubectl auth can-i create secrets -n NAMESPACE --as=jane
        "),
        Helm::V4 => insta::assert_snapshot!(denied, @"
        error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
        caused by: missing: `create secrets`
        caused by: missing: `patch configmaps`
        caused by: missing: `patch services`
        caused by: missing: `patch deployments.apps`
        caused by: missing: `patch statefulsets.apps`
        caused by: missing: `update secrets`

        hint: kubectl auth can-i create secrets -n NAMESPACE --as=jane
        "),
    }

    allow(&sandbox, "records", "create,update", "secrets");
    assert!(!refused(&sandbox, scale()).contains("secrets`"), "it may write them");

    allow(&sandbox, "patches", "patch", objects);
    let before = evidence(&sandbox);
    let planned = sandbox.scale("rel querynode=2 --as jane --dry-run");
    unmoved(&sandbox, &before, planned.exits(0));
    let said = scale().end();
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode 1 to 2, 2 pods ready; verified (revision 2)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        you may not list `horizontalpodautoscalers.autoscaling`: whether an autoscaler owns the count is not known
        [1/1] queryNode 1 to 2
        ");
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        ~ Deployment rel-milvus-querynode
        ");
    }

    sandbox.kubectl(&["delete", "rolebinding", "records"]);
    let denied = refused(&sandbox, sandbox.milvus("scale rel querynode=3 --as jane"));
    assert!(denied.contains("missing: `create secrets`"), "{denied}");
}

/// The Jobs of the installation go with the first upgrade, and a Service that
/// someone deleted comes back with consent.
fn what_comes_and_goes_with_an_upgrade_is_asked_before(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install_whole("rel", NEWEST, "minio.enabled=false,etcd.replicaCount=1");
    sandbox.jobs_end();
    let objects = "configmaps,services,serviceaccounts,deployments.apps,statefulsets.apps";
    allow(&sandbox, "reads", "get,list,watch", &format!("pods,secrets,jobs.batch,{objects}"));
    allow(&sandbox, "records", "create,update", "secrets");
    allow(&sandbox, "patches", "patch", objects);
    let scale = |words: &str| sandbox.milvus(&format!("scale rel querynode=2 --as jane {words}"));
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, scale("")), @"
        error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
        caused by: missing: `delete jobs.batch`

        hint: kubectl auth can-i delete jobs.batch -n NAMESPACE --as=jane
        ");
    }
    allow(&sandbox, "deletes", "delete", "jobs.batch");
    sandbox.kubectl(&["delete", "service", "rel-milvus-datanode"]);
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, scale("--allow-other-changes")), @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        you may not list `horizontalpodautoscalers.autoscaling`: whether an autoscaler owns the count is not known
        error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
        caused by: missing: `create services`

        hint: kubectl auth can-i create services -n NAMESPACE --as=jane
        ");
    }
    allow(&sandbox, "creates", "create", "services");
    scale("--allow-other-changes").end().exits(0);
}

fn allow(sandbox: &Sandbox, role: &str, verbs: &str, resources: &str) {
    let words = ["create", "role", role, &format!("--verb={verbs}"), &format!("--resource={resources}")];
    sandbox.kubectl(&words);
    sandbox.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), "--user=jane"]);
}
