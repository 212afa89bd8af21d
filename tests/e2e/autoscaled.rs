//! Counts that an autoscaler moves, whoever made it.

use serde_json::json;

use crate::evidence::{create, refused};
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn a_count_that_belongs_to_an_autoscaler_is_not_changed() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", "4.2.58", "queryNode.hpa.enabled=true,proxy.replicas=-1");
    create(&sandbox, &autoscaler("by-hand", "rel-milvus-datanode", &json!({})));
    create(&sandbox, &autoscaler("keda-hpa-x", "rel-milvus-indexnode", &json!({"scaledobject.keda.sh/name": "x"})));
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale rel {words}")));
    insta::assert_snapshot!(refuse("querynode=2"), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-4.2.58 (milvus/milvus)
    error: the count of `queryNode` of release `rel` in namespace `NAMESPACE` belongs to an autoscaler (autoscaled)
    caused by: HorizontalPodAutoscaler `rel-milvus-querynode-hpa` keeps it between 1 and 5

    hint: `kubectl milvus autoscale rel queryNode --min 1 --max 5 -n NAMESPACE` changes its bounds, `kubectl milvus autoscale rel queryNode --off -n NAMESPACE` ends it
    ");
    insta::assert_snapshot!(refuse("datanode=2"), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-4.2.58 (milvus/milvus)
    error: the count of `dataNode` of release `rel` in namespace `NAMESPACE` belongs to an autoscaler (autoscaled)
    caused by: HorizontalPodAutoscaler `by-hand` keeps it between 1 and 5

    hint: change its bounds, or delete it first: `kubectl get hpa by-hand -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("indexnode=2"), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-4.2.58 (milvus/milvus)
    error: the count of `indexNode` of release `rel` in namespace `NAMESPACE` belongs to an autoscaler (autoscaled)
    caused by: HorizontalPodAutoscaler `keda-hpa-x` of KEDA keeps it between 1 and 5

    hint: change its bounds, or delete it first: `kubectl get hpa keda-hpa-x -n NAMESPACE`
    ");
    insta::assert_snapshot!(refuse("proxy=2"), @"
    error: the count of `proxy` of release `rel` in namespace `NAMESPACE` is left to an autoscaler (autoscaled)
    caused by: its value `proxy.replicas` is negative, so the release declares no count

    hint: `kubectl milvus autoscale rel proxy --off -n NAMESPACE` declares the live count, so that it can be scaled
    ");
    // Of several targets none is carried out.
    assert!(refuse("mixcoord=1 datanode=2").contains("(autoscaled)"));
}

/// The chart makes it for a Deployment that resource groups do not have.
#[test]
fn an_autoscaler_without_a_target_is_no_hindrance() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "replicaResourceGroups={a,b},queryNode.hpa.enabled=true");
    let autoscalers = sandbox.kubectl(&["get", "hpa", "--output", "jsonpath={.items[*].spec.scaleTargetRef.name}"]);
    assert_eq!(autoscalers, "rel-milvus-querynode");
    sandbox.scale("rel querynode=2").exits(0);
}

fn autoscaler(name: &str, deployment: &str, labels: &serde_json::Value) -> serde_json::Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "minReplicas": 1,
            "maxReplicas": 5,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment}
        }
    })
}
