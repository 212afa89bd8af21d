//! The way down: how pods leave, and the gate between two steps.

use std::time::{Duration, Instant};

use super::Run;
use crate::decide::{self, Step};
use crate::error::Failure;
use crate::gate::{Gate, Opened, Sources};
use crate::handover::{self, Departure};
use crate::kubectl;
use crate::observe::{Observed, read_pods};
use crate::pod::Pod;
use crate::report::Outcome;
use crate::rights::Right;
use crate::verdict::Expected;

/// How long a step may take by itself: the chart's probes need 90 s, an image
/// of some gigabytes a few minutes.
const USUAL_TIMEOUT: Duration = Duration::from_secs(600);

impl Run<'_> {
    /// How long a step may take in which pods are given this much time.
    pub(super) fn step_timeout(&self, grace: Duration) -> Duration {
        self.request.timeout.unwrap_or(USUAL_TIMEOUT + grace)
    }

    /// How the pods of a step leave.
    ///
    /// # Errors
    /// Wrong usage where a leaving pod is given longer than the step may take.
    pub(super) fn departure(&self, step: &Step, observed: &Observed) -> Result<Departure, Failure> {
        let departure = Departure::of(step, observed, self.request.grace);
        match self.request.timeout {
            Some(timeout) if !departure.leaving.is_empty() && timeout < departure.grace => {
                let said = |duration: Duration| humantime::format_duration(duration).to_string();
                Err(Failure::usage(format!(
                    "`--timeout {}` is shorter than the {} that a leaving pod is given",
                    said(timeout),
                    said(departure.grace)
                ))
                .hint("leave `--timeout` out, or give the pods less with `--grace`"))
            }
            _ => Ok(departure),
        }
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

    /// Whether a step takes pods away that serve, or did: then the gate is asked.
    pub(super) fn takes_ready_pods(step: &Step, observed: &Observed) -> bool {
        step.changes.iter().filter(|change| change.to < change.from && change.to.0 > 0).any(|change| {
            observed.declared.iter().filter(|d| d.component == change.component).any(|declared| {
                let mine = |pod: &&Pod| {
                    pod.deployment.as_ref() == Some(&declared.name) && pod.is_active() && pod.may_hold_something()
                };
                observed.pods.items.iter().filter(mine).count() > usize::try_from(change.to.0).unwrap_or(usize::MAX)
            })
        })
    }

    /// Waits at the gate before the first step down; from then on it is known
    /// what well means.
    pub(super) fn before_the_first(&mut self, step: &Step, observed: &Observed) -> Result<(), Failure> {
        if self.request.gate == Sources::None {
            self.report.gate = Some("none".to_owned());
            return Ok(());
        }
        let mut gate = self.new_gate(observed);
        self.enough_for_replicas(&gate, observed)?;
        let expected = decide::as_it_is(step, observed);
        let settle = humantime::format_duration(self.request.settle);
        self.ui.note(&format!("before the first step down: the service has to be available for {settle}"));
        let opened = self.at_the_gate(&mut gate, &expected, self.step_timeout(Duration::ZERO));
        self.say_who_is_asked(&gate);
        let opened = match opened {
            Opened::Shut(why) => Err(Failure::new(
                "unhealthy-before",
                format!("{} is not well, and nothing is taken away from it", self.place()),
            )
            .because(why)
            .hint("see what is wrong with `kubectl get pods`; `--gate pods` or `--gate none` asks for less")),
            Opened::Interrupted(signal) => Err(self.interrupted(signal, &[])),
            // Nothing has been done: it is decided anew, with another gate.
            Opened::Moved(moved) => {
                self.report.gate = None;
                return self.begin_anew(format!("Deployment `{}` was set to {} meanwhile", moved.deployment, moved.to));
            }
            Opened::Open => Ok(()),
        };
        self.gate = Some(gate);
        opened
    }

    fn new_gate(&self, observed: &Observed) -> Gate {
        let running = decide::running(observed);
        Gate::new(self.exec, self.target, self.signals, observed, &running, self.request.gate, self.request.settle)
    }

    fn say_who_is_asked(&mut self, gate: &Gate) {
        let Some(name) = gate.name() else { return };
        for why in gate.passed_over() {
            self.ui.note(&format!("  not asked: {why}"));
        }
        self.ui.note(&format!("  the gate asks: {name}"));
        self.report.gate = Some(name.to_owned());
    }

    /// Waits at the gate after a step down.
    pub(super) fn after_a_step(&mut self, expected: &[Expected], observed: &Observed) -> Result<(), Failure> {
        if self.request.gate == Sources::None {
            return Ok(());
        }
        let known = self.gate.take();
        let is_new = known.is_none();
        let mut gate = known.unwrap_or_else(|| self.new_gate(observed));
        let opened = self.at_the_gate(&mut gate, expected, self.step_timeout(Duration::ZERO));
        if is_new {
            self.say_who_is_asked(&gate);
        }
        self.gate = Some(gate);
        match opened {
            Opened::Open => Ok(()),
            Opened::Interrupted(signal) => Err(self.interrupted(signal, &[])),
            Opened::Moved(moved) => Err(self.overtaken(&moved)),
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

    fn at_the_gate(&mut self, gate: &mut Gate, expected: &[Expected], timeout: Duration) -> Opened {
        self.ui.begin("is the service available?");
        let ui = self.ui;
        let opened = gate.wait(expected, Instant::now() + timeout, |why| ui.status(&format!("waiting: {why}")));
        self.ui.end();
        opened
    }

    /// Fewer query nodes than a loaded collection has replicas: searches would
    /// come back empty, and stay so after going back (milvus-io/milvus 16705).
    fn enough_for_replicas(&self, gate: &Gate, observed: &Observed) -> Result<(), Failure> {
        let Some(query_nodes) = self.report.components.iter().find(|c| c.component == "queryNode" && c.to < c.from)
        else {
            return Ok(());
        };
        let labels: Vec<&str> = decide::running(observed).iter().map(|component| component.label).collect();
        let selector = kubectl::pods_of(&observed.release.name, &labels);
        let Ok(pods) = read_pods(self.exec, self.target, &selector) else { return Ok(()) };
        let Some(replicas) = gate.loaded_replicas(&pods.items) else { return Ok(()) };
        let nodes = query_nodes.to.saturating_mul(u32::try_from(query_nodes.groups).unwrap_or(u32::MAX));
        let in_group = if query_nodes.groups > 1 { replicas.in_one_group } else { 0 };
        if nodes >= replicas.in_all && query_nodes.to >= in_group {
            return Ok(());
        }
        Err(Failure::new(
            "below-loaded-replicas",
            format!(
                "`queryNode` of {} cannot go to {}: a loaded collection has {} replicas, and each needs a query node of its own",
                self.place(),
                query_nodes.to,
                replicas.in_all
            ),
        )
        .hint("load the collection with fewer replicas first, or keep as many query nodes"))
    }
}
