//! The HorizontalPodAutoscaler that is printed where the chart has none that
//! does what is wanted. Pure. It grows and shrinks as the Milvus documentation
//! recommends for the proxy, or never shrinks.

use crate::autoscaler::Autoscaler;
use crate::component::ComponentRef;
use crate::manifest::ObjectId;

/// What the Milvus documentation aims at, in percent of the request.
pub const USUAL_TARGET: u32 = 60;

/// The object that the chart makes for a Deployment (4.2.42 to 5.0.19).
#[must_use]
pub fn id_of_chart(deployment: &str) -> ObjectId {
    ObjectId {
        kind: "HorizontalPodAutoscaler".to_owned(),
        name: format!("{deployment}-hpa"),
        namespace: None,
        group: "autoscaling".to_owned(),
    }
}

/// The object as YAML. Of the names, which Kubernetes and Helm have checked,
/// those of release and namespace may be a number.
#[must_use]
pub fn yaml(autoscaler: &Autoscaler, component: ComponentRef, release: &str, namespace: &str) -> String {
    let Autoscaler { name, deployment, min, max, cpu, memory, grow_only, .. } = autoscaler;
    let metrics: String = [("cpu", cpu), ("memory", memory)]
        .into_iter()
        .filter_map(|(resource, percent)| {
            let percent = (*percent)?;
            Some(format!(
                "  - type: Resource\n    resource:\n      name: {resource}\n      target:\n        type: Utilization\n        \
                 averageUtilization: {percent}\n"
            ))
        })
        .collect();
    let scale_down = if *grow_only {
        "      selectPolicy: Disabled\n"
    } else {
        "      stabilizationWindowSeconds: 300\n      policies:\n      - type: Pods\n        value: 1\n        periodSeconds: 60\n"
    };
    format!(
        "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {name}
  namespace: \"{namespace}\"
  labels:
    app.kubernetes.io/instance: \"{release}\"
    app.kubernetes.io/managed-by: kubectl-milvus
    component: {label}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {deployment}
  minReplicas: {min}
  maxReplicas: {max}
  metrics:
{metrics}  behavior:
    scaleUp:
      policies:
      - type: Pods
        value: 1
        periodSeconds: 30
    scaleDown:
{scale_down}",
        label = component.label
    )
}
