//! Deployments and StatefulSets as the API server reports them, cut down to the
//! fields that a decision needs.

use std::fmt;

use serde::Deserialize;

/// A Deployment as observed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "json::Deployment")]
pub struct Deployment {
    /// Its name.
    pub name: String,
    /// `.spec.replicas`: what is wanted at this moment. The API server fills
    /// in 1 where nothing is given.
    pub wanted: u32,
    /// Whether the controller has seen the newest spec.
    pub observed: bool,
    /// Pods that exist and are not terminating, of any generation.
    pub existing: u32,
    /// Of those, the ones of the newest template.
    pub updated: u32,
    /// Of those that exist, the ones that are available.
    pub available: u32,
    /// The number of its spec: it rises with every change of it.
    pub generation: i64,
    /// Who set `.spec.replicas` last, as the API server remembers it.
    pub counted_by: Option<Writer>,
    /// Who wrote anything of it last but its status.
    pub written_by: Option<Writer>,
    /// The GitOps controller that says it owns the object.
    pub gitops: Option<GitOps>,
    /// The image of its first container.
    pub image: Option<String>,
    /// Its label `app.kubernetes.io/instance`.
    pub instance: Option<String>,
    /// Its bare label `component`.
    pub component: Option<String>,
    /// Its label `milvus.io/resource-group`.
    pub group: Option<String>,
    /// Chart and version that made it: its label `helm.sh/chart`.
    pub chart: Option<String>,
    /// Whether the Milvus Operator made it.
    pub operator: bool,
    /// Why its ReplicaSet cannot create pods, in Kubernetes' words: the
    /// condition `ReplicaFailure`.
    pub cannot_create: Option<String>,
}

/// Who wrote a field, and when: an entry of `managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The program's name for itself: `helm`, `kubectl`,
    /// `kube-controller-manager` for an autoscaler.
    pub manager: String,
    /// When, RFC 3339; the API server does not record it for `kubectl scale`
    /// (measured, Kubernetes 1.37).
    pub when: Option<String>,
}

impl fmt::Display for Writer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.manager.as_str() {
            "kube-controller-manager" => out.write_str("by an autoscaler")?,
            manager => write!(out, "by `{manager}`")?,
        }
        self.when.iter().try_for_each(|when| write!(out, " at {when}"))
    }
}

/// A controller that writes a repository's state into the cluster, again and
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitOps {
    /// Argo CD, by its label or tracking annotation.
    ArgoCd,
    /// Flux, by its label.
    Flux,
}

impl Deployment {
    /// Whether the controller has nothing left to do: all pods are of the
    /// newest template, as many as wanted, and available.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.observed && self.existing == self.wanted && self.updated == self.wanted && self.available == self.wanted
    }
}

/// A list as the API server answers it: objects, and where a watch goes on.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    /// Position and rest of the list.
    pub metadata: ListMetadata,
    /// The objects.
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
}

/// Position and rest of a list.
#[derive(Debug, Default, Deserialize)]
pub struct ListMetadata {
    /// Where a watch goes on; empty in what `kubectl get` prints.
    #[serde(default, rename = "resourceVersion")]
    pub resource_version: String,
    /// The token of the next page, if there is one.
    #[serde(default, rename = "continue")]
    pub next_page: Option<String>,
}

/// The shapes of the API, only as deep as they are needed.
mod json {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::error::plain;
    use crate::release::{COMPONENT_LABEL, GROUP_LABEL, INSTANCE_LABEL};

    #[derive(Deserialize)]
    pub(super) struct Deployment {
        metadata: Metadata,
        spec: DeploymentSpec,
        #[serde(default)]
        status: DeploymentStatus,
    }

    #[derive(Deserialize)]
    struct DeploymentSpec {
        replicas: Option<u32>,
        #[serde(default)]
        template: Template,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Template {
        spec: TemplateSpec,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct TemplateSpec {
        containers: Vec<Container>,
    }

    #[derive(Deserialize)]
    struct Container {
        image: Option<String>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ManagedFields {
        #[serde(default)]
        manager: String,
        #[serde(default)]
        time: String,
        #[serde(default)]
        subresource: String,
        #[serde(default)]
        fields_v1: Fields,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Fields {
        #[serde(rename = "f:spec")]
        spec: SpecFields,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct SpecFields {
        #[serde(rename = "f:replicas")]
        replicas: Option<serde::de::IgnoredAny>,
    }

    /// Annotations can be large; only these are read.
    #[derive(Deserialize, Default)]
    struct Annotations {
        #[serde(rename = "argocd.argoproj.io/tracking-id")]
        argo_tracking: Option<serde::de::IgnoredAny>,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct DeploymentStatus {
        observed_generation: i64,
        replicas: u32,
        updated_replicas: u32,
        available_replicas: u32,
        conditions: Vec<Condition>,
    }

    #[derive(Deserialize)]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        #[serde(default)]
        message: String,
    }

    impl From<Deployment> for super::Deployment {
        fn from(read: Deployment) -> Self {
            let writers = read.metadata.managed_fields.iter().filter(|entry| entry.fields_v1.spec.replicas.is_some());
            let newest = |a: &&ManagedFields, b: &&ManagedFields| a.time.cmp(&b.time);
            // Someone who takes a count over takes it from Helm; an entry of
            // Helm beside another is the older one, whatever the times say.
            let newest_count = |a: &&ManagedFields, b: &&ManagedFields| {
                (a.manager != "helm", &a.time).cmp(&(b.manager != "helm", &b.time))
            };
            let writer = |entry: &ManagedFields| super::Writer {
                manager: plain(&entry.manager),
                when: Some(plain(&entry.time)).filter(|when| !when.is_empty()),
            };
            let spec = read.metadata.managed_fields.iter().filter(|entry| entry.subresource != "status");
            Self {
                generation: read.metadata.generation,
                counted_by: writers.max_by(newest_count).map(writer),
                written_by: spec.max_by(newest).map(writer),
                gitops: read.metadata.gitops(),
                instance: read.metadata.labels.get(INSTANCE_LABEL).cloned(),
                component: read.metadata.labels.get(COMPONENT_LABEL).cloned(),
                group: read.metadata.labels.get(GROUP_LABEL).cloned(),
                chart: read.metadata.labels.get("helm.sh/chart").map(|chart| plain(chart)),
                operator: read
                    .metadata
                    .labels
                    .get("app.kubernetes.io/managed-by")
                    .is_some_and(|by| by == "milvus-operator")
                    || read.metadata.owner_references.iter().any(|owner| owner.kind == "Milvus"),
                cannot_create: read
                    .status
                    .conditions
                    .iter()
                    .find(|condition| condition.kind == "ReplicaFailure" && condition.status == "True")
                    .map(|condition| plain(&condition.message)),
                image: read.spec.template.spec.containers.into_iter().next().and_then(|c| c.image),
                name: read.metadata.name,
                wanted: read.spec.replicas.unwrap_or(1),
                observed: read.status.observed_generation >= read.metadata.generation,
                existing: read.status.replicas,
                updated: read.status.updated_replicas,
                available: read.status.available_replicas,
            }
        }
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        name: String,
        #[serde(default)]
        generation: i64,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        owner_references: Vec<Owner>,
        #[serde(default)]
        annotations: Annotations,
        #[serde(default)]
        managed_fields: Vec<ManagedFields>,
    }

    #[derive(Deserialize)]
    struct Owner {
        kind: String,
    }

    impl Metadata {
        fn gitops(&self) -> Option<super::GitOps> {
            let has = |label: &str| self.labels.contains_key(label);
            if has("argocd.argoproj.io/instance") || self.annotations.argo_tracking.is_some() {
                Some(super::GitOps::ArgoCd)
            } else if has("helm.toolkit.fluxcd.io/name") || has("kustomize.toolkit.fluxcd.io/name") {
                Some(super::GitOps::Flux)
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_settled_only_when_the_controller_has_nothing_left_to_do() {
        let read = |status: &str| -> Deployment {
            serde_json::from_str(&format!(
                r#"{{"metadata":{{"name":"d","generation":2}},"spec":{{"replicas":3}},"status":{status}}}"#
            ))
            .unwrap()
        };
        let settled = r#"{"observedGeneration":2,"replicas":3,"updatedReplicas":3,"availableReplicas":3}"#;
        assert!(read(settled).is_settled());
        for (was, is) in [
            ("2,", "1,"),
            ("s\":3", "s\":4"),
            ("updatedReplicas\":3", "updatedReplicas\":2"),
            ("availableReplicas\":3", "availableReplicas\":2"),
        ] {
            assert!(!read(&settled.replacen(was, is, 1)).is_settled(), "{was} {is}");
        }
        assert!(!read("{}").is_settled());
    }

    #[test]
    fn who_set_the_count_last_is_the_newest_entry_that_names_the_field() {
        let entry = |manager: &str, time: &str, fields: &str| {
            format!(r#"{{"manager":"{manager}","time":"{time}","fieldsV1":{{"f:spec":{fields}}}}}"#)
        };
        let counted = r#"{"f:replicas":{}}"#;
        let entries = [
            entry("helm", "2026-01-01T00:00:00Z", counted),
            entry("kubectl", "2026-01-02T00:00:00Z", counted),
            entry("kubectl-set", "2026-01-03T00:00:00Z", r#"{"f:template":{}}"#),
        ];
        let text = format!(r#"{{"metadata":{{"name":"d","managedFields":[{}]}},"spec":{{}}}}"#, entries.join(","));
        let read: Deployment = serde_json::from_str(&text).unwrap();
        assert_eq!(read.counted_by.unwrap().to_string(), "by `kubectl` at 2026-01-02T00:00:00Z");
    }
}
