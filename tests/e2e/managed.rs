//! Milvus that someone else looks after: the Operator, GitOps controllers,
//! another chart.

use serde_json::json;

use crate::evidence::{create, refused};
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn a_release_that_a_gitops_controller_writes_is_left_to_it() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let mark = |words: &[&str]| sandbox.kubectl(words);
    mark(&["annotate", "deployment/rel-milvus-querynode", "argocd.argoproj.io/tracking-id=rel:apps/Deployment:n/rel"]);
    mark(&["label", "deployment/rel-milvus-proxy", "argocd.argoproj.io/instance=rel"]);
    mark(&["label", "deployment/rel-milvus-datanode", "helm.toolkit.fluxcd.io/name=rel"]);
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale {words}")));
    insta::assert_snapshot!(refuse("rel querynode=2"), @"
    error: `queryNode` of release `rel` in namespace `NAMESPACE` is managed by Argo CD (gitops-managed)
    caused by: Argo CD would write the old count back

    hint: commit `queryNode.replicas` to the Application's Helm values instead
    ");
    assert!(refuse("rel proxy=2").contains("managed by Argo CD (gitops-managed)"));
    insta::assert_snapshot!(refuse("rel datanode=2"), @"
    error: `dataNode` of release `rel` in namespace `NAMESPACE` is managed by Flux (gitops-managed)
    caused by: Flux would write the old count back

    hint: commit `dataNode.replicas` to the values of the HelmRelease instead
    ");
}

#[test]
fn milvus_without_a_release_is_told_by_who_made_it() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale {words}")));
    let argo = json!({"argocd.argoproj.io/instance": "vectors", "app.kubernetes.io/instance": "vectors", "component": "querynode"});
    create(&sandbox, &deployment("vectors-milvus-querynode", &argo, &json!({"component": "querynode"})));
    insta::assert_snapshot!(refuse("vectors querynode=2"), @"
    error: Deployment `vectors-milvus-querynode` in namespace `NAMESPACE` is managed by Argo CD, and no release of Helm (gitops-managed)
    caused by: Argo CD would write the old count back

    hint: commit the count to the repository that it reads
    ");
    assert!(refuse("querynode=2").contains("(gitops-managed)"));
    insta::assert_snapshot!(refuse("other querynode=2"), @"
    error: there is no release `other` in namespace `NAMESPACE` (not-found)

    hint: helm list -A
    ");

    let operator = json!({
        "app.kubernetes.io/managed-by": "milvus-operator", "app.kubernetes.io/instance": "mine",
        "app.kubernetes.io/component": "querynode"
    });
    create(&sandbox, &deployment("mine-milvus-querynode-0", &operator, &operator));
    insta::assert_snapshot!(refuse("mine querynode=2"), @r#"
    error: Milvus `mine` in namespace `NAMESPACE` is managed by the Milvus Operator, not by Helm (operator-managed)
    caused by: its counts are those of its custom resource

    hint: kubectl patch milvus mine -n NAMESPACE --type=merge -p '{"spec":{"components":{"queryNode":{"replicas":2}}}}'
    "#);
    let said = refuse("mine mixcoord=1 proxy=+1 attu=3");
    assert!(said.contains(r#"'{"spec":{"components":{"mixCoord":{"replicas":1},"proxy":{"replicas":N}}}}'"#), "{said}");

    sandbox.helm(&["install", "umbrella", "milvus/umbrella", "--wait"]);
    insta::assert_snapshot!(refuse("umbrella querynode=2"), @"
    error: release `umbrella` in namespace `NAMESPACE` is of chart `umbrella-0.1.0`, which has Milvus inside it (not-milvus)
    caused by: the counts are values of that chart, under the name of its dependency

    hint: helm get values umbrella --all -n NAMESPACE
    ");
}

fn deployment(name: &str, labels: &serde_json::Value, of_pods: &serde_json::Value) -> serde_json::Value {
    let mut pods = of_pods.clone();
    pods["app.kubernetes.io/instance"] = labels["app.kubernetes.io/instance"].clone();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": pods},
            "template": {"metadata": {"labels": pods}, "spec": {"containers": [{"name": "querynode", "image": "milvus"}]}}
        }
    })
}
