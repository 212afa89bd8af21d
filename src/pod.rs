//! Pods as the API server reports them, cut down to the fields that a verdict
//! needs: of 8 KB of JSON a pod keeps some 300 bytes, so that thousands can be
//! followed.

mod json;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

/// A pod as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "json::Pod")]
#[expect(clippy::struct_excessive_bools, reason = "each is a condition of its own in Kubernetes")]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its identity: a name can come again, a UID cannot.
    pub uid: String,
    /// The value of its bare label `component`.
    pub component: String,
    /// The Deployment it belongs to, by its ReplicaSet's name.
    pub deployment: Option<String>,
    /// The StatefulSet it belongs to.
    pub stateful_set: Option<String>,
    /// The image of the container that is called like the component, else of
    /// the first. Free of control characters.
    pub image: Option<String>,
    /// What `kubectl get pods` shows as READY.
    pub containers: Containers,
    /// Whether its condition Ready is true.
    pub ready: bool,
    /// Whether it was Ready before and is not now: it may hold data, unlike a
    /// pod that never was.
    pub was_ready: bool,
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
    /// What has to be done before it can be gone, as who does it names it. Free
    /// of control characters.
    pub finalizers: Vec<String>,
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
    /// How often that container was restarted.
    pub restarts: u32,
}

/// The [`Trouble::reason`] of a pod whose containers seem well and which is not
/// Ready: a node that is lost cannot say so itself.
pub const NOT_READY_ON_ITS_NODE: &str = "NotReadyOnItsNode";

impl Pod {
    /// Whether it serves, or has served: then it may hold something.
    #[must_use]
    pub fn may_hold_something(&self) -> bool {
        self.ready || self.was_ready
    }

    /// Whether it counts towards the replicas of its Deployment.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.terminating && !self.ended
    }

    /// Whether it is on its way out and something of it still runs. One that
    /// has ended holds nothing any more, however long its object stays: a
    /// kubelet says so before it lets go of a pod that others hold by a
    /// finalizer.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.terminating && !self.ended
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
    fn a_pod_that_was_ready_is_told_from_one_that_never_was() {
        let at = |initialized: &str, ready: &str| {
            let conditions = format!(
                r#"[{{"type":"Initialized","status":"True","lastTransitionTime":"2026-01-01T00:{initialized}Z"}},
                    {{"type":"Ready","status":"False","lastTransitionTime":"2026-01-01T00:{ready}Z"}}]"#
            );
            pod(&format!(r#"{{"phase":"Running","conditions":{conditions}}}"#), "").may_hold_something()
        };
        assert!(!at("00:10", "00:10") && !at("00:10", "00:09") && !at("01:00", "00:10"));
        assert!(at("00:10", "05:00"));
        assert!(!pod(r#"{"phase":"Pending"}"#, "").may_hold_something());
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
