//! What someone changed in the cluster by hand: plain helm puts it back and
//! restarts pods, this program names it and leaves it alone until told.

use crate::evidence::{evidence, history, moved, plain_upgrade, refused, settled, unmoved};
use crate::sandbox::{Helm, Sandbox};
use crate::with_each_helm;

/// Renders an explicit empty `env:`, which Helm 3 takes for an order.
const VERSION: &str = "4.2.58";

/// Stands in everything that could be a secret, and must never be printed.
const MARKER: &str = "planted-marker";

with_each_helm!(
    plain_helm_puts_it_back_or_fails_half_way,
    it_is_listed_refused_and_put_back_only_with_consent,
    what_an_upgrade_leaves_alone_is_no_difference
);

fn plain_helm_puts_it_back_or_fails_half_way(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    changed_release(&sandbox);
    let before = evidence(&sandbox);

    let said = plain_upgrade(&sandbox, "rel", VERSION, "queryNode.replicas=2");
    match helm {
        Helm::V3 => insta::assert_snapshot!(said, @"exit 0"),
        Helm::V4 => insta::assert_snapshot!(said, @r#"
        exit 1
        level=WARN msg="upgrade failed" name=rel error="conflict occurred while applying object NAMESPACE/rel-minio /v1, Kind=Secret: Apply failed with 1 conflict: conflict with \"kubectl-patch\" using v1: .data.secretkey && conflict occurred while applying object NAMESPACE/rel-milvus /v1, Kind=ConfigMap: Apply failed with 1 conflict: conflict with \"kubectl-patch\" using v1: .data.default.yaml && conflict occurred while applying object NAMESPACE/rel-milvus-proxy apps/v1, Kind=Deployment: Apply failed with 2 conflicts: conflicts with \"kubectl-set\" using apps/v1:\n- .spec.template.spec.containers[name=\"proxy\"].image\n- .spec.template.spec.containers[name=\"proxy\"].resources.limits.cpu"
        Error: UPGRADE FAILED: conflict occurred while applying object NAMESPACE/rel-minio /v1, Kind=Secret: Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.secretkey && conflict occurred while applying object NAMESPACE/rel-milvus /v1, Kind=ConfigMap: Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.default.yaml && conflict occurred while applying object NAMESPACE/rel-milvus-proxy apps/v1, Kind=Deployment: Apply failed with 2 conflicts: conflicts with "kubectl-set" using apps/v1:
        - .spec.template.spec.containers[name="proxy"].image
        - .spec.template.spec.containers[name="proxy"].resources.limits.cpu
        "#),
    }
    settled(&sandbox);
    match helm {
        Helm::V3 => insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-datanode-POD
        + Pod rel-milvus-proxy-POD
        + Pod rel-milvus-querynode-POD
        + Service rel-milvus-datanode
        - Pod rel-milvus-datanode-POD
        - Pod rel-milvus-proxy-POD
        ~ ConfigMap rel-milvus
        ~ Deployment rel-milvus-datanode
        ~ Deployment rel-milvus-proxy
        ~ Deployment rel-milvus-querynode
        ~ Secret rel-minio
        "),
        Helm::V4 => insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        + Service rel-milvus-datanode
        ~ Deployment rel-milvus-querynode
        "),
    }
}

fn it_is_listed_refused_and_put_back_only_with_consent(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    changed_release(&sandbox);

    let list = refused(&sandbox, sandbox.milvus("scale rel querynode=2"));
    match helm {
        Helm::V3 => insta::assert_snapshot!(list, @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-4.2.58 (milvus/milvus)
        error: an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift)
        caused by: Deployment `rel-milvus-datanode` `.spec.template.spec.containers[datanode].env` from (not shown) to (none): its pods restart
        caused by: Service `rel-milvus-datanode` is created
        caused by: ConfigMap `rel-milvus` `.data[default.yaml]` changes (not shown)
        caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].image` from `milvusdb/milvus:v2.5.99` to `milvusdb/milvus:v2.5.16`: its pods restart
        caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].resources.limits.cpu` from `2` to `1`: its pods restart
        caused by: Secret `rel-minio` `.data.secretkey` changes (not shown)

        hint: record it in the release's values; to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --allow-other-changes`
        "),
        Helm::V4 => insta::assert_snapshot!(list, @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-4.2.58 (milvus/milvus)
        error: an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift)
        caused by: Service `rel-milvus-datanode` is created
        caused by: ConfigMap `rel-milvus` `.data[default.yaml]` changes (not shown)
        caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].image` from `milvusdb/milvus:v2.5.99` to `milvusdb/milvus:v2.5.16`: its pods restart
        caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].resources.limits.cpu` from `2` to `1`: its pods restart
        caused by: Secret `rel-minio` `.data.secretkey` changes (not shown)

        hint: record it in the release's values; to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --allow-other-changes`
        "),
    }
    let planned = refused(&sandbox, sandbox.milvus("scale rel querynode=2 --dry-run"));
    assert!(list.ends_with(&planned) && planned.starts_with("error: "), "{planned}");

    let before = evidence(&sandbox);
    let plan = sandbox.scale("rel querynode=2 --dry-run --allow-other-changes");
    match helm {
        Helm::V3 => insta::assert_snapshot!(plan, @"
        exit 0
        ----- stdout
        release `rel` in namespace `NAMESPACE`: chart milvus-4.2.58, revision 1

        COMPONENT   NOW   WANTED   PODS
        queryNode   1     2        2

        step 1 of 2: other changes, at unchanged counts
          helm upgrade rel milvus/milvus --version 4.2.58 --reuse-values --no-hooks '--description=kubectl milvus scale: other changes, at unchanged counts' --namespace=NAMESPACE --kube-context=sandbox

        step 2 of 2: queryNode 1 to 2
          helm upgrade rel milvus/milvus --version 4.2.58 --reuse-values --set queryNode.replicas=2 --no-hooks '--description=kubectl milvus scale: queryNode 1 to 2' --namespace=NAMESPACE --kube-context=sandbox

        proof: these change
          Deployment `rel-milvus-querynode` `.spec.replicas` from 1 to 2
        and, before that and at unchanged counts, with your consent
          Deployment `rel-milvus-datanode` `.spec.template.spec.containers[datanode].env` from (not shown) to (none): its pods restart
          Service `rel-milvus-datanode` is created
          ConfigMap `rel-milvus` `.data[default.yaml]` changes (not shown)
          Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].image` from `milvusdb/milvus:v2.5.99` to `milvusdb/milvus:v2.5.16`: its pods restart
          Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].resources.limits.cpu` from `2` to `1`: its pods restart
          Secret `rel-minio` `.data.secretkey` changes (not shown)

        nothing was changed
        "),
        Helm::V4 => {
            assert!(plan.stdout.contains("with your consent\n  Service `rel-milvus-datanode` is created"), "{plan}");
        }
    }
    unmoved(&sandbox, &before, &plan);

    let said = sandbox.scale("rel querynode=2 --allow-other-changes -v");
    said.exits(0);
    assert!(![&said.stderr, &said.stdout, &plan.stdout, &list].iter().any(|said| said.contains(MARKER)), "{said}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(history(&sandbox, "rel"), @"
        1 superseded: Install complete
        2 superseded: kubectl milvus scale: other changes, at unchanged counts
        3 deployed: kubectl milvus scale: queryNode 1 to 2 (step 2 of 2)
        ");
    }
    match helm {
        Helm::V3 => insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-datanode-POD
        + Pod rel-milvus-proxy-POD
        + Pod rel-milvus-querynode-POD
        + Service rel-milvus-datanode
        - Pod rel-milvus-datanode-POD
        - Pod rel-milvus-proxy-POD
        ~ ConfigMap rel-milvus
        ~ Deployment rel-milvus-datanode
        ~ Deployment rel-milvus-proxy
        ~ Deployment rel-milvus-querynode
        ~ Secret rel-minio
        "),
        Helm::V4 => insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-proxy-POD
        + Pod rel-milvus-querynode-POD
        + Service rel-milvus-datanode
        - Pod rel-milvus-proxy-POD
        ~ ConfigMap rel-milvus
        ~ Deployment rel-milvus-proxy
        ~ Deployment rel-milvus-querynode
        ~ Secret rel-minio
        "),
    }
    assert!(sandbox.pods("").iter().all(|pod| pod.ready), "it came back before what restarted was well");
}

/// What drifts while the first list is put right is another list.
#[test]
fn what_is_changed_after_the_consent_is_made_as_well_and_nothing_waits_for_what_was_broken() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", VERSION, "dataNode.replicas=2");
    // Was broken before, and is no business of the upgrade's.
    sandbox.behave("indexnode.behaviour=never-ready");
    sandbox.kubectl(&["delete", "pod", "-l", "component=indexnode", "--wait=false"]);
    sandbox.kubectl(&["set", "image", "deployment/rel-milvus-proxy", "proxy=milvusdb/milvus:v2.5.99"]);
    sandbox.kubectl(&["rollout", "status", "deployment/rel-milvus-proxy", "--timeout=60s"]);
    sandbox.until("no pod is terminating", || sandbox.pods("").iter().all(|pod| !pod.terminating));
    let run = sandbox.milvus("scale rel datanode=1 --no-wait --allow-other-changes");
    let before = evidence(&sandbox);
    let said = run.end();
    unmoved(&sandbox, &before, said.exits(2));
    // Several steps are no matter of one upgrade; nothing was begun.
    let run = sandbox.milvus("scale rel querynode=2 --no-wait --allow-other-changes").end();
    assert!(run.exits(2).stderr.contains("this goal takes 2"), "{run}");
    assert_eq!(sandbox.revision("rel"), 1);

    let once = sandbox.home().join("once");
    sandbox.before_upgrade(&format!(
        "if [ ! -e {0} ]; then : >{0}; \"$REAL\" \"$@\"; ended=$?; \
         kubectl set image deployment/rel-milvus-datanode datanode=milvusdb/milvus:v2.5.98 >{0}; exit $ended; fi",
        once.display()
    ));
    sandbox.scale("rel querynode=2 --allow-other-changes --timeout 60s").exits(0);
    insta::assert_snapshot!(history(&sandbox, "rel"), @"
    1 superseded: Install complete
    2 superseded: kubectl milvus scale: other changes, at unchanged counts
    3 superseded: kubectl milvus scale: other changes, at unchanged counts
    4 deployed: kubectl milvus scale: queryNode 1 to 2 (step 3 of 3)
    ");
}

/// Proxy, data node, configuration, Secret and Service are not as released.
fn changed_release(sandbox: &Sandbox) {
    sandbox.install("rel", VERSION, "minio.enabled=true,minio.mode=standalone,proxy.resources.limits.cpu=1");
    let proxy = "deployment/rel-milvus-proxy";
    sandbox.kubectl(&["set", "image", proxy, "proxy=milvusdb/milvus:v2.5.99"]);
    sandbox.kubectl(&["set", "resources", proxy, "--limits=cpu=2"]);
    sandbox.kubectl(&["set", "env", "deployment/rel-milvus-datanode", &format!("TOKEN={MARKER}")]);
    let data = format!("{{\"data\":{{\"default.yaml\":\"password: {MARKER}\"}}}}");
    sandbox.kubectl(&["patch", "configmap", "rel-milvus", "--patch", &data]);
    let secret = format!("{{\"stringData\":{{\"secretkey\":\"{MARKER}\"}}}}");
    sandbox.kubectl(&["patch", "secret", "rel-minio", "--patch", &secret]);
    sandbox.kubectl(&["delete", "service", "rel-milvus-datanode"]);
    settled(sandbox);
}

fn what_an_upgrade_leaves_alone_is_no_difference(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    // The API server writes these as 1, 1Gi and 0.5.
    let quantities = "dataNode.resources.limits.cpu=1000m,dataNode.resources.limits.memory=1024Mi,queryNode.resources.limits.cpu=0.50";
    sandbox.install("rel", VERSION, quantities);
    let proxy = "deployment/rel-milvus-proxy";
    let sidecar = r#"{"spec":{"template":{"metadata":{"annotations":{"injected":"yes"}},"spec":{"containers":[{"name":"sidecar","image":"sidecar"}]}}}}"#;
    sandbox.kubectl(&["patch", proxy, "--patch", sidecar]);
    sandbox.kubectl(&["annotate", proxy, "note=by-hand"]);
    sandbox.kubectl(&["label", "configmap/rel-milvus", "note=by-hand"]);
    sandbox.kubectl(&["set", "resources", "deployment/rel-milvus-indexnode", "--requests=memory=1Gi"]);
    settled(&sandbox);
    let before = evidence(&sandbox);

    sandbox.scale("rel querynode=2").exits(0);

    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod rel-milvus-querynode-POD
        ~ Deployment rel-milvus-querynode
        ");
    }
    let containers = sandbox.kubectl(&["get", proxy, "--output", "jsonpath={.spec.template.spec.containers[*].name}"]);
    assert_eq!(containers, "sidecar proxy");
}
