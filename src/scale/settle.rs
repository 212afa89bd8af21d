//! `--allow-other-changes`: what the proof objects to is made first, as one
//! upgrade of its own at unchanged counts, and waited for.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::Run;
use crate::apply::Proven;
use crate::chart::ChartSource;
use crate::decide::{self, Step};
use crate::error::Failure;
use crate::handover::Departure;
use crate::helm;
use crate::kubectl;
use crate::manifest::{Change, Difference, ObjectId, Objects};
use crate::objection::{self, Origin};
use crate::observe::{Observed, read_workloads};
use crate::order::Order;
use crate::prove::{self, Proof};
use crate::request::Extent;
use crate::rights;
use crate::workload::Deployment as Workload;

/// How often the workloads that restart are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Makes exactly the changes that `proof` listed; for a plan, says how.
    pub(super) fn settle(
        &mut self,
        observed: &Observed,
        released: &Objects,
        source: &ChartSource,
        proof: &Proof,
    ) -> Result<(), Failure> {
        let unchanged = self.goal.as_ref().map_or_else(Vec::new, |goal| decide::stopped(goal, observed));
        let order = Order::of(&Step { changes: unchanged }, observed, released)
            .map_err(|refusal| self.refused(&refusal, observed))?
            .of_other_changes();
        let history = self.history_max();
        let upgrade = order.upgrade(&observed.release, source, history);
        // What is new in each render would come back in the next one.
        if !proof.against_release.is_empty() && !prove::unstable(self.exec, self.target, &upgrade)?.is_empty() {
            let (consent, again) = (self.consent(), self.command_but_the_chart());
            return Err(objection::refusal(proof, Origin::Unstable, &self.at(observed), &consent, &again));
        }
        let own = prove::prove(self.exec, self.target, observed, &upgrade, &order.permitted, &[])?;
        if let Some(what) = own.moved {
            return self.begin_anew(what);
        }
        rights::check(self.exec, self.target, &own.needs())?;
        let listed = proof.others();
        if let Some(new) = own.others().iter().find(|other| !is_listed(&listed, other)) {
            return Err(Failure::new("side-effects", "what else would change is not what it was a moment ago")
                .because(new.to_string())
                .hint(format!("look again: `{} --dry-run`", self.command(|c| c.to))));
        }
        self.report.steps_total += 1;
        self.report.settling(helm::upgrade(self.target, &upgrade).0.to_string());
        if self.request.extent == Extent::Planned {
            return Ok(());
        }
        self.not_interrupted()?;
        let position = self.report.steps.len();
        self.ui.note(&format!("[{position}/{}] other changes, at unchanged counts", self.report.steps_total));
        for other in &listed {
            self.ui.note(&format!("  {other}"));
        }
        for note in order.notes().into_iter().chain(self.report.cautions.clone()) {
            self.note_once(note);
        }
        self.ui.begin("helm upgrade: other changes");
        let accepted: Vec<ObjectId> =
            listed.iter().map(|other| ObjectId { namespace: None, ..other.object.clone() }).collect();
        let nobody = Departure::default();
        let proven =
            Proven { upgrade, proof: &own, permitted: &order.permitted, accepted: &accepted, departure: &nobody };
        let Some(revision) = self.apply(observed, &proven)? else { return Ok(()) };
        // The counts are as the step before left them.
        let counts = self.left_behind.take().map_or_else(Vec::new, |(_, counts)| counts);
        self.left_behind = Some((revision, counts));
        self.settled.extend(listed);
        self.wait_until_well(&own)?;
        if let Some(step) = self.report.steps.last_mut() {
            step.verified = true;
        }
        Ok(())
    }

    /// Waits until every workload that the other changes touched has what it
    /// wants. What was not well before and is not theirs is no reason to wait:
    /// it may be why someone scales.
    fn wait_until_well(&mut self, proof: &Proof) -> Result<(), Failure> {
        let deadline = self.limit(Duration::ZERO).deadline;
        let (sender, signals) = channel();
        self.signals.forward(sender, |signal| signal);
        self.ui.begin("waiting until what restarted is well");
        let mut shown = String::new();
        loop {
            let unwell = self.unwell(proof)?;
            if unwell.is_empty() {
                self.ui.end();
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Failure::new("timed-out", "what the other changes restarted is not well in time")
                    .because(unwell.join(", "))
                    .hint(format!("when it is: `{}`", self.command(|c| c.to))));
            }
            let waiting = format!("  waiting for {}", unwell.join(", "));
            if waiting != shown {
                self.ui.note(&waiting);
                shown = waiting;
            }
            match signals.recv_timeout(LOOK) {
                Ok(signal) => return Err(self.interrupted(signal, &[])),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn unwell(&self, proof: &Proof) -> Result<Vec<String>, Failure> {
        let all = kubectl::everything();
        let mut unwell = Vec::new();
        for (kind, list) in [
            ("Deployment", read_workloads(self.exec, self.target, &kubectl::list_deployments, &all)?),
            ("StatefulSet", read_workloads(self.exec, self.target, &kubectl::list_stateful_sets, &all)?),
        ] {
            let touched = |workload: &Workload| {
                let is = |id: &ObjectId| id.kind == kind && id.name == workload.name;
                let before = proof.generations.iter().find(|(id, _)| is(id)).map(|(_, generation)| *generation);
                let made = proof.others().iter().any(|other| other.change == Change::Created && is(&other.object));
                made || before.is_some_and(|before| before != workload.generation)
            };
            let waiting = list.iter().filter(|workload| touched(workload) && !workload.is_settled());
            unwell.extend(waiting.map(|workload| {
                let new = workload.updated.min(workload.available);
                format!("{kind} `{}` ({new} of {} new pods available)", workload.name, workload.wanted)
            }));
        }
        Ok(unwell)
    }
}

fn is_listed(listed: &[Difference], other: &Difference) -> bool {
    listed.iter().any(|known| known == other)
}
