//! Pods as the API server reports them, cut down to the fields that a verdict
//! needs: of 8 KB of JSON a pod keeps some 300 bytes, so that thousands can be
//! followed.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// A pod as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
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
    /// How it is being deleted.
    pub deletion: Option<Deletion>,
    /// The grace that its own spec gives it when it is deleted.
    pub grace: Duration,
    /// Whether it has ended, well or badly (evicted pods are of this kind):
    /// such a pod stays listed but counts for nothing.
    pub ended: bool,
    /// What `kubectl get pods` shows as STATUS. Free of control characters.
    pub status: String,
    /// How often its containers were restarted.
    pub restarts: u32,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Before this it cannot be Ready: its containers' start and the initial
    /// delay of their readiness probes.
    pub not_ready_before: Option<Timestamp>,
    /// The node it runs on.
    pub node: Option<String>,
    /// What Kubernetes says is wrong with it.
    pub trouble: Option<Box<Trouble>>,
}

/// A deletion that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub asked: Timestamp,
    /// How long the pod was given.
    pub grace: Duration,
}

/// What Kubernetes says is wrong with a pod. Free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The reason, one word: `Unschedulable`, `ImagePullBackOff`, `OOMKilled`.
    pub reason: String,
    /// The explanation, as long as Kubernetes makes it.
    pub message: String,
    /// How a container ended last: `OOMKilled`, `Error`.
    pub last_end: Option<String>,
    /// Since when, where it is recorded.
    pub since: Option<Timestamp>,
}

impl Pod {
    /// Whether it counts towards the replicas of its Deployment.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.terminating && !self.ended
    }
}

/// How many containers of a pod are ready, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    use std::time::Duration;

    use jiff::Timestamp;
    use serde::Deserialize;

    use super::{Containers, Deletion, Trouble};
    use crate::error::plain;
    use crate::release::COMPONENT_LABEL;

    #[derive(Deserialize)]
    pub(super) struct Pod {
        metadata: Metadata,
        #[serde(default)]
        spec: PodSpec,
        #[serde(default)]
        status: PodStatus,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        #[serde(default)]
        name: String,
        #[serde(default)]
        uid: String,
        #[serde(default)]
        creation_timestamp: Option<String>,
        #[serde(default)]
        deletion_timestamp: Option<Timestamp>,
        #[serde(default)]
        deletion_grace_period_seconds: Option<u64>,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        owner_references: Vec<Owner>,
    }

    #[derive(Deserialize)]
    struct Owner {
        kind: String,
        name: String,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Container {
        readiness_probe: Option<Probe>,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Probe {
        initial_delay_seconds: u32,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PodSpec {
        node_name: Option<String>,
        termination_grace_period_seconds: Option<u64>,
        containers: Vec<Container>,
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
    #[serde(rename_all = "camelCase")]
    struct Condition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        last_transition_time: Option<Timestamp>,
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
        #[serde(default)]
        last_state: State,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct State {
        waiting: Option<Reason>,
        running: Option<Running>,
        terminated: Option<Reason>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Running {
        started_at: Option<Timestamp>,
    }

    /// Why a container waits, or how it ended.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reason {
        #[serde(default, rename = "reason")]
        word: String,
        #[serde(default)]
        message: String,
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
                deletion: read.metadata.deletion(),
                grace: Duration::from_secs(read.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE)),
                not_ready_before: read.not_ready_before().filter(|_| !ready),
                trouble: read.trouble().filter(|_| !ready && !ended).map(Box::new),
                ended,
                status: plain(&read.shown_status(terminating, ended)),
                restarts: statuses.iter().map(|c| c.restart_count).sum(),
                deployment: read.metadata.deployment(),
                component: read.metadata.labels.get(COMPONENT_LABEL).cloned().unwrap_or_default(),
                created: read.metadata.creation_timestamp.unwrap_or_default(),
                node: read.spec.node_name,
                name: read.metadata.name,
                uid: read.metadata.uid,
            }
        }
    }

    impl Metadata {
        /// A Deployment names its ReplicaSets after itself and the template's
        /// hash, which their pods carry as a label.
        fn deployment(&self) -> Option<String> {
            let hash = self.labels.get("pod-template-hash")?;
            let set = self.owner_references.iter().find(|owner| owner.kind == "ReplicaSet")?;
            set.name.strip_suffix(hash.as_str())?.strip_suffix('-').map(str::to_owned)
        }

        /// The deletion's time stamp is when the grace ends, not when it began.
        fn deletion(&self) -> Option<Deletion> {
            let grace = Duration::from_secs(self.deletion_grace_period_seconds.unwrap_or(DEFAULT_GRACE));
            let asked = self.deletion_timestamp?.checked_sub(grace).ok()?;
            Some(Deletion { asked, grace })
        }
    }

    /// The API's own default, in seconds.
    const DEFAULT_GRACE: u64 = 30;

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

        fn not_ready_before(&self) -> Option<Timestamp> {
            let statuses = &self.status.container_statuses;
            let started = statuses.iter().filter_map(|c| c.state.running.as_ref()?.started_at).max()?;
            let probes = self.spec.containers.iter().filter_map(|c| c.readiness_probe.as_ref());
            let delay = probes.map(|probe| probe.initial_delay_seconds).max()?;
            started.checked_add(Duration::from_secs(delay.into())).ok()
        }

        /// The first of: not scheduled, a container that waits with a reason, one
        /// that ended.
        fn trouble(&self) -> Option<Trouble> {
            let unscheduled = self.status.conditions.iter().find(|c| c.kind == "PodScheduled" && c.status == "False");
            if let Some(condition) = unscheduled {
                return Some(Trouble {
                    reason: plain(&condition.reason),
                    message: plain(&condition.message),
                    last_end: None,
                    since: condition.last_transition_time,
                });
            }
            let status = &self.status;
            let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
            let of_container = containers.filter(|c| !c.ready).find_map(|c| {
                let why = c.state.waiting.as_ref().or(c.state.terminated.as_ref())?;
                Some(Trouble {
                    reason: plain(&why.text()),
                    message: plain(&why.message),
                    last_end: c
                        .last_state
                        .terminated
                        .as_ref()
                        .or(c.state.terminated.as_ref())
                        .map(|end| plain(&end.text())),
                    since: None,
                })
            });
            // A node that is lost cannot say so itself: the control plane takes
            // Ready away while the containers still seem to run.
            let lost = || {
                let not_ready = status.conditions.iter().find(|c| c.kind == "Ready" && c.status != "True")?;
                let seem_well =
                    !status.container_statuses.is_empty() && status.container_statuses.iter().all(|c| c.ready);
                seem_well.then(|| Trouble {
                    reason: "NotReadyOnItsNode".to_owned(),
                    message: plain(&not_ready.message),
                    last_end: None,
                    since: not_ready.last_transition_time,
                })
            };
            of_container.or_else(lost)
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
                "containerStatuses":[{"ready":true,"restartCount":2,"state":{"running":{"startedAt":"2026-01-01T00:00:05Z"}}}]}"#,
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
