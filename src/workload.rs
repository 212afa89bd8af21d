//! Deployments and pods as the API server reports them, cut down to the fields
//! that a verdict needs: of 8 KB of JSON a pod keeps some 200 bytes, so that
//! thousands can be followed.

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
    /// Whether the Milvus Operator made it.
    pub operator: bool,
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

/// A pod as observed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "json::Pod")]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its identity: a name can come again, a UID cannot.
    pub uid: String,
    /// The value of its bare label `component`.
    pub component: String,
    /// The Deployment it belongs to, by its ReplicaSet's name.
    pub deployment: Option<String>,
    /// What `kubectl get pods` shows as READY.
    pub containers: Containers,
    /// Whether its condition Ready is true.
    pub ready: bool,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Whether it has ended, well or badly (evicted pods are of this kind):
    /// such a pod stays listed but counts for nothing.
    pub ended: bool,
    /// What `kubectl get pods` shows as STATUS. Free of control characters.
    pub status: String,
    /// How often its containers were restarted.
    pub restarts: u32,
    /// When it was created, RFC 3339.
    pub created: String,
}

impl Pod {
    /// Whether it counts towards the replicas of its Deployment.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.terminating && !self.ended
    }
}

/// How many containers of a pod are ready, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Containers {
    /// Ready ones.
    pub ready: usize,
    /// All but the init containers.
    pub total: usize,
}

impl fmt::Display for Containers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.ready, self.total)
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

/// One line of a watch on pods.
#[derive(Debug)]
pub enum WatchLine {
    /// A pod came or changed.
    Present(Box<Pod>),
    /// The pod with this UID is gone.
    Gone(String),
    /// Nothing to learn from it.
    Bookmark,
    /// The watch is over: the position is too old, or the server says no.
    Over,
}

/// Reads one line of a watch on pods.
///
/// # Errors
/// Says where the line stops being what a watch prints.
pub fn read_watch_line(line: &[u8]) -> Result<WatchLine, serde_json::Error> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    #[derive(Deserialize)]
    struct Line {
        object: Pod,
    }
    let Kind { kind } = serde_json::from_slice(line)?;
    let pod = || serde_json::from_slice::<Line>(line).map(|line| line.object);
    Ok(match kind {
        "ADDED" | "MODIFIED" => WatchLine::Present(Box::new(pod()?)),
        "DELETED" => WatchLine::Gone(pod()?.uid),
        "BOOKMARK" => WatchLine::Bookmark,
        _ => WatchLine::Over,
    })
}

/// The shapes of the API, only as deep as they are needed.
mod json {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::Containers;
    use crate::error::plain;
    use crate::release::{COMPONENT_LABEL, INSTANCE_LABEL};

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
                operator: read
                    .metadata
                    .labels
                    .get("app.kubernetes.io/managed-by")
                    .is_some_and(|by| by == "milvus-operator")
                    || read.metadata.owner_references.iter().any(|owner| owner.kind == "Milvus"),
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
        uid: String,
        #[serde(default)]
        generation: i64,
        #[serde(default)]
        creation_timestamp: Option<String>,
        #[serde(default)]
        deletion_timestamp: Option<String>,
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
        name: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Pod {
        metadata: Metadata,
        #[serde(default)]
        spec: PodSpec,
        #[serde(default)]
        status: PodStatus,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PodSpec {
        containers: Vec<serde::de::IgnoredAny>,
        init_containers: Vec<serde::de::IgnoredAny>,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PodStatus {
        phase: String,
        reason: String,
        conditions: Vec<Condition>,
        init_container_statuses: Vec<ContainerStatus>,
        container_statuses: Vec<ContainerStatus>,
    }

    #[derive(Deserialize)]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        #[serde(default)]
        reason: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ContainerStatus {
        #[serde(default)]
        ready: bool,
        #[serde(default)]
        started: Option<bool>,
        #[serde(default)]
        restart_count: u32,
        #[serde(default)]
        state: State,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct State {
        waiting: Option<Reason>,
        running: Option<serde::de::IgnoredAny>,
        terminated: Option<Reason>,
    }

    /// Why a container waits, or how it ended.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reason {
        #[serde(default, rename = "reason")]
        word: String,
        #[serde(default)]
        exit_code: i32,
        #[serde(default)]
        signal: i32,
    }

    impl Reason {
        fn text(&self) -> String {
            if !self.word.is_empty() {
                self.word.clone()
            } else if self.signal != 0 {
                format!("Signal:{}", self.signal)
            } else {
                format!("ExitCode:{}", self.exit_code)
            }
        }
    }

    impl From<Pod> for super::Pod {
        fn from(read: Pod) -> Self {
            let ready = read.status.is_true("Ready");
            let terminating = read.metadata.deletion_timestamp.is_some();
            let ended = matches!(read.status.phase.as_str(), "Succeeded" | "Failed");
            let statuses = &read.status.container_statuses;
            Self {
                containers: Containers {
                    ready: statuses.iter().filter(|c| c.ready).count(),
                    total: read.spec.containers.len(),
                },
                ready,
                terminating,
                ended,
                status: plain(&read.shown_status(terminating, ended)),
                restarts: statuses.iter().map(|c| c.restart_count).sum(),
                deployment: read.metadata.deployment(),
                component: read.metadata.labels.get(COMPONENT_LABEL).cloned().unwrap_or_default(),
                created: read.metadata.creation_timestamp.unwrap_or_default(),
                name: read.metadata.name,
                uid: read.metadata.uid,
            }
        }
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

        /// A Deployment names its ReplicaSets after itself and the template's
        /// hash, which their pods carry as a label.
        fn deployment(&self) -> Option<String> {
            let hash = self.labels.get("pod-template-hash")?;
            let set = self.owner_references.iter().find(|owner| owner.kind == "ReplicaSet")?;
            set.name.strip_suffix(hash.as_str())?.strip_suffix('-').map(str::to_owned)
        }
    }

    impl PodStatus {
        fn is_true(&self, kind: &str) -> bool {
            self.conditions.iter().any(|c| c.kind == kind && c.status == "True")
        }
    }

    impl Pod {
        /// The column STATUS as `kubectl get pods` derives it (kubectl 1.37).
        fn shown_status(&self, terminating: bool, ended: bool) -> String {
            let status = &self.status;
            if terminating && !ended {
                return if status.reason == "NodeLost" { "Unknown" } else { "Terminating" }.to_owned();
            }
            if let Some(text) = self.initializing() {
                return text;
            }
            let reason = status
                .container_statuses
                .iter()
                .find_map(|c| match (&c.state.waiting, &c.state.terminated) {
                    (Some(waiting), _) if !waiting.word.is_empty() => Some(waiting.word.clone()),
                    (_, Some(terminated)) => Some(terminated.text()),
                    _ => None,
                })
                .or_else(|| Some(status.reason.clone()).filter(|r| !r.is_empty()));
            let gated = status.conditions.iter().any(|c| c.kind == "PodScheduled" && c.reason == "SchedulingGated");
            match reason {
                // A finished container beside one that runs.
                Some(reason) if reason == "Completed" && self.has_running() => {
                    if status.is_true("Ready") { "Running" } else { "NotReady" }.to_owned()
                }
                Some(reason) => reason,
                None if gated => "SchedulingGated".to_owned(),
                None => status.phase.clone(),
            }
        }

        fn has_running(&self) -> bool {
            self.status.container_statuses.iter().any(|c| c.ready && c.state.running.is_some())
        }

        fn initializing(&self) -> Option<String> {
            let total = self.spec.init_containers.len();
            let (at, container) = self.status.init_container_statuses.iter().enumerate().find(|(_, c)| {
                let done = c.state.terminated.as_ref().is_some_and(|t| t.exit_code == 0);
                // One that is started and goes on is a sidecar.
                !done && c.started != Some(true)
            })?;
            Some(match (&container.state.terminated, &container.state.waiting) {
                (Some(terminated), _) => format!("Init:{}", terminated.text()),
                (_, Some(waiting)) if !waiting.word.is_empty() && waiting.word != "PodInitializing" => {
                    format!("Init:{}", waiting.word)
                }
                _ => format!("Init:{at}/{total}"),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: &str, more: &str) -> Pod {
        let text = format!(
            r#"{{"metadata":{{"name":"p","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z"{more},
                "labels":{{"component":"querynode","pod-template-hash":"7d9"}},
                "ownerReferences":[{{"kind":"ReplicaSet","name":"rel-milvus-querynode-7d9"}}]}},
                "spec":{{"containers":[{{"name":"querynode","image":"x"}}]}},"status":{status}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pod_knows_its_deployment_and_counts_when_ready() {
        let seen = pod(
            r#"{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],
                "containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{"startedAt":"x"}}}]}"#,
            "",
        );
        assert_eq!(seen.deployment.as_deref(), Some("rel-milvus-querynode"));
        assert!(seen.ready && seen.is_active());
        assert_eq!((seen.containers.to_string().as_str(), seen.restarts, seen.status.as_str()), ("1/1", 2, "Running"));
    }

    #[test]
    fn the_status_is_what_kubectl_shows() {
        let deleted = r#","deletionTimestamp":"2026-01-01T00:00:01Z""#;
        for (status, more, shown) in [
            (r#"{"phase":"Pending"}"#, "", "Pending"),
            (
                r#"{"phase":"Pending","conditions":[{"type":"PodScheduled","status":"False","reason":"SchedulingGated"}]}"#,
                "",
                "SchedulingGated",
            ),
            (
                r#"{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ImagePullBackOff"}}}]}"#,
                "",
                "ImagePullBackOff",
            ),
            (
                r#"{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}"#,
                "",
                "CrashLoopBackOff",
            ),
            (
                r#"{"phase":"Running","containerStatuses":[{"state":{"terminated":{"reason":"OOMKilled","exitCode":137}}}]}"#,
                "",
                "OOMKilled",
            ),
            (r#"{"phase":"Running","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}"#, "", "ExitCode:3"),
            (r#"{"phase":"Failed","reason":"Evicted"}"#, "", "Evicted"),
            (r#"{"phase":"Failed","reason":"Evicted"}"#, deleted, "Evicted"),
            (r#"{"phase":"Running"}"#, deleted, "Terminating"),
            (r#"{"phase":"Running","reason":"NodeLost"}"#, deleted, "Unknown"),
            (
                r#"{"phase":"Pending","initContainerStatuses":[{"state":{"waiting":{"reason":"PodInitializing"}}}]}"#,
                "",
                "Init:0/0",
            ),
            (
                r#"{"phase":"Pending","initContainerStatuses":[{"state":{"terminated":{"exitCode":1,"reason":"Error"}}}]}"#,
                "",
                "Init:Error",
            ),
        ] {
            assert_eq!(pod(status, more).status, shown, "{status}");
        }
    }

    #[test]
    fn text_from_the_cluster_cannot_move_the_cursor() {
        assert_eq!(pod(r#"{"phase":"Failed","reason":"\u001b[2Jgone"}"#, "").status, "[2Jgone");
    }

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

    #[test]
    fn watch_lines_are_told_apart() {
        let object = r#"{"metadata":{"name":"p","uid":"u"}}"#;
        let line =
            |kind: &str| read_watch_line(format!(r#"{{"type":"{kind}","object":{object}}}"#).as_bytes()).unwrap();
        assert!(matches!(line("ADDED"), WatchLine::Present(p) if p.uid == "u"));
        assert!(matches!(line("DELETED"), WatchLine::Gone(uid) if uid == "u"));
        assert!(matches!(line("BOOKMARK"), WatchLine::Bookmark));
        assert!(matches!(line("ERROR"), WatchLine::Over));
        assert!(read_watch_line(b"garbage").is_err());
    }
}
