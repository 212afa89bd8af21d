//! Counts of other components that differ from the release: plain helm takes
//! them back or ends half-way, this program keeps them.

use serde_json::json;

use crate::evidence::{count, create, evidence, history, moved, plain_upgrade, refused, settled};
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(
    plain_helm_undoes_them_or_fails_half_way,
    they_stay_and_are_recorded,
    a_count_that_moves_after_the_proof_is_noticed
);

fn plain_helm_undoes_them_or_fails_half_way(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=3"]);
    settled(&sandbox);

    let said = plain_upgrade(&sandbox, "rel", NEWEST, "queryNode.replicas=2");

    match helm {
        // Two proxies are killed without a word.
        Helm::V3 => {
            assert_eq!(said, "exit 0");
            assert_eq!(count(&sandbox, "rel-milvus-proxy"), 1);
        }
        // The query node is at 2, although the upgrade failed.
        Helm::V4 => {
            insta::assert_snapshot!(said, @r#"
            exit 1
            level=WARN msg="upgrade failed" name=rel error="conflict occurred while applying object NAMESPACE/rel-milvus-proxy apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas"
            Error: UPGRADE FAILED: conflict occurred while applying object NAMESPACE/rel-milvus-proxy apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas
            "#);
            insta::assert_snapshot!(history(&sandbox, "rel"), @r#"
            1 deployed: Install complete
            2 failed: Upgrade "rel" failed: conflict occurred while applying object NAMESPACE/rel-milvus-proxy apps/v1, Kind=Deployment: Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas
            "#);
            assert_eq!(count(&sandbox, "rel-milvus-querynode"), 2);
        }
    }
}

fn they_stay_and_are_recorded(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=3"]);
    settled(&sandbox);
    let before = evidence(&sandbox);

    let said = sandbox.scale("rel querynode=2");

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
        [1/1] queryNode 1 to 2
          proxy stays at 3: the release says 1, set by `kubectl`; in your values file: proxy.replicas: 3
        ");
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        ~ Deployment rel-milvus-querynode
        ");
        insta::assert_snapshot!(sandbox.helm(&["get", "values", "rel"]), @"
        USER-SUPPLIED VALUES:
        etcd:
          replicaCount: 1
        minio:
          enabled: false
        proxy:
          replicas: 3
        pulsarv3:
          enabled: false
        queryNode:
          replicas: 2
        ");
    }

    // Again, now that both sides agree; on the component itself; and with an
    // autoscaler that moves another.
    sandbox.scale("rel proxy=2").exits(0);
    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=4"]);
    sandbox.scale("rel proxy=3").exits(0);
    autoscale(&sandbox, "rel-milvus-datanode", 2);
    sandbox.until("the autoscaler has moved it", || count(&sandbox, "rel-milvus-datanode") == 2);
    settled(&sandbox);
    let before = evidence(&sandbox);
    let said = sandbox.milvus("scale rel querynode=3 -o json").end();
    let proof = &said.exits(0).json()["proof"];
    assert_eq!(proof["kept"][0]["component"], "dataNode");
    assert_eq!(proof["kept"][0]["by"], "kube-controller-manager");
    insta::allow_duplicates! {
        insta::assert_snapshot!(said.stderr.lines().nth(2).unwrap(), @"  dataNode stays at 2: the release says 1, set by an autoscaler; in your values file: dataNode.replicas: 2");
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        ~ Deployment rel-milvus-querynode
        ");
        insta::assert_snapshot!(history(&sandbox, "rel"), @"
        1 superseded: Install complete
        2 superseded: kubectl milvus scale: queryNode 1 to 2
        3 superseded: kubectl milvus scale: proxy 3 to 2
        4 superseded: kubectl milvus scale: proxy 4 to 3
        5 deployed: kubectl milvus scale: queryNode 2 to 3
        ");
    }

    sandbox.kubectl(&["scale", "deployment/rel-milvus-proxy", "--replicas=0"]);
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=4")), @"
        error: `proxy` of release `rel` in namespace `NAMESPACE` has 0 in the cluster and 3 in the release (drift)
        caused by: an upgrade would take it back to the release's count, and this one cannot be passed along

        hint: say which count it is to have: `kubectl milvus scale rel proxy=3 -n NAMESPACE`, or `kubectl milvus scale rel proxy=0 -n NAMESPACE --allow-zero` if it is to stay stopped
        ");
    }
}

/// An autoscaler without metrics: only its limits move anything.
fn autoscale(sandbox: &Sandbox, deployment: &str, min: u32) {
    create(
        sandbox,
        &json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": deployment},
            "spec": {
                "minReplicas": min,
                "maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
            }
        }),
    );
}

#[test]
fn resource_groups_that_differ_are_not_levelled() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "replicaResourceGroups={a,b}");
    sandbox.kubectl(&["scale", "deployment/rel-milvus-querynode-a", "--replicas=3"]);
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel proxy=2")), @"
    error: `queryNode` of release `rel` in namespace `NAMESPACE` has 3 and 1 in the cluster and 1 in the release (drift)
    caused by: an upgrade would take it back to the release's count, and this one cannot be passed along

    hint: say which count it is to have: `kubectl milvus scale rel queryNode=3 -n NAMESPACE`
    ");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=2")), @"
    error: the resource groups of `queryNode` of release `rel` in namespace `NAMESPACE` have different counts: 3 and 1 (drift)
    caused by: one step would make one group smaller and another larger

    hint: make them equal first: `kubectl milvus scale rel queryNode=3 -n NAMESPACE`
    ");
    // The way out that it names.
    let before = evidence(&sandbox);
    sandbox.scale("rel querynode=3").exits(0);
    insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
    + Pod rel-milvus-querynode-b-POD
    + Pod rel-milvus-querynode-b-POD
    ~ Deployment rel-milvus-querynode-b
    ");
}

/// Between the proof and the upgrade, and between the look and the proof.
fn a_count_that_moves_after_the_proof_is_noticed(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");

    proxies_move(&sandbox, "*--dry-run=server*", 2);
    insta::allow_duplicates! {
        insta::assert_snapshot!(sandbox.scale("rel datanode=2"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-datanode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: dataNode 1 to 2, 2 pods ready; verified (revision 2)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        [1/1] dataNode 1 to 2
        Deployment `rel-milvus-proxy` was set to 2 meanwhile: looking again
        [1/1] dataNode 1 to 2
          proxy stays at 2: the release says 1, set by `kubectl`; in your values file: proxy.replicas: 2
        ");
    }
    proxies_move(&sandbox, "*search\\ repo*", 3);
    insta::allow_duplicates! {
        insta::assert_snapshot!(sandbox.scale("rel datanode=3"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-datanode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: dataNode 2 to 3, 3 pods ready; verified (revision 3)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
        Deployment `rel-milvus-proxy` was set to 3 meanwhile: looking again
        [1/1] dataNode 2 to 3
          proxy stays at 3: the release says 2, set by `kubectl`; in your values file: proxy.replicas: 3
        ");
        insta::assert_snapshot!(history(&sandbox, "rel"), @"
        1 superseded: Install complete
        2 superseded: kubectl milvus scale: dataNode 1 to 2
        3 deployed: kubectl milvus scale: dataNode 2 to 3
        ");
    }
    assert_eq!(count(&sandbox, "rel-milvus-proxy"), 3);
}

/// From now on the first such call of helm is followed by someone's
/// `kubectl scale`.
fn proxies_move(sandbox: &Sandbox, call: &str, count: u32) {
    let done = sandbox.home().join(format!("moved-{count}"));
    let moves = format!(
        "case \"$*\" in {call}) if [ ! -e {done} ]; then\n\
         \"$REAL\" \"$@\"; ended=$?\n\
         kubectl scale deployment/rel-milvus-proxy --replicas={count} >{done}; exit $ended\n\
         fi;; esac\nexec \"$REAL\" \"$@\"",
        done = done.display()
    );
    sandbox.wrap("helm", &moves);
}
