//! The way down: how pods leave, and the gate between two steps.

use std::time::{Duration, Instant};

use super::Run;
use crate::component::{self, ComponentRef};
use crate::decide::{self, Aim, Goal, PerGroup, Step};
use crate::error::Failure;
use crate::gate::{Gate, Opened, Sources};
use crate::handover::{self, Departure};
use crate::milvus;
use crate::observe::Observed;
use crate::pod::Pod;
use crate::reading::Reading;
use crate::report::{ComponentReport, Outcome};
use crate::rights::Right;
use crate::verdict::{Expected, is_expected};

/// How long a step may take by itself: the chart's probes need 90 s, an image
/// of some gigabytes a few minutes.
const USUAL_TIMEOUT: Duration = Duration::from_secs(600);

/// Until when a step has to be done, its gate included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// The moment.
    pub(super) deadline: Instant,
    /// How long that was when the step began.
    pub(super) timeout: Duration,
}

/// How long a step may take in which pods are given `grace`, and after which a
/// gate has to be open for `settle`; what was said counts for all of it.
fn step_timeout(said: Option<Duration>, grace: Duration, settle: Duration) -> Duration {
    said.unwrap_or(USUAL_TIMEOUT + grace + settle)
}

/// The longest time that a pod that is going already was given.
pub(super) fn longest_grace(observed: &Observed) -> Duration {
    observed.pods.items.iter().filter_map(|pod| pod.deletion).map(|deletion| deletion.grace).max().unwrap_or_default()
}

/// Whether a step takes pods away that serve, or did: then the gate is asked.
pub(super) fn takes_ready_pods(step: &Step, observed: &Observed) -> bool {
    step.changes
        .iter()
        .filter(|change| change.to < change.from && change.to.0 > 0)
        .any(|change| has_more_than(change.component, change.to, observed))
}

/// Whether a Deployment of the component has more pods than this that may hold
/// something.
fn has_more_than(component: ComponentRef, count: PerGroup, observed: &Observed) -> bool {
    observed.declared.iter().filter(|declared| declared.component == component).any(|declared| {
        let mine =
            |pod: &&Pod| pod.deployment.as_ref() == Some(&declared.name) && pod.is_active() && pod.may_hold_something();
        observed.pods.items.iter().filter(mine).count() > usize::try_from(count.0).unwrap_or(usize::MAX)
    })
}

impl Run<'_> {
    /// From now on.
    pub(super) fn limit(&self, grace: Duration) -> Limit {
        let timeout = step_timeout(self.request.timeout, grace, self.request.settle);
        Limit { deadline: Instant::now() + timeout, timeout }
    }

    /// Wrong usage that shows only when it is known what shrinks: a step that
    /// may take less time than a leaving pod is given, or than the gate needs.
    pub(super) fn time_enough(&self, goal: &Goal, observed: &Observed) -> Result<(), Failure> {
        let Some(timeout) = self.request.timeout else { return Ok(()) };
        let said = |duration: Duration| humantime::format_duration(duration).to_string();
        let shrinks = |aim: &&Aim| aim.to < aim.from && aim.to.0 > 0 && has_more_than(aim.component, aim.to, observed);
        for aim in goal.0.iter().filter(shrinks) {
            if let Some(grace) = self.request.grace.of(aim.component, Duration::ZERO).filter(|grace| timeout < *grace) {
                return Err(Failure::usage(format!(
                    "`--timeout {}` is shorter than the {} that a leaving pod is given",
                    said(timeout),
                    said(grace)
                ))
                .hint("leave `--timeout` out, or give the pods less with `--grace`"));
            }
            if self.request.gate != Sources::None && timeout <= self.request.settle {
                return Err(Failure::usage(format!(
                    "within `--timeout {}` the service cannot be available for {}",
                    said(timeout),
                    said(self.request.settle)
                ))
                .hint("leave `--timeout` out, or ask for less with `--settle`"));
            }
        }
        Ok(())
    }

    /// Whether the pods of a step may leave now. Where something has to be
    /// waited for, that is done here, and another round is to look again.
    pub(super) fn may_leave(
        &mut self,
        step: &Step,
        departure: &Departure,
        observed: &Observed,
    ) -> Result<bool, Failure> {
        // A hand-over that was interrupted is finished at once: once its pod has
        // gone, nothing tells the replacement from the others.
        if departure.finishes_another() {
            return Ok(true);
        }
        if self.gate.is_none() && self.report.gate.is_none() {
            self.before_the_first(step, observed)?;
            return Ok(false);
        }
        let Some(unready) = departure.unready.first() else { return Ok(true) };
        // It was well when the gate opened, or there is no gate.
        let Some(mut gate) = self.gate.take() else { return Err(self.unready(&unready.name)) };
        let expected = decide::as_it_is(step, observed);
        let opened = self.at_the_gate(&mut gate, &expected, self.limit(Duration::ZERO));
        self.gate = Some(gate);
        match opened {
            Opened::Open => Ok(false),
            Opened::Interrupted(signal) => Err(self.interrupted(signal, &[])),
            Opened::Shut(why) => Err(self.unready(&unready.name).because(why)),
        }
    }

    fn unready(&self, pod: &str) -> Failure {
        Failure::new(
            "unhealthy-before",
            format!("pod `{pod}` is not Ready and would stay, in {}: nothing is taken away beside it", self.place()),
        )
        .hint(format!("kubectl describe pod {pod}{}", self.target.hints().kubectl()))
    }

    /// The rights that a hand-over needs besides the upgrade's.
    pub(super) fn rights_of(departure: &Departure) -> Vec<Right> {
        if departure.leaving.is_empty() {
            return Vec::new();
        }
        ["delete", "patch"].map(|verb| Right { verb, group: String::new(), resource: "pods".to_owned() }).to_vec()
    }

    /// Says which pods leave, and how.
    pub(super) fn say_departure(&mut self, departure: &Departure) {
        if let Some(step) = self.report.steps.last_mut() {
            step.handed_over = departure.leaving.iter().map(|pod| pod.name.clone()).collect();
        }
        for pod in &departure.leaving {
            let grace = humantime::format_duration(departure.grace);
            self.ui.note(&format!("  pod `{}` leaves, and has up to {grace} to hand over", pod.name));
        }
        if !departure.replacements.is_empty() {
            self.ui.note("  a hand-over that was interrupted is finished");
        }
    }

    /// Says which pods left although others were to.
    pub(super) fn say_who_left(&self, before: &[Pod], after: &[Pod], departure: &Departure) {
        for name in handover::left_instead(before, after, &departure.leaving) {
            self.ui.note(&format!("  pod `{name}` left as well, or instead"));
        }
    }

    /// Says which pods have ended and are still listed, since others hold them.
    pub(super) fn say_who_is_held(&mut self, expected: &[Expected], pods: &[Pod]) {
        let held =
            |pod: &&Pod| pod.terminating && pod.ended && !pod.finalizers.is_empty() && is_expected(expected, pod);
        for pod in pods.iter().filter(held) {
            let by = crate::observe::backticked(&pod.finalizers);
            self.note_once(format!(
                "pod `{}` has ended, and stays listed until who set its finalizers lets go: {by}",
                pod.name
            ));
        }
    }

    /// Waits at the gate before the first step down; from then on it is known
    /// what well means.
    pub(super) fn before_the_first(&mut self, step: &Step, observed: &Observed) -> Result<(), Failure> {
        if self.request.gate == Sources::None {
            self.report.gate = Some("none".to_owned());
            self.say_needs_unknown();
            return Ok(());
        }
        let mut gate = self.new_gate(observed);
        let expected = decide::as_it_is(step, observed);
        let settle = humantime::format_duration(self.request.settle);
        self.ui.note(&format!("before the first step down: the service has to be available for {settle}"));
        let opened = self.at_the_gate(&mut gate, &expected, self.limit(Duration::ZERO));
        self.say_who_is_asked(&gate);
        let opened = match opened {
            Opened::Shut(why) => {
                let look = format!("see what is wrong: `kubectl get pods{}`", self.target.hints().kubectl());
                // Pods that are not well are asked about in any case.
                let less = if gate.is_shut_by_milvus() { "; `--gate pods` asks for less" } else { "" };
                Err(Failure::new(
                    "unhealthy-before",
                    format!("{} is not well, and nothing is taken away from it", self.place()),
                )
                .because(why)
                .hint(look + less))
            }
            Opened::Interrupted(signal) => Err(self.interrupted(signal, &[])),
            Opened::Open => Ok(()),
        };
        self.gate = Some(gate);
        opened
    }

    fn new_gate(&self, observed: &Observed) -> Gate {
        let running = decide::running(observed);
        Gate::new(self.exec, self.target, self.signals, observed, &running, self.request.gate, self.request.settle)
    }

    fn say_needs_unknown(&mut self) {
        if let Some(why) = self.needs_unknown.take() {
            self.ui.note(&format!("  how many query nodes the loaded collections need: {why}"));
        }
    }

    fn say_who_is_asked(&mut self, gate: &Gate) {
        let Some(name) = gate.name() else { return };
        // Who is asked about collections is asked about their replicas too.
        let said = gate.passed_over().iter().any(|why| why.starts_with(milvus::OF_COLLECTIONS));
        if said {
            self.needs_unknown = None;
        }
        self.say_needs_unknown();
        for why in gate.passed_over() {
            self.ui.note(&format!("  not asked: {why}"));
        }
        self.ui.note(&format!("  the gate asks: {name}"));
        self.report.gate = Some(name.to_owned());
    }

    /// Waits at the gate after a step down.
    pub(super) fn after_a_step(
        &mut self,
        expected: &[Expected],
        observed: &Observed,
        limit: Limit,
    ) -> Result<(), Failure> {
        if self.request.gate == Sources::None {
            return Ok(());
        }
        let known = self.gate.take();
        let is_new = known.is_none();
        let mut gate = known.unwrap_or_else(|| self.new_gate(observed));
        let opened = self.at_the_gate(&mut gate, expected, limit);
        if is_new {
            self.say_who_is_asked(&gate);
        }
        self.gate = Some(gate);
        match opened {
            Opened::Open => Ok(()),
            Opened::Interrupted(signal) => Err(self.interrupted(signal, &[])),
            Opened::Shut(why) => {
                self.report.outcome = Outcome::GateShut;
                let done = self.report.steps.iter().filter(|step| step.revision.is_some()).count();
                Err(Failure::new(
                    "gate-shut",
                    format!(
                        "the service did not become available again after step {done} of {}, in {}",
                        self.report.steps_total,
                        self.place()
                    ),
                )
                .because(why)
                .hint(self.ways()))
            }
        }
    }

    fn at_the_gate(&mut self, gate: &mut Gate, expected: &[Expected], limit: Limit) -> Opened {
        self.ui.begin("is the service available?");
        let (ui, firm) = (self.ui, self.request.timeout.is_some());
        let opened = gate.wait(expected, limit.deadline, firm, |why| ui.status(&format!("waiting: {why}")));
        self.ui.end();
        opened
    }

    /// Fewer query nodes than a loaded collection has replicas, or than Milvus'
    /// resource groups ask for: searches would come back empty, and stay so
    /// after going back (milvus-io/milvus 16705). Asked once, about the goal.
    pub(super) fn enough_for_replicas(&mut self, observed: &Observed) -> Result<(), Failure> {
        let shrinks = |c: &&ComponentReport| c.component == "queryNode" && c.to < c.from && c.to > 0;
        let Some((to, groups)) =
            self.report.components.iter().find(shrinks).map(|c| (c.to, u32::try_from(c.groups).unwrap_or(u32::MAX)))
        else {
            return Ok(());
        };
        // Pods that never served are no loss.
        let query_node = component::find("queryNode");
        let serves = query_node.is_some_and(|component| has_more_than(component, PerGroup(to), observed));
        if self.replicas_asked || !serves {
            return Ok(());
        }
        self.replicas_asked = true;
        if self.request.gate != Sources::Auto {
            self.needs_unknown = Some("not asked".to_owned());
            return Ok(());
        }
        let unknown = match self.new_gate(observed).needed_query_nodes() {
            Reading::Known(needs) => {
                let Some(why) = needs.beyond(to, groups) else { return Ok(()) };
                return Err(Failure::new(
                    "below-loaded-replicas",
                    format!("`queryNode` of {} cannot go to {to}: {why}", self.place()),
                )
                .hint("load the collection with fewer replicas first, or keep as many query nodes"));
            }
            Reading::Absent => return Ok(()),
            Reading::Forbidden(denied) => format!("you may not {} `{}`", denied.verb, denied.resource),
            Reading::Unclear(why) => format!("could not tell ({})", crate::error::plain(&why)),
        };
        self.needs_unknown = Some(unknown);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_take_as_long_as_its_pods_and_its_gate() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        assert_eq!(step_timeout(None, Duration::ZERO, Duration::ZERO), minutes(10));
        assert_eq!(step_timeout(None, minutes(30), minutes(15)), minutes(55));
        assert_eq!(step_timeout(Some(minutes(5)), minutes(30), minutes(15)), minutes(5));
    }
}
