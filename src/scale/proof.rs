//! The proof of a step: where the chart is, whether it holds, and if not, why.

use super::Run;
use crate::autoscaler;
use crate::chart::{self, ChartSource};
use crate::component::ComponentRef;
use crate::decide::{self, Step};
use crate::error::Failure;
use crate::kubectl;
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
        let mut found: Option<(ChartSource, Proof)> = None;
        let mut others: Vec<(ChartSource, Proof)> = Vec::new();
        let mut failed: Option<Failure> = None;
        for source in places {
            let upgrade = order.upgrade(release, &source, history);
            match prove::prove(self.exec, self.target, observed, &upgrade, &order.permitted, also_needed) {
                Ok(proof) if proof.against_release.is_empty() => {
                    found = Some((source, proof));
                    break;
                }
                Ok(proof) => others.push((source, proof)),
                // These would come back at every place.
                Err(failure)
                    if self.signals.first().is_some()
                        || matches!(failure.id, Some("forbidden" | "unreachable" | "release-pending")) =>
                {
                    return Err(self.or_interrupted(failure));
                }
                // One place that is out of reach does not speak for the others.
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        self.ui.end();
        if found.is_none() && others.len() > 1 {
            let installed = others.iter().position(|(source, _)| {
                let upgrade = order.upgrade(release, source, history);
                chart::is_the_installed(self.exec, self.target, release, &upgrade) == Some(true)
            });
            found = installed.map(|at| others.swap_remove(at));
        }
        let Some((source, proof)) = found.or_else(|| others.into_iter().next()) else {
            let nowhere = || Failure::new("chart-not-found", format!("no place has the chart `{}`", release.chart));
            return Err(failed.unwrap_or_else(nowhere));
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
        Ok((source, proof))
    }

    /// Refuses a step on a component whose count an autoscaler moves.
    pub(super) fn autoscaled(&self, proof: &Proof, step: &Step, observed: &Observed) -> Result<(), Failure> {
        let autoscalers = match &proof.autoscalers {
            Reading::Known(autoscalers) => autoscalers,
            Reading::Absent => {
                self.ui
                    .note("the API server has no `autoscaling/v2`: whether an autoscaler owns the count is not known");
                return Ok(());
            }
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
        decide::autoscaled(step, observed, autoscalers).map_err(|refusal| self.refused(&refusal, observed))
    }

    /// Says whose count is as wanted only for the moment.
    pub(super) fn note_autoscalers(&mut self, observed: &Observed, components: &[ComponentRef]) {
        let Ok(autoscalers) = self.exec.read(&kubectl::list_autoscalers(self.target), autoscaler::read_list) else {
            return;
        };
        for declared in observed.declared.iter().filter(|declared| components.contains(&declared.component)) {
            if let Some(autoscaler) = autoscalers.iter().find(|autoscaler| autoscaler.deployment == declared.name) {
                self.note_once(format!("the count of `{}` is as wanted, and {autoscaler}", declared.component.key));
            }
        }
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
            let stable = prove::unstable(self.exec, self.target, &upgrade)?.is_empty();
            let installed = || chart::is_the_installed(self.exec, self.target, &observed.release, &upgrade);
            match stable.then(installed) {
                None => Origin::Unstable,
                Some(Some(false)) => Origin::AnotherChart,
                Some(None) if self.request.chart.is_said() => Origin::AnotherChart,
                Some(Some(true) | None) => Origin::TheChart,
            }
        };
        let command = match origin {
            Origin::AnotherChart => self.command_but_the_chart(),
            Origin::Unstable | Origin::TheChart | Origin::CameBack => self.command(|c| c.to),
        };
        Ok(objection::refusal(proof, origin, &self.at(observed), &command))
    }

    /// Whether a difference is one that was already made with consent.
    pub(super) fn came_back(&self, other: &Difference) -> bool {
        self.settled.iter().any(|made| prove::same_place(made, other))
    }
}
