//! What to do next, from what is wanted and what was seen. Pure: every round
//! begins here, and nothing but the goal outlives a round, so that a second run
//! after an interrupted one decides the same.

mod goal;

use std::collections::BTreeMap;
use std::fmt;

pub use self::goal::{Consent, goal, known};
use crate::component::{ComponentRef, Role};
use crate::handover;
use crate::manifest;
use crate::observe::Observed;
use crate::pod::Pod;
use crate::refusal::Refusal;
use crate::release::Status;
use crate::verdict::Expected;
use crate::workload::Writer;

/// A count as the chart means it: for each resource group, where the chart
/// makes a Deployment for each, else for the only Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PerGroup(pub u32);

impl fmt::Display for PerGroup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One `COMPONENT=COUNT` of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The component as it was typed.
    pub spelling: String,
    /// The component it means, if any.
    pub component: Option<ComponentRef>,
    /// The count.
    pub count: Count,
}

/// A count as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `3`
    Exactly(u32),
    /// `+2`
    More(u32),
    /// `-1`
    Fewer(u32),
}

/// What is wanted, in absolute counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal(pub Vec<Aim>);

/// One component's part of the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aim {
    /// The component.
    pub component: ComponentRef,
    /// The live count when the run began.
    pub from: PerGroup,
    /// The wanted count.
    pub to: PerGroup,
    /// How many Deployments bear that count.
    pub groups: usize,
}

/// How fast a component shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// So many pods of each group in one step; at least 1.
    Pods(u32),
    /// All at once.
    All,
}

/// What a round decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Release and Deployments are as wanted; what is left is to see that the
    /// pods are.
    Follow(Vec<Expected>),
    /// One change, with every later one that is foreseen.
    Step {
        /// The change.
        step: Step,
        /// How many steps are left, this one included.
        left: usize,
        /// What is to be seen after it.
        expected: Vec<Expected>,
        /// The components of which no pod may be going any more before it is
        /// made.
        after: Vec<Expected>,
    },
}

/// One upgrade: counts that change together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Never empty.
    pub changes: Vec<CountChange>,
}

/// One component's count in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountChange {
    /// The component.
    pub component: ComponentRef,
    /// The live count before; of unequal groups the largest.
    pub from: PerGroup,
    /// The count to set.
    pub to: PerGroup,
}

impl fmt::Display for CountChange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { component, from, to } = self;
        if from == to {
            // Only the release does not know the count yet.
            write!(out, "{} recorded at {to}", component.key)
        } else {
            write!(out, "{} {from} to {to}", component.key)
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes
            .iter()
            .enumerate()
            .try_for_each(|(i, change)| write!(out, "{}{change}", if i == 0 { "" } else { ", " }))
    }
}

/// One component as release and cluster have it.
struct Standing {
    component: ComponentRef,
    groups: Vec<Group>,
}

struct Group {
    deployment: String,
    declared: Option<u32>,
    live: Option<u32>,
    /// Pods that were never Ready, and those that there should be and are not: a
    /// quota or an admission keeps them from being created.
    empty: u32,
}

impl Standing {
    fn of(component: ComponentRef, observed: &Observed) -> Self {
        let declared = observed.declared.iter().filter(|d| d.component == component);
        let groups = declared
            .map(|d| {
                let live = observed.deployments.iter().find(|live| live.name == d.name).map(|live| live.wanted);
                let holds = |pod: &&Pod| {
                    pod.deployment.as_ref() == Some(&d.name) && pod.is_active() && pod.may_hold_something()
                };
                let holding = u32::try_from(observed.pods.items.iter().filter(holds).count()).unwrap_or(u32::MAX);
                Group {
                    deployment: d.name.clone(),
                    declared: d.replicas,
                    live,
                    empty: live.unwrap_or(0).saturating_sub(holding),
                }
            })
            .collect();
        Self { component, groups }
    }

    fn live(&self) -> impl Iterator<Item = u32> {
        self.groups.iter().filter_map(|group| group.live)
    }

    fn largest(&self) -> u32 {
        self.live().max().unwrap_or(0)
    }

    /// What stands in the way of any count at all.
    fn scalable(&self) -> Result<(), Refusal> {
        if self.groups.is_empty() {
            return Err(Refusal::NotRunning { component: self.component });
        }
        if let Some(gone) = self.groups.iter().find(|group| group.live.is_none()) {
            return Err(Refusal::DeploymentGone { component: self.component, deployment: gone.deployment.clone() });
        }
        if self.groups.iter().any(|group| group.declared.is_none()) {
            return Err(Refusal::LeftToAutoscaler { component: self.component });
        }
        Ok(())
    }

    /// Whether release and cluster agree on one count for every group.
    fn agreed(&self) -> Option<u32> {
        let count = self.largest();
        let same = self.groups.iter().all(|g| g.live == Some(count) && g.declared == Some(count));
        same.then_some(count)
    }

    /// The counts to set one after the other on the way to `to`.
    fn path(&self, to: u32, pace: Pace) -> Result<Vec<u32>, Refusal> {
        if self.agreed() == Some(to) {
            return Ok(Vec::new());
        }
        let mut now = self.largest();
        let mut path = Vec::new();
        // Pods that were never Ready hold nothing: as many as every group has go
        // in the first step, without ceremony.
        let empty = self.groups.iter().map(|group| group.empty).min().unwrap_or(0);
        if now > to && empty > 1 {
            now = now.saturating_sub(empty).max(to);
            path.push(now);
        }
        while now > to {
            now = match pace {
                Pace::Pods(pods) => now.saturating_sub(pods.max(1)).max(to),
                Pace::All => to,
            };
            path.push(now);
        }
        match path.first() {
            None => Ok(vec![to]),
            // A step that makes one group smaller must not make another larger.
            Some(first) if self.live().any(|live| live < *first) => {
                Err(Refusal::UnequalGroups { component: self.component, live: self.live().collect() })
            }
            Some(_) => Ok(path),
        }
    }

    fn expected(&self, count: impl Fn(u32) -> u32) -> Expected {
        let deployments = self.groups.iter().map(|g| (g.deployment.clone(), count(g.live.unwrap_or(0)))).collect();
        Expected { component: self.component, deployments }
    }
}

/// The components that a release runs, in the order of its manifest.
#[must_use]
pub fn running(observed: &Observed) -> Vec<ComponentRef> {
    let mut runs: Vec<ComponentRef> = Vec::new();
    for declared in &observed.declared {
        if !runs.contains(&declared.component) {
            runs.push(declared.component);
        }
    }
    runs
}

/// Whether the release can be upgraded: no operation is under way, and none
/// failed with more than counts.
///
/// # Errors
/// `release-pending`, `release-failed`.
pub fn at_rest(observed: &Observed) -> Result<(), Refusal> {
    match &observed.release.status {
        Status::Deployed => Ok(()),
        // It goes on from the last deployed one with the live counts.
        Status::Failed if observed.failed.is_empty() => Ok(()),
        Status::Failed => {
            let lost = observed.failed.iter().map(ToString::to_string).collect();
            Err(Refusal::ReleaseFailed { revision: observed.release.revision, lost })
        }
        Status::Pending(status) | Status::Other(status) => {
            Err(Refusal::ReleasePending { revision: observed.release.revision, status: status.clone() })
        }
    }
}

/// Decides one round. Everything that grows goes first and together; then
/// what shrinks, one component after the other in the order of the goal.
pub fn next(goal: &Goal, observed: &Observed, pace: Pace) -> Result<Decision, Refusal> {
    at_rest(observed)?;
    let standings: Vec<(&Aim, Standing)> =
        goal.0.iter().map(|aim| (aim, Standing::of(aim.component, observed))).collect();
    let mut grow = Vec::new();
    let mut shrink = Vec::new();
    for (aim, standing) in &standings {
        standing.scalable()?;
        let mut from = PerGroup(standing.largest());
        let path = standing.path(aim.to.0, pace)?;
        for to in path.into_iter().map(PerGroup) {
            let change = CountChange { component: aim.component, from, to };
            if to < from {
                shrink.push(change);
            } else {
                grow.push(change);
            }
            from = to;
        }
    }
    let steps = usize::from(!grow.is_empty()) + shrink.len();
    let growing = !grow.is_empty();
    let mut waits = false;
    let step = match (growing, shrink.into_iter().next()) {
        (true, _) => Step { changes: grow },
        (false, Some(change)) => {
            let going = |pod: &Pod| pod.component == change.component.label && pod.is_leaving();
            // A hand-over that was interrupted is finished, not waited for.
            waits = observed.pods.items.iter().any(going) && !handover::is_half_done(change.component, observed);
            Step { changes: vec![change] }
        }
        (false, None) => {
            return Ok(Decision::Follow(standings.iter().map(|(_, s)| s.expected(|live| live)).collect()));
        }
    };
    let expected = standings
        .iter()
        .map(|(aim, standing)| {
            let set = step.changes.iter().find(|change| change.component == aim.component);
            standing.expected(|live| set.map_or(live, |change| change.to.0))
        })
        .collect();
    let after = if waits { as_it_is(&step, observed) } else { Vec::new() };
    Ok(Decision::Step { step, left: steps, expected, after })
}

/// What is to be seen of a step's components while nothing has been done.
#[must_use]
pub fn as_it_is(step: &Step, observed: &Observed) -> Vec<Expected> {
    step.changes.iter().map(|change| Standing::of(change.component, observed).expected(|live| live)).collect()
}

/// Another component's count that an upgrade would take back to the release's:
/// it is passed along, and so recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The component.
    pub component: ComponentRef,
    /// The live count.
    pub count: u32,
    /// The release's count.
    pub declared: u32,
    /// Who set the live count, if the API server remembers.
    pub by: Option<Writer>,
}

/// The counts of all other components that differ from the release.
///
/// # Errors
/// `drift` where a count cannot be passed along: 0, or groups that differ.
pub fn kept(step: &Step, observed: &Observed) -> Result<Vec<Kept>, Refusal> {
    let mut kept = Vec::new();
    for component in running(observed) {
        let changes = step.changes.iter().any(|change| change.component == component);
        let standing = Standing::of(component, observed);
        // Without a declared count there is nothing that an upgrade could take
        // back; where the chart writes a literal, no value could keep it, and
        // the proof names it.
        let Some(declared) = standing.groups.iter().find_map(|group| group.declared) else { continue };
        let counted = match component.role {
            Role::Worker => true,
            // Before chart 4.0.4 the value is there and never read.
            Role::Coordinator => observed.release.chart.is_at_least(4, 0, 4),
            Role::Fixed | Role::Other { .. } => component.key == "cdc",
        };
        let live: Vec<u32> = standing.live().collect();
        if changes || !counted || live.iter().all(|count| *count == declared) {
            continue;
        }
        let count = standing.largest();
        if count == 0 || live.iter().any(|other| *other != count) {
            return Err(Refusal::OtherDrift { component, live, declared });
        }
        let by = observed
            .deployments
            .iter()
            .filter(|live| standing.groups.iter().any(|group| group.deployment == live.name))
            .find_map(|live| live.counted_by.clone());
        kept.push(Kept { component, count, declared, by });
    }
    Ok(kept)
}

/// Whether an autoscaler is in the way of one of these counts: one that only
/// grows leaves some alone. Unread, they hinder nothing.
///
/// # Errors
/// `autoscaled`, `outside-bounds`.
pub fn autoscaled(changes: &[CountChange], observed: &Observed) -> Result<(), Refusal> {
    for CountChange { component, from, to } in changes {
        let mine = |name: &str| observed.declared.iter().any(|d| d.component == *component && d.name == name);
        for autoscaler in observed.seen_autoscalers().iter().filter(|autoscaler| mine(&autoscaler.deployment)) {
            let Some(conflict) = autoscaler.conflict(from.0, to.0) else { continue };
            let released = manifest::objects(&observed.manifest).unwrap_or_default();
            let of_chart = released.keys().any(|id| id.kind == "HorizontalPodAutoscaler" && id.name == autoscaler.name);
            let autoscaler = Box::new(autoscaler.clone());
            return Err(Refusal::Autoscaled { component, autoscaler, of_chart, conflict, to: to.0 });
        }
    }
    Ok(())
}

/// The components of the goal that are stopped: an upgrade at unchanged counts
/// has to say so, since a 0 is not passed along unasked.
#[must_use]
pub fn stopped(goal: &Goal, observed: &Observed) -> Vec<CountChange> {
    let zero = PerGroup(0);
    let stopped = goal.0.iter().filter(|aim| Standing::of(aim.component, observed).largest() == 0);
    stopped.map(|aim| CountChange { component: aim.component, from: zero, to: zero }).collect()
}

/// The Deployments whose count an upgrade of this step may set, and to what.
#[must_use]
pub fn permitted(step: &Step, kept: &[Kept], observed: &Observed) -> BTreeMap<String, u32> {
    let set = step.changes.iter().map(|change| (change.component, change.to.0));
    let counts: Vec<_> = set.chain(kept.iter().map(|kept| (kept.component, kept.count))).collect();
    let count_of = |component| counts.iter().find(|(other, _)| *other == component).map(|(_, count)| *count);
    observed.declared.iter().filter_map(|d| Some((d.name.clone(), count_of(d.component)?))).collect()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
pub(crate) mod tests;
