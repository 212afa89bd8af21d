//! Which pods leave in a step down, and how: they are deleted with time to hand
//! over what they hold, and the upgrade that follows at once takes away the
//! replacements that their ReplicaSet begins. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::component::ComponentRef;
use crate::decide::Step;
use crate::observe::Observed;
use crate::pod::Pod;
use crate::workload::Deployment;

/// Milvus' own stop timeout (`common.gracefulStopTimeout` and
/// `dataNode.gracefulStopTimeout`); the chart's pods get 30 s.
const MILVUS_STOP: Duration = Duration::from_secs(1800);

/// How soon after a deletion a ReplicaSet has begun the replacement. A pod that
/// comes later is somebody's wish, and may hold data.
const REPLACED_WITHIN: Duration = Duration::from_secs(5);

/// The time a leaving pod is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// Milvus' stop timeout for the components that hold something, the
    /// chart's for the others.
    Usual,
    /// As long as was said, for every component.
    Given(Duration),
    /// The chart's; Kubernetes chooses which pods leave.
    Chart,
}

impl Grace {
    /// What a pod of this component is given whose own grace is `own`; `None`
    /// leaves pod and grace to Kubernetes. Never less than its own, unless that
    /// was said.
    #[must_use]
    pub fn of(self, component: ComponentRef, own: Duration) -> Option<Duration> {
        match self {
            Self::Given(grace) => Some(grace),
            Self::Usual if matches!(component.key, "queryNode" | "dataNode" | "streamingNode") => {
                Some(MILVUS_STOP.max(own))
            }
            Self::Usual | Self::Chart => None,
        }
    }
}

/// How the pods of a step leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Departure {
    /// The pods to delete first: those that served and do not any more, then
    /// the newest Ready ones.
    pub leaving: Vec<Pod>,
    /// Pods that stay although they are not Ready: nobody may leave them the
    /// work.
    pub unready: Vec<Pod>,
    /// Replacements that an earlier, interrupted hand-over left behind.
    pub replacements: Vec<Pod>,
    /// How long the leaving ones are given.
    pub grace: Duration,
}

impl Departure {
    /// Whether nobody is asked to leave, since somebody was already.
    #[must_use]
    pub fn finishes_another(&self) -> bool {
        self.leaving.is_empty() && !self.replacements.is_empty()
    }

    /// How the pods of this step leave. Pods that were never Ready hold nothing,
    /// and Kubernetes takes them first by itself: they need no ceremony, nor
    /// does a step to zero, after which nobody is left to take over.
    #[must_use]
    pub fn of(step: &Step, observed: &Observed, grace: Grace) -> Self {
        let mut departure = Self::default();
        for change in step.changes.iter().filter(|change| change.to < change.from && change.to.0 > 0) {
            for declared in observed.declared.iter().filter(|d| d.component == change.component) {
                let mine: Vec<&Pod> = of_deployment(&observed.pods.items, &declared.name).collect();
                let active = || mine.iter().copied().filter(|pod| pod.is_active());
                let live = observed.deployments.iter().find(|live| live.name == declared.name);
                // Whatever is to be given this time: what was begun is finished.
                let replacements: Vec<Pod> = replacements(&mine, live).into_iter().cloned().collect();
                let is_replacement = |pod: &Pod| replacements.iter().any(|other| other.uid == pod.uid);
                let without_ceremony = active().filter(|pod| !pod.may_hold_something() || is_replacement(pod)).count();
                let live = live.map_or(0, |live| live.wanted);
                // Pods that could not be created are the first to be given up.
                let there = u32::try_from(active().count()).unwrap_or(u32::MAX);
                let go = usize::try_from(live.min(there).saturating_sub(change.to.0)).unwrap_or(usize::MAX);
                let mut holding: Vec<&Pod> =
                    active().filter(|pod| pod.may_hold_something() && !is_replacement(pod)).collect();
                // What does not serve goes before what does; then the newest.
                holding.sort_by(|a, b| (a.ready, &b.created, &b.name).cmp(&(b.ready, &a.created, &a.name)));
                let staying = holding.split_off(go.saturating_sub(without_ceremony).min(holding.len()));
                let given = holding.iter().filter_map(|pod| grace.of(change.component, pod.grace)).max();
                if let Some(given) = given {
                    departure.grace = departure.grace.max(given);
                    departure.leaving.extend(holding.into_iter().cloned());
                }
                departure.unready.extend(staying.into_iter().filter(|pod| !pod.ready).cloned());
                departure.replacements.extend(replacements);
            }
        }
        departure
    }
}

/// Whether a hand-over of this component's pods was begun and not finished: a
/// pod is going with more than its own grace, and its replacement is there.
#[must_use]
pub fn is_half_done(component: ComponentRef, observed: &Observed) -> bool {
    observed.declared.iter().filter(|declared| declared.component == component).any(|declared| {
        let mine: Vec<&Pod> = of_deployment(&observed.pods.items, &declared.name).collect();
        let live = observed.deployments.iter().find(|live| live.name == declared.name);
        !replacements(&mine, live).is_empty()
    })
}

/// The pods that a ReplicaSet began for pods of a Deployment that were handed
/// over; one for each at most. Where Helm has set the count since, the step was
/// finished, and whoever else left, left in the replacement's place.
fn replacements<'a>(pods: &[&'a Pod], live: Option<&Deployment>) -> Vec<&'a Pod> {
    let mut found: Vec<&Pod> = Vec::new();
    let counted = live.and_then(|live| live.counted_by.as_ref()).filter(|by| by.manager == "helm");
    let counted: Option<Timestamp> = counted.and_then(|by| by.when.as_ref()?.parse().ok());
    let handed = pods
        .iter()
        .filter_map(|pod| pod.deletion.filter(|deletion| deletion.grace > pod.grace))
        .filter(|deletion| counted.is_none_or(|counted| counted <= deletion.asked));
    for deletion in handed {
        let replaces = |pod: &&&Pod| {
            pod.is_active()
                && !found.iter().any(|other| other.uid == pod.uid)
                && pod.created.parse::<Timestamp>().is_ok_and(|created| {
                    let after = created.as_second() - deletion.asked.as_second();
                    // Both are cut to whole seconds.
                    (-1..=i64::try_from(REPLACED_WITHIN.as_secs()).unwrap_or(0)).contains(&after)
                })
        };
        if let Some(pod) = pods.iter().find(replaces) {
            found.push(pod);
        }
    }
    found
}

/// The replacements that are there after a deletion: active pods of the same
/// Deployments that were not there before it.
#[must_use]
pub fn newcomers(before: &Observed, now: &[Pod], leaving: &[Pod]) -> Vec<Pod> {
    let known = |pod: &&Pod| before.pods.items.iter().any(|old| old.uid == pod.uid);
    let same = |pod: &&Pod| leaving.iter().any(|left| left.deployment == pod.deployment);
    now.iter().filter(|pod| pod.is_active()).filter(|pod| !known(pod)).filter(same).cloned().collect()
}

/// Pods that were there before a step and are gone although another was to
/// leave.
#[must_use]
pub fn left_instead(before: &[Pod], after: &[Pod], leaving: &[Pod]) -> Vec<String> {
    let deployments: Vec<_> = leaving.iter().map(|pod| &pod.deployment).collect();
    before
        .iter()
        .filter(|pod| pod.is_active() && pod.ready && deployments.contains(&&pod.deployment))
        .filter(|pod| !leaving.iter().any(|left| left.uid == pod.uid))
        .filter(|pod| !after.iter().any(|now| now.uid == pod.uid && now.is_active()))
        .map(|pod| pod.name.clone())
        .collect()
}

fn of_deployment<'a>(pods: &'a [Pod], deployment: &str) -> impl Iterator<Item = &'a Pod> {
    pods.iter().filter(move |pod| pod.deployment.as_deref() == Some(deployment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::Deletion;

    fn pod(name: &str, created: &str, marks: &str) -> Pod {
        Pod {
            name: name.into(),
            uid: name.into(),
            deployment: Some("d".into()),
            created: format!("2026-01-01T00:{created}Z"),
            ready: marks.contains('r'),
            terminating: marks.contains('t'),
            grace: Duration::from_secs(30),
            deletion: marks.contains('t').then(|| Deletion {
                asked: "2026-01-01T00:30:00Z".parse().unwrap(),
                grace: Duration::from_secs(if marks.contains('l') { 1800 } else { 30 }),
            }),
            ..Pod::default()
        }
    }

    fn half_done(pods: &[Pod]) -> bool {
        !replacements(&pods.iter().collect::<Vec<_>>(), None).is_empty()
    }

    #[test]
    fn a_long_deletion_with_a_replacement_begun_at_once_is_half_done() {
        let going = pod("p", "00:00", "rtl");
        assert!(half_done(&[going.clone(), pod("r", "30:00", "")]));
        assert!(half_done(&[going.clone(), pod("r", "30:05", "r")]));
        assert!(!half_done(&[going.clone(), pod("older", "00:00", "r")]));
        assert!(!half_done(&[going.clone(), pod("later", "30:20", "r")]), "somebody's wish");
        assert!(!half_done(std::slice::from_ref(&going)));
        assert!(!half_done(&[pod("p", "00:00", "rt"), pod("r", "30:00", "")]), "the pod's own grace");
    }

    #[test]
    fn one_replacement_stands_for_one_deletion() {
        let pods = [pod("p", "00:00", "rtl"), pod("a", "30:00", ""), pod("b", "30:01", "")];
        assert_eq!(replacements(&pods.iter().collect::<Vec<_>>(), None).len(), 1);
    }

    #[test]
    fn a_pod_that_left_instead_is_named() {
        let before = [pod("a", "00:00", "r"), pod("b", "00:00", "r"), pod("c", "00:00", "")];
        let after = [pod("b", "00:00", "rt")];
        assert_eq!(left_instead(&before, &after, &[pod("b", "00:00", "r")]), ["a"]);
        assert!(left_instead(&before, &before[..1], &[pod("b", "00:00", "r")]).is_empty());
    }
}
