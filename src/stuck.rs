//! Pods that will not come, told from pods that need time. Pure; says nothing
//! rather than guess.

use std::time::Duration;

use jiff::Timestamp;

use crate::pod::{NOT_READY_ON_ITS_NODE, Pod, Trouble};

/// Why it is hopeless to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The stable identifier.
    pub id: &'static str,
    /// The pod; `None` where there is none, because it cannot be created.
    pub pod: Option<String>,
    /// Whether that pod is leaving, and does not get away.
    pub leaving: bool,
    /// Kubernetes' own words.
    pub words: String,
}

/// An event about a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// How often it was seen.
    pub count: u32,
    /// When it was seen last, where that is recorded.
    pub last_seen: Option<Timestamp>,
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

/// How often a mount has to fail, how long ago at most the last time, before it
/// is more than a volume that takes its time: the kubelet tries again after
/// two minutes at most.
const MOUNTS: u32 = 2;
const RECENT: Duration = Duration::from_secs(180);

/// How long after its grace a leaving pod may still be there: its kubelet kills
/// it at the end of the grace, and reports that within seconds.
const OVERDUE: Duration = Duration::from_secs(60);

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

/// What this run has seen of a pod in trouble.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// When it saw the trouble first.
    pub first: Timestamp,
    /// The container's restarts when it saw the pod first.
    pub restarts: u32,
    /// Whether a pod of the same component is still leaving: it may hold the
    /// room that this one waits for.
    pub room_to_come: bool,
}

/// Judges one pod. The events are those of this pod, empty where they were not
/// read.
#[must_use]
pub fn judge(pod: &Pod, events: &[Event], seen: Seen, now: Timestamp) -> Option<Stuck> {
    if pod.ready || !pod.is_active() {
        return None;
    }
    let trouble = pod.trouble.as_deref()?;
    let first_seen = seen.first;
    // A pod that served counts its whole life; what matters is what it does now.
    let restarts = if pod.was_ready { trouble.restarts.saturating_sub(seen.restarts) } else { trouble.restarts };
    let since = trouble.since.unwrap_or(first_seen);
    let words = || words(trouble);
    let (id, words) = match trouble.reason.as_str() {
        "Unschedulable" if seen.room_to_come => return None,
        "Unschedulable" => ("unschedulable", unschedulable(trouble, events, since, now)?),
        "InvalidImageName" | "ErrImageNeverPull" => ("image-pull", words()),
        "ImagePullBackOff" | "ErrImagePull" if lasted(Some(first_seen), now) >= LASTING => ("image-pull", words()),
        "CrashLoopBackOff" | "OOMKilled" | "Error" if killed_for_memory(trouble) && restarts >= KILLS => {
            ("oom-killed", words())
        }
        "CrashLoopBackOff" if restarts >= CRASHES => ("crash-loop", words()),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            if lasted(Some(first_seen), now) >= LASTING =>
        {
            ("container-config", words())
        }
        "ContainerCreating" | "PodInitializing" => ("volume", volume(events, now)?),
        NOT_READY_ON_ITS_NODE if lasted(Some(since), now) >= LASTING => {
            let node = pod.node.as_deref().unwrap_or("unknown");
            ("node-lost", format!("its node `{node}` does not answer; {}", words()))
        }
        _ => return None,
    };
    Some(Stuck { id, pod: Some(pod.name.clone()), leaving: false, words })
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
    Some(Stuck { id, pod: None, leaving: false, words: words.to_owned() })
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

/// A mount that fails again and again, now: one that failed once and then
/// worked is followed by an image that is pulled, which takes long as well.
fn volume(events: &[Event], now: Timestamp) -> Option<String> {
    let went_on = |event: &Event| matches!(event.reason.as_str(), "Pulling" | "Pulled" | "Created" | "Started");
    if events.iter().any(went_on) {
        return None;
    }
    let failed = events.iter().find(|event| {
        matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume")
            && event.count >= MOUNTS
            && lasted(event.last_seen, now) < RECENT
    });
    failed.map(|event| event.message.clone())
}

/// A pod that is still leaving long after its time: nobody can say when it will
/// be gone.
#[must_use]
pub fn stays(pod: &Pod, now: Timestamp) -> Option<Stuck> {
    let deletion = pod.deletion.filter(|_| pod.is_leaving())?;
    if lasted(Some(deletion.asked), now) < deletion.grace + OVERDUE {
        return None;
    }
    let lost = pod.trouble.as_deref().filter(|trouble| trouble.reason == NOT_READY_ON_ITS_NODE);
    let (id, why) = match lost {
        Some(trouble) => {
            let node = pod.node.as_deref().unwrap_or("unknown");
            ("node-lost", format!("its node `{node}` does not answer; {}", words(trouble)))
        }
        None if !pod.finalizers.is_empty() => {
            ("undetermined", format!("it has finalizers: {}", pod.finalizers.join(", ")))
        }
        None => ("undetermined", "Kubernetes gives no reason".to_owned()),
    };
    let words = format!("it should have been gone {} after it was deleted; {why}", shown(deletion.grace));
    Some(Stuck { id, pod: Some(pod.name.clone()), leaving: true, words })
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
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
    use crate::pod::Deletion;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn pod(reason: &str, restarts: u32, last_end: &str, since_seconds: i64) -> Pod {
        Pod {
            name: "p".into(),
            node: Some("node-1".into()),
            trouble: Some(Box::new(Trouble {
                reason: reason.into(),
                message: "its words".into(),
                last_end: Some(last_end.to_owned()).filter(|end| !end.is_empty()),
                restarts,
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
            .map(|(reason, message)| Event {
                reason: (*reason).into(),
                message: (*message).into(),
                count: 2,
                last_seen: Some(ago(10)),
            })
            .collect();
        judge(pod, &events, since(seen), NOW.parse().unwrap()).map(|stuck| stuck.id)
    }

    fn since(seconds: i64) -> Seen {
        Seen { first: ago(seconds), restarts: 0, room_to_come: false }
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
        assert_eq!(id(&creating, &[("FailedMount", "it came later"), ("Pulling", "an image of gigabytes")], 60), None);
        let now = NOW.parse().unwrap();
        let failed = |count, last| Event {
            reason: "FailedMount".into(),
            message: "m".into(),
            count,
            last_seen: Some(ago(last)),
        };
        assert_eq!(judge(&creating, &[failed(1, 5)], since(60), now), None, "once");
        assert_eq!(judge(&creating, &[failed(9, 200)], since(60), now), None, "long ago");
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
    fn a_pod_that_served_is_judged_by_what_it_does_now() {
        let served = Pod { was_ready: true, ..pod("CrashLoopBackOff", 5, "Error", 0) };
        let now = NOW.parse().unwrap();
        let seen = |restarts| Seen { first: ago(60), restarts, room_to_come: false };
        assert_eq!(judge(&served, &[], seen(4), now), None);
        assert_eq!(judge(&served, &[], seen(2), now).unwrap().id, "crash-loop");
    }

    #[test]
    fn room_that_a_leaving_pod_makes_is_waited_for() {
        let seen = Seen { first: ago(600), restarts: 0, room_to_come: true };
        assert_eq!(judge(&pod("Unschedulable", 0, "", 600), &[], seen, NOW.parse().unwrap()), None);
    }

    #[test]
    fn a_pod_that_should_be_gone_is_told() {
        let leaving = |asked, finalizers: &[&str]| Pod {
            name: "p".into(),
            terminating: true,
            deletion: Some(Deletion { asked: ago(asked), grace: Duration::from_secs(1800) }),
            finalizers: finalizers.iter().map(|one| (*one).to_owned()).collect(),
            ..Pod::default()
        };
        let now = NOW.parse().unwrap();
        assert_eq!(stays(&leaving(1859, &[]), now), None);
        assert_eq!(stays(&leaving(1860, &[]), now).unwrap().id, "undetermined");
        let held = stays(&leaving(2000, &["x/y"]), now).unwrap();
        assert_eq!(held.words, "it should have been gone 30m after it was deleted; it has finalizers: x/y");
        let lost = Pod { trouble: pod(NOT_READY_ON_ITS_NODE, 0, "", 30).trouble, ..leaving(2000, &[]) };
        assert_eq!(stays(&lost, now).unwrap().id, "node-lost");
        let ended = Pod { ended: true, ..leaving(2000, &["x/y"]) };
        assert_eq!(stays(&ended, now), None);
    }

    #[test]
    fn a_lost_node_is_named() {
        let lost = judge(&pod(NOT_READY_ON_ITS_NODE, 0, "", 30), &[], since(30), NOW.parse().unwrap()).unwrap();
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
