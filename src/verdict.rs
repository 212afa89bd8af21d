//! Are the pods what they should be? Pure: pods in, verdict out.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::component::ComponentRef;
use crate::pod::Pod;

/// What is to be seen of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The component.
    pub component: ComponentRef,
    /// Its Deployments and the count of pods of each.
    pub deployments: Vec<(String, u32)>,
}

impl Expected {
    /// The count of pods of all its Deployments.
    #[must_use]
    pub fn pods(&self) -> u64 {
        self.deployments.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Whether a pod belongs to one of its Deployments.
    #[must_use]
    pub fn owns(&self, pod: &Pod) -> bool {
        pod.deployment.as_ref().is_some_and(|owner| self.deployments.iter().any(|(name, _)| name == owner))
    }
}

/// Whether a pod belongs to anything that is expected.
#[must_use]
pub fn is_expected(expected: &[Expected], pod: &Pod) -> bool {
    expected.iter().any(|one| one.owns(pod))
}

/// How a pod that is being deleted is shown, whatever else is true of it.
const TERMINATING: &str = "Terminating";

/// What has to be true before the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// As many pods as expected are Ready, there are no others, and none is
    /// leaving.
    Ready,
    /// No pod is leaving.
    Gone,
}

/// What is seen of one component, in pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The component.
    pub component: ComponentRef,
    /// How many pods there should be.
    pub expected: u64,
    /// How many are there and Ready.
    pub ready: u64,
    /// How many are there and not Ready.
    pub unready: u64,
    /// How many are terminating.
    pub terminating: u64,
    /// Whether nothing is left to wait for.
    pub reached: bool,
    /// The pods that are waited for: name and STATUS.
    pub waiting_for: Vec<(String, String)>,
    /// Before this not all of them can be Ready: their probes have not begun.
    pub not_before: Option<Timestamp>,
}

/// Judges one component. Pods that have ended (evicted ones stay listed) count
/// for nothing; each Deployment must have its own count, so that one group's
/// surplus cannot hide another's lack.
pub fn judge<'a>(expected: &Expected, until: Until, pods: impl Iterator<Item = &'a Pod> + Clone) -> Progress {
    let mine = pods.filter(|pod| expected.owns(pod));
    let active = mine.clone().filter(|pod| pod.is_active());
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let ready = active.clone().filter(|pod| pod.ready).count();
    let unready = active.clone().filter(|pod| !pod.ready).count();
    let going = mine.clone().filter(|pod| pod.is_leaving());
    let complete = expected.deployments.iter().all(|(name, wanted)| {
        let own = active.clone().filter(|pod| pod.deployment.as_ref() == Some(name));
        count(own.clone().count()) == u64::from(*wanted) && own.clone().all(|pod| pod.ready)
    });
    let reached = going.clone().next().is_none() && (until == Until::Gone || complete);
    let leaving = going.clone().map(|pod| (pod.name.clone(), TERMINATING.to_owned()));
    let coming =
        active.filter(|pod| until == Until::Ready && !pod.ready).map(|pod| (pod.name.clone(), pod.status.clone()));
    let mut waiting_for: Vec<_> = leaving.chain(coming).collect();
    waiting_for.sort();
    let not_before = mine.clone().filter(|pod| pod.is_active()).filter_map(|pod| pod.not_ready_before).max();
    Progress {
        not_before,
        component: expected.component,
        expected: expected.pods(),
        ready: count(ready),
        unready: count(unready),
        terminating: count(going.count()),
        reached,
        waiting_for,
    }
}

/// Such as `queryNode: 1 of 4 ready, 1 Pending, 2 starting, 1 terminating`.
impl std::fmt::Display for Progress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {} of {} ready", self.component.key, self.ready, self.expected)?;
        let mut unready: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, status) in self.waiting_for.iter().filter(|(_, status)| status != TERMINATING) {
            *unready.entry(if status == "Running" { "starting" } else { status }).or_default() += 1;
        }
        for (status, count) in unready {
            write!(out, ", {count} {status}")?;
        }
        if self.terminating > 0 {
            write!(out, ", {} terminating", self.terminating)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component;
    use crate::pod::Containers;

    fn pod(name: &str, deployment: &str, marks: &str) -> Pod {
        Pod {
            name: name.into(),
            uid: name.into(),
            component: "querynode".into(),
            deployment: Some(deployment.into()),
            containers: Containers { ready: 1, total: 1 },
            ready: marks.contains('r'),
            terminating: marks.contains('t'),
            ended: marks.contains('e'),
            status: "Running".into(),
            ..Pod::default()
        }
    }

    fn expected(deployments: &[(&str, u32)]) -> Expected {
        Expected {
            component: component::find("qn").unwrap(),
            deployments: deployments.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect(),
        }
    }

    fn check(want: &[(&str, u32)], pods: &[Pod], shown: &str, reached: bool) {
        let progress = judge(&expected(want), Until::Ready, pods.iter());
        assert_eq!((progress.to_string().as_str(), progress.reached), (shown, reached));
    }

    #[test]
    fn as_many_ready_as_wanted_and_no_other_is_reached() {
        check(&[("d", 2)], &[pod("a", "d", "r"), pod("b", "d", "r")], "queryNode: 2 of 2 ready", true);
        check(&[("d", 0)], &[], "queryNode: 0 of 0 ready", true);
    }

    #[test]
    fn too_few_too_many_unready_and_terminating_are_not() {
        check(&[("d", 2)], &[pod("a", "d", "r")], "queryNode: 1 of 2 ready", false);
        check(&[("d", 1)], &[pod("a", "d", "r"), pod("b", "d", "r")], "queryNode: 2 of 1 ready", false);
        check(&[("d", 1)], &[pod("a", "d", "")], "queryNode: 0 of 1 ready, 1 starting", false);
        check(&[("d", 1)], &[pod("a", "d", "r"), pod("b", "d", "rt")], "queryNode: 1 of 1 ready, 1 terminating", false);
        check(&[("d", 1)], &[pod("a", "d", "r"), pod("b", "d", "")], "queryNode: 1 of 1 ready, 1 starting", false);
    }

    #[test]
    fn evicted_pods_and_pods_of_others_count_for_nothing() {
        check(
            &[("d", 1)],
            &[pod("a", "d", "r"), pod("b", "d", "e"), pod("c", "x", "")],
            "queryNode: 1 of 1 ready",
            true,
        );
        // Others hold the object of one that has ended.
        check(&[("d", 1)], &[pod("a", "d", "r"), pod("b", "d", "te")], "queryNode: 1 of 1 ready", true);
    }

    #[test]
    fn one_groups_surplus_does_not_hide_anothers_lack() {
        let pods = [pod("a", "d1", "r"), pod("b", "d1", "r"), pod("c", "d1", "r"), pod("e", "d2", "r")];
        check(&[("d1", 2), ("d2", 2)], &pods, "queryNode: 4 of 4 ready", false);
    }

    #[test]
    fn waiting_for_the_gone_looks_at_terminating_pods_only() {
        let gone = |marks: &str| judge(&expected(&[("d", 2)]), Until::Gone, [pod("a", "d", marks)].iter()).reached;
        assert!(gone(""));
        assert!(!gone("t"));
        assert!(!gone("rt"));
        assert!(gone("te"));
    }
}
