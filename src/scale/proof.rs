//! The proof of a step: where the chart is, whether it holds, and if not, why.

use super::Run;
use crate::chart::{self, ChartSource};
use crate::component::ComponentRef;
use crate::decide::Step;
use crate::error::Failure;
use crate::manifest;
use crate::objection::{self, Origin};
use crate::observe::Observed;
use crate::order::Order;
use crate::prove::{self, Proof};
use crate::reading::Reading;
use crate::refusal::Refusal;
use crate::request::Extent;
use crate::rights::Right;

impl Run<'_> {
    /// Finds the installed chart and proves the upgrade with it: the first
    /// place whose render holds is where the chart is, for the rest of the run.
    pub(super) fn proven(
        &mut self,
        observed: &Observed,
        order: &Order,
        history: Option<u64>,
        also_needed: &[Right],
    ) -> Result<(ChartSource, Proof, Origin), Failure> {
        let release = &observed.release;
        self.ui.begin("proving that nothing else changes");
        let places = match &self.source {
            Some(source) => vec![source.clone()],
            None => chart::find(self.exec, &self.request.chart, &release.chart)
                .map_err(|failure| self.or_interrupted(failure))?,
        };
        let origin = if self.settled { Origin::CameBack } else { Origin::of(&self.request.chart, places.len()) };
        let best = prove::with_each(self.exec, self.target, observed, order, places, history, also_needed)
            .map_err(|failure| self.or_interrupted(failure))?;
        self.ui.end();
        let Some((source, proof)) = best else {
            return Err(Failure::new("chart-not-found", format!("no place has the chart `{}`", release.chart)));
        };
        if self.source.is_none() && self.request.extent != Extent::Planned {
            self.ui.note(&format!(
                "release `{}` in namespace `{}`: revision {}, chart {} ({source})",
                release.name, self.target.namespace, release.revision, release.chart
            ));
        }
        if proof.against_release.is_empty() {
            self.source = Some(source.clone());
        }
        Ok((source, proof, origin))
    }

    /// Refuses a step on a component whose count an autoscaler moves, unless it
    /// only grows and the count is one that it leaves alone.
    pub(super) fn autoscaled(&self, proof: &Proof, step: &Step, observed: &Observed) -> Result<(), Failure> {
        let autoscalers = match &proof.autoscalers {
            Reading::Known(autoscalers) => autoscalers,
            Reading::Absent => return Ok(()),
            Reading::Forbidden(denied) => {
                self.ui.note(&format!(
                    "you may not {} `{}`: whether an autoscaler owns the count is not known",
                    denied.verb, denied.resource
                ));
                return Ok(());
            }
            Reading::Unclear(reason) => {
                self.ui.note(&format!("whether an autoscaler owns the count is not known: {reason}"));
                return Ok(());
            }
        };
        let released = manifest::objects(&observed.manifest).unwrap_or_default();
        for (component, from, to) in self.wanted(step) {
            let mine = |name: &str| observed.declared.iter().any(|d| d.component == component && d.name == name);
            for autoscaler in autoscalers.iter().filter(|autoscaler| mine(&autoscaler.deployment)) {
                let Some(conflict) = autoscaler.conflict(from, to) else { continue };
                let of_chart =
                    released.keys().any(|id| id.kind == "HorizontalPodAutoscaler" && id.name == autoscaler.name);
                let autoscaler = Box::new(autoscaler.clone());
                let refusal = Refusal::Autoscaled { component, autoscaler, of_chart, conflict, to };
                return Err(self.refused(&refusal, observed));
            }
        }
        Ok(())
    }

    /// The counts of the step, and those that the goal comes to in the end: what
    /// a later step could not do is refused before the first.
    fn wanted(&self, step: &Step) -> Vec<(ComponentRef, u32, u32)> {
        let aims = self.goal.iter().flat_map(|goal| &goal.0).filter(|aim| aim.from != aim.to);
        let now = |component| step.changes.iter().find(|change| change.component == component);
        let aims = aims.map(|aim| (aim.component, now(aim.component).map_or(aim.from.0, |c| c.from.0), aim.to.0));
        let steps = step.changes.iter().map(|change| (change.component, change.from.0, change.to.0));
        steps.chain(aims).collect()
    }

    /// Why the proof does not hold, with the list of what else would change.
    pub(super) fn objection(
        &self,
        observed: &Observed,
        order: &Order,
        source: &ChartSource,
        proof: &Proof,
        origin: Origin,
    ) -> Failure {
        let mut origin = origin;
        if !proof.against_release.is_empty() {
            let upgrade = order.upgrade(&observed.release, source, None);
            match prove::unstable(self.exec, self.target, &upgrade) {
                Ok(differences) if !differences.is_empty() => origin = Origin::Unstable,
                Ok(_) => {}
                Err(failure) => return failure,
            }
        }
        objection::refusal(proof, origin, &self.at(observed), &self.consent())
    }
}
