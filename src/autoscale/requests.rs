//! What containers request: an autoscaler computes shares of it, and cannot
//! where a single container of the pods requests nothing.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A container that requests nothing of what is measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lacking {
    /// `cpu` or `memory`.
    pub metric: &'static str,
    /// The container.
    pub container: String,
}

/// A pod, or the template of one, as far as its requests go.
#[derive(Debug, Deserialize)]
pub struct Pod {
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(rename = "deletionTimestamp")]
    deleted: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    phase: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    // The chart holds an explicit null.
    init_containers: Option<Vec<Container>>,
    /// Of the whole pod (Kubernetes 1.34).
    resources: Option<Resources>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    restart_policy: Option<String>,
    resources: Option<Resources>,
}

/// A limit without a request is taken for the request as well.
#[derive(Debug, Deserialize)]
struct Resources {
    requests: Option<Map<String, Value>>,
    limits: Option<Map<String, Value>>,
}

impl Resources {
    fn has(&self, metric: &str) -> bool {
        let named = |map: &Option<Map<String, Value>>| map.as_ref().is_some_and(|map| map.contains_key(metric));
        named(&self.requests) || named(&self.limits)
    }
}

/// What the pods lack; where there are none, their template.
#[must_use]
pub fn lacking(pods: &[Pod], template: Option<&Value>) -> Vec<Lacking> {
    let counts =
        |pod: &&Pod| pod.metadata.deleted.is_none() && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed");
    let mut found: Vec<Lacking> = pods.iter().filter(counts).flat_map(of_pod).collect();
    if !pods.iter().any(|pod| counts(&pod)) {
        let template = template.and_then(|template| serde_json::from_value::<Pod>(template.clone()).ok());
        found.extend(template.iter().flat_map(of_pod));
    }
    found.sort();
    found.dedup();
    found
}

fn of_pod(pod: &Pod) -> Vec<Lacking> {
    // Of the init containers only those that go on running are measured.
    let sidecars =
        pod.spec.init_containers.iter().flatten().filter(|one| one.restart_policy.as_deref() == Some("Always"));
    let containers: Vec<&Container> = pod.spec.containers.iter().chain(sidecars).collect();
    let has = |resources: &Option<Resources>, metric| resources.as_ref().is_some_and(|own| own.has(metric));
    ["cpu", "memory"]
        .into_iter()
        .filter(|metric| !has(&pod.spec.resources, metric))
        .flat_map(|metric| {
            let without = containers.iter().filter(move |container| !has(&container.resources, metric));
            without.map(move |container| Lacking { metric, container: crate::error::plain(&container.name) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(pods: &[Value], template: &Value) -> String {
        let pods: Vec<Pod> = pods.iter().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
        let found = lacking(&pods, Some(template));
        found.iter().map(|one| format!("{} of {}", one.metric, one.container)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_container_of_the_pods_has_to_request_what_is_measured() {
        let pod = |resources: Value| json!({"spec": {"initContainers": null, "containers": [{"name": "a", "resources": resources}]}});
        let nothing = pod(json!({}));
        let both = pod(json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}));
        assert_eq!(check(std::slice::from_ref(&both), &nothing), "");
        assert_eq!(check(&[pod(json!({"requests": {"cpu": "1"}}))], &nothing), "memory of a");
        assert_eq!(check(&[], &nothing), "cpu of a, memory of a");
        assert_eq!(check(&[], &both), "");
        let mut going = nothing.clone();
        going["metadata"] = json!({"deletionTimestamp": "x"});
        assert_eq!(check(&[going, both.clone()], &nothing), "");
        let mut injected = both.clone();
        injected["spec"]["initContainers"] = json!([{"name": "once"}, {"name": "sidecar", "restartPolicy": "Always"}]);
        assert_eq!(check(&[both, injected], &nothing), "cpu of sidecar, memory of sidecar");
        let mut whole = nothing;
        whole["spec"]["resources"] = json!({"requests": {"cpu": "1", "memory": "1Gi"}});
        assert_eq!(check(&[whole], &json!(null)), "");
    }
}
