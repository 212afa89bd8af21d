//! The shape of a pod in the API, only as deep as it is needed, and what is made
//! of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Containers, Deletion, NOT_READY_ON_ITS_NODE, Trouble};
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
    finalizers: Vec<String>,
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
    name: String,
    image: Option<String>,
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
            was_ready: !ready && read.status.was_ready(),
            terminating,
            deletion: read.metadata.deletion(),
            grace: Duration::from_secs(read.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE)),
            not_ready_before: read.not_ready_before().filter(|_| !ready),
            trouble: read.trouble().filter(|_| !ready && !ended).map(Box::new),
            ended,
            status: plain(&read.shown_status(terminating, ended)),
            restarts: statuses.iter().map(|c| c.restart_count).sum(),
            deployment: read.metadata.deployment(),
            stateful_set: read.metadata.owner("StatefulSet").map(str::to_owned),
            image: read.image().map(plain),
            component: read.metadata.labels.get(COMPONENT_LABEL).cloned().unwrap_or_default(),
            created: read.metadata.creation_timestamp.unwrap_or_default(),
            finalizers: read.metadata.finalizers.iter().map(|one| plain(one)).collect(),
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
        self.owner("ReplicaSet")?.strip_suffix(hash.as_str())?.strip_suffix('-').map(str::to_owned)
    }

    fn owner(&self, kind: &str) -> Option<&str> {
        self.owner_references.iter().find(|owner| owner.kind == kind).map(|owner| owner.name.as_str())
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

/// Seconds between what a kubelet writes when it takes a pod on.
const TAKEN_ON_WITHIN: i64 = 2;

impl PodStatus {
    fn is_true(&self, kind: &str) -> bool {
        self.conditions.iter().any(|c| c.kind == kind && c.status == "True")
    }

    /// The kubelet sets Ready to false when it takes a pod on, about when it is
    /// initialized, and from then on only when it changes. Where the times are
    /// missing, the pod may have served.
    fn was_ready(&self) -> bool {
        let of = |kind: &str| self.conditions.iter().find(|c| c.kind == kind);
        let Some(ready) = of("Ready") else { return false };
        let began = of("Initialized").and_then(|initialized| initialized.last_transition_time);
        match (ready.last_transition_time, began) {
            (Some(changed), Some(began)) => changed.as_second() > began.as_second() + TAKEN_ON_WITHIN,
            _ => true,
        }
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

    /// Sidecars may stand before the container that is meant.
    fn image(&self) -> Option<&str> {
        let containers = &self.spec.containers;
        let component = self.metadata.labels.get(COMPONENT_LABEL);
        let meant = containers.iter().find(|container| Some(&container.name) == component);
        meant.or(containers.first())?.image.as_deref()
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
                restarts: 0,
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
                restarts: c.restart_count,
            })
        });
        // A node that is lost cannot say so itself: the control plane takes
        // Ready away while the containers still seem to run.
        let lost = || {
            let not_ready = status.conditions.iter().find(|c| c.kind == "Ready" && c.status != "True")?;
            // A readiness gate that is not open yet: a load balancer, say.
            if !status.is_true("ContainersReady") || not_ready.reason == "ReadinessGatesNotReady" {
                return None;
            }
            let seem_well = !status.container_statuses.is_empty() && status.container_statuses.iter().all(|c| c.ready);
            seem_well.then(|| Trouble {
                reason: NOT_READY_ON_ITS_NODE.to_owned(),
                message: plain(&not_ready.message),
                last_end: None,
                since: not_ready.last_transition_time,
                restarts: 0,
            })
        };
        of_container.or_else(lost)
    }
}
