//! Pods that will not come, told from pods that need time. Pure; says nothing
//! rather than guess.

use std::time::Duration;

use jiff::Timestamp;

use crate::pod::{Pod, Trouble};

/// Why it is hopeless to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The stable identifier.
    pub id: &'static str,
    /// The pod; `None` where there is none, because it cannot be created.
    pub pod: Option<String>,
    /// Kubernetes' own words.
    pub words: String,
}

/// An event about a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `FailedScheduling`, `NotTriggerScaleUp`, `FailedMount`.
    pub reason: String,
    /// The explanation.
    pub message: String,
}

/// How long a pod may be unschedulable before no node autoscaler is expected
/// any more: the cluster autoscaler looks every 10 s, Karpenter at once, and
/// both say so in an event.
const NO_AUTOSCALER: Duration = Duration::from_secs(90);

/// How long a state that can mend itself must last: an image that is pulled
/// again, a Secret that comes a moment after its pod.
const LASTING: Duration = Duration::from_secs(20);

/// Restarts after which a crash is no accident: Milvus waits for its
/// dependencies by ending and being started again.
const CRASHES: u32 = 3;

/// Kills for memory after which more memory is what it takes.
const KILLS: u32 = 2;

/// Whether more has to be read before a judgement: events tell what the pod
/// itself does not.
#[must_use]
pub fn needs_events(pod: &Pod, now: Timestamp) -> bool {
    match &pod.trouble {
        Some(trouble) if trouble.reason == "Unschedulable" => true,
        Some(trouble) if matches!(trouble.reason.as_str(), "ContainerCreating" | "PodInitializing") => {
            lasted(trouble.since.or_else(|| pod.created.parse().ok()), now) >= LASTING
        }
        _ => false,
    }
}

/// Judges one pod. `first_seen` is when this run saw the trouble first; events
/// are those of this pod, empty where they were not read.
#[must_use]
pub fn judge(pod: &Pod, events: &[Event], first_seen: Timestamp, now: Timestamp) -> Option<Stuck> {
    if pod.ready || !pod.is_active() {
        return None;
    }
    let trouble = pod.trouble.as_deref()?;
    let since = trouble.since.unwrap_or(first_seen);
    let words = || words(trouble);
    let (id, words) = match trouble.reason.as_str() {
        "Unschedulable" => ("unschedulable", unschedulable(trouble, events, since, now)?),
        "InvalidImageName" | "ErrImageNeverPull" => ("image-pull", words()),
        "ImagePullBackOff" | "ErrImagePull" if lasted(Some(first_seen), now) >= LASTING => ("image-pull", words()),
        "CrashLoopBackOff" | "OOMKilled" | "Error" if killed_for_memory(trouble) && pod.restarts >= KILLS => {
            ("oom-killed", words())
        }
        "CrashLoopBackOff" if pod.restarts >= CRASHES => ("crash-loop", words()),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            if lasted(Some(first_seen), now) >= LASTING =>
        {
            ("container-config", words())
        }
        "ContainerCreating" | "PodInitializing" => ("volume", volume(events)?),
        "NotReadyOnItsNode" if lasted(Some(since), now) >= LASTING => {
            let node = pod.node.as_deref().unwrap_or("unknown");
            ("node-lost", format!("its node `{node}` does not answer; {}", words()))
        }
        _ => return None,
    };
    Some(Stuck { id, pod: Some(pod.name.clone()), words })
}

/// A ReplicaSet that may not create pods: a quota, or an admission plugin that
/// says no. Anything else in those words can pass.
#[must_use]
pub fn cannot_create(words: &str) -> Option<Stuck> {
    let id = if words.contains("exceeded quota") || words.contains("failed quota") {
        "quota"
    } else if words.contains("admission webhook")
        || words.contains("is forbidden")
        || words.contains("denied the request")
    {
        "admission-denied"
    } else {
        return None;
    };
    Some(Stuck { id, pod: None, words: words.to_owned() })
}

/// Certain once a node autoscaler has said that it will not help, or after a
/// while without a word from any.
fn unschedulable(trouble: &Trouble, events: &[Event], since: Timestamp, now: Timestamp) -> Option<String> {
    let said = |reason: &str| events.iter().find(|event| event.reason == reason);
    let helping = said("TriggeredScaleUp").or_else(|| said("Nominated"));
    match said("NotTriggerScaleUp") {
        Some(declined) if helping.is_none() => Some(format!("{}; {}", trouble.message, declined.message)),
        None if helping.is_none() && lasted(Some(since), now) >= NO_AUTOSCALER => Some(trouble.message.clone()),
        _ => None,
    }
}

fn volume(events: &[Event]) -> Option<String> {
    let failed = events.iter().find(|event| matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume"));
    failed.map(|event| event.message.clone())
}

fn killed_for_memory(trouble: &Trouble) -> bool {
    trouble.reason == "OOMKilled" || trouble.last_end.as_deref() == Some("OOMKilled")
}

fn words(trouble: &Trouble) -> String {
    match (trouble.message.is_empty(), &trouble.last_end) {
        (false, _) => format!("{}: {}", trouble.reason, trouble.message),
        (true, Some(end)) => format!("{}: it ended last with {end}", trouble.reason),
        (true, None) => trouble.reason.clone(),
    }
}

fn lasted(since: Option<Timestamp>, now: Timestamp) -> Duration {
    let seconds = since.map_or(0, |since| now.as_second().saturating_sub(since.as_second()));
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn pod(reason: &str, restarts: u32, last_end: &str, since_seconds: i64) -> Pod {
        Pod {
            name: "p".into(),
            restarts,
            node: Some("node-1".into()),
            trouble: Some(Box::new(Trouble {
                reason: reason.into(),
                message: "its words".into(),
                last_end: Some(last_end.to_owned()).filter(|end| !end.is_empty()),
                since: Some(ago(since_seconds)),
            })),
            ..Pod::default()
        }
    }

    fn ago(seconds: i64) -> Timestamp {
        let now: Timestamp = NOW.parse().unwrap();
        Timestamp::from_second(now.as_second() - seconds).unwrap()
    }

    fn id(pod: &Pod, events: &[(&str, &str)], seen: i64) -> Option<&'static str> {
        let events: Vec<Event> = events
            .iter()
            .map(|(reason, message)| Event { reason: (*reason).into(), message: (*message).into() })
            .collect();
        judge(pod, &events, ago(seen), NOW.parse().unwrap()).map(|stuck| stuck.id)
    }

    #[test]
    fn an_unschedulable_pod_is_stuck_when_no_autoscaler_will_help() {
        let waiting = |since| pod("Unschedulable", 0, "", since);
        assert_eq!(id(&waiting(5), &[], 5), None);
        assert_eq!(id(&waiting(89), &[], 89), None);
        assert_eq!(id(&waiting(90), &[], 1), Some("unschedulable"));
        assert_eq!(id(&waiting(5), &[("NotTriggerScaleUp", "max node group size reached")], 5), Some("unschedulable"));
        assert_eq!(id(&waiting(300), &[("TriggeredScaleUp", "1->2")], 300), None);
        assert_eq!(id(&waiting(300), &[("NotTriggerScaleUp", "x"), ("TriggeredScaleUp", "1->2")], 300), None);
    }

    #[test]
    fn a_state_that_can_mend_itself_must_last() {
        for (reason, expected) in [
            ("ImagePullBackOff", "image-pull"),
            ("ErrImagePull", "image-pull"),
            ("CreateContainerConfigError", "container-config"),
        ] {
            assert_eq!(id(&pod(reason, 0, "", 100), &[], 19), None, "{reason}");
            assert_eq!(id(&pod(reason, 0, "", 100), &[], 20), Some(expected), "{reason}");
        }
        assert_eq!(id(&pod("InvalidImageName", 0, "", 0), &[], 0), Some("image-pull"));
    }

    #[test]
    fn a_crash_is_no_accident_the_third_time_and_a_kill_the_second() {
        assert_eq!(id(&pod("CrashLoopBackOff", 2, "Error", 0), &[], 0), None);
        assert_eq!(id(&pod("CrashLoopBackOff", 3, "Error", 0), &[], 0), Some("crash-loop"));
        assert_eq!(id(&pod("CrashLoopBackOff", 1, "OOMKilled", 0), &[], 0), None);
        assert_eq!(id(&pod("CrashLoopBackOff", 2, "OOMKilled", 0), &[], 0), Some("oom-killed"));
    }

    #[test]
    fn a_container_that_is_being_created_is_stuck_only_with_a_failed_volume() {
        let creating = pod("ContainerCreating", 0, "", 60);
        assert_eq!(id(&creating, &[], 60), None);
        assert_eq!(id(&creating, &[("FailedMount", "secret not found")], 60), Some("volume"));
        assert!(needs_events(&creating, NOW.parse().unwrap()));
        assert!(!needs_events(&pod("ContainerCreating", 0, "", 5), NOW.parse().unwrap()));
    }

    #[test]
    fn a_pod_that_is_ready_gone_or_merely_starting_is_not_stuck() {
        assert_eq!(id(&Pod { ready: true, ..pod("CrashLoopBackOff", 9, "", 900) }, &[], 900), None);
        assert_eq!(id(&Pod { terminating: true, ..pod("CrashLoopBackOff", 9, "", 900) }, &[], 900), None);
        assert_eq!(id(&Pod::default(), &[], 900), None);
        assert_eq!(id(&pod("SomethingNew", 0, "", 900), &[], 900), None);
    }

    #[test]
    fn a_lost_node_is_named() {
        let lost = judge(&pod("NotReadyOnItsNode", 0, "", 30), &[], ago(30), NOW.parse().unwrap()).unwrap();
        assert_eq!(lost.id, "node-lost");
        assert!(lost.words.contains("node-1"), "{}", lost.words);
    }

    #[test]
    fn a_replica_set_that_cannot_create_pods_says_why() {
        let id = |words: &str| cannot_create(words).map(|stuck| stuck.id);
        assert_eq!(id("pods \"x\" is forbidden: exceeded quota: q, requested: pods=1"), Some("quota"));
        assert_eq!(id("admission webhook \"w\" denied the request: no"), Some("admission-denied"));
        assert_eq!(id("pods \"x\" is forbidden: violates PodSecurity"), Some("admission-denied"));
        assert_eq!(id("Internal error occurred"), None);
    }
}
