//! The proof of a step: where the chart is, whether it holds, and if not, why.

use super::Run;
use crate::chart::ChartSource;
use crate::component::ComponentRef;
use crate::decide::{self, CountChange, Step};
use crate::error::Failure;
use crate::manifest::Difference;
use crate::objection::{self, Origin};
use crate::observe::Observed;
use crate::order::Order;
use crate::prove::{self, Proof};
use crate::reading::Reading;
use crate::request::Extent;
use crate::rights::Right;

impl Run<'_> {
    /// Finds the installed chart and proves the upgrade with it: the first
    /// place whose render holds is where the chart is, for the rest of the run.
    /// Where none does, it is the place that has the templates of the release.
    pub(super) fn proven(
        &mut self,
        observed: &Observed,
        order: &Order,
        history: Option<u64>,
        also_needed: &[Right],
    ) -> Result<(ChartSource, Proof), Failure> {
        let release = &observed.release;
        self.ui.begin("proving that nothing else changes");
        let places = match &self.source {
            Some(source) => vec![source.clone()],
            None => self.places.clone(),
        };
        let (source, proof) = prove::with_each(self.exec, self.target, observed, order, places, history, also_needed)
            .map_err(|failure| self.or_interrupted(failure))?;
        self.ui.end();
        if self.source.is_none() && self.request.extent != Extent::Planned {
            self.ui.note(&format!(
                "release `{}` in namespace `{}`: revision {}, chart {} ({source})",
                release.name, self.target.namespace, release.revision, release.chart
            ));
        }
        if proof.against_release.is_empty() {
            self.source = Some(source.clone());
        }
        Ok((source, proof))
    }

    /// Refuses a step on a component whose count an autoscaler moves, unless it
    /// only grows and the count is one that it leaves alone.
    pub(super) fn autoscaled(&self, step: &Step, observed: &Observed) -> Result<(), Failure> {
        let unknown = "whether an autoscaler owns the count is not known";
        match &observed.autoscalers {
            Reading::Known(_) => {}
            Reading::Absent => self.ui.note(&format!("the API server has no `autoscaling/v2`: {unknown}")),
            Reading::Forbidden(denied) => {
                self.ui.note(&format!("you may not {} `{}`: {unknown}", denied.verb, denied.resource));
            }
            Reading::Unclear(reason) => self.ui.note(&format!("{unknown}: {reason}")),
        }
        decide::autoscaled(&self.wanted(step), observed).map_err(|refusal| self.refused(&refusal, observed))
    }

    /// Says whose count is as wanted only for the moment.
    pub(super) fn note_autoscalers(&mut self, observed: &Observed, components: &[ComponentRef]) {
        for declared in observed.declared.iter().filter(|declared| components.contains(&declared.component)) {
            let mut autoscalers = observed.seen_autoscalers().iter();
            if let Some(autoscaler) = autoscalers.find(|autoscaler| autoscaler.deployment == declared.name) {
                self.note_once(format!("the count of `{}` is as wanted, and {autoscaler}", declared.component.key));
            }
        }
    }

    /// The counts of the step, and those that the goal comes to in the end: what
    /// a later step could not do is refused before the first.
    fn wanted(&self, step: &Step) -> Vec<CountChange> {
        let now = |component| step.changes.iter().find(|change| change.component == component);
        let aims = self.goal.iter().flat_map(|goal| &goal.0).filter(|aim| aim.from != aim.to).map(|aim| CountChange {
            component: aim.component,
            from: now(aim.component).map_or(aim.from, |change| change.from),
            to: aim.to,
        });
        step.changes.iter().copied().chain(aims).collect()
    }

    /// Why the proof does not hold, with the list of what else would change.
    pub(super) fn objection(
        &mut self,
        observed: &Observed,
        order: &Order,
        source: &ChartSource,
        proof: &Proof,
    ) -> Result<Failure, Failure> {
        let origin = if proof.others().iter().any(|other| self.came_back(other)) {
            Origin::CameBack
        } else if proof.against_release.is_empty() {
            Origin::TheChart
        } else {
            let upgrade = order.upgrade(&observed.release, source, None);
            prove::origin(self.exec, self.target, &observed.release, &upgrade, self.request.chart.is_said())?
        };
        Ok(objection::refusal(proof, origin, &self.at(observed), &self.consent(), &self.command_but_the_chart()))
    }

    /// Whether a difference is one that was already made with consent.
    pub(super) fn came_back(&self, other: &Difference) -> bool {
        self.settled.iter().any(|made| prove::same_place(made, other))
    }
}
