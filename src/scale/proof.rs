//! The proof of a step: where the chart is, whether it holds, and if not, why.

use super::Run;
use crate::chart::ChartSource;
use crate::decide::{self, Step};
use crate::error::Failure;
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
            None => self.places.clone(),
        };
        let origin = match places.len() {
            _ if self.settled => Origin::CameBack,
            _ if self.request.chart.is_said() => Origin::MaybeAnotherChart,
            // The last place is the official repository, which may be the only
            // one or the same as the one before it.
            0..=2 => Origin::TheChart,
            _ => Origin::MaybeAnotherChart,
        };
        let mut best: Option<(ChartSource, Proof)> = None;
        for source in places {
            let upgrade = order.upgrade(release, &source, history);
            let proof = match prove::prove(self.exec, self.target, observed, &upgrade, &order.permitted, also_needed) {
                Ok(proof) => proof,
                // One place that is out of reach does not speak for the others.
                Err(_) if best.is_some() => continue,
                Err(failure) => return Err(self.or_interrupted(failure)),
            };
            if proof.against_release.is_empty() {
                best = Some((source, proof));
                break;
            }
            best.get_or_insert((source, proof));
        }
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

    /// Refuses a step on a component whose count an autoscaler moves.
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
        decide::autoscaled(step, observed, autoscalers).map_err(|refusal| self.refused(&refusal, observed))
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
        objection::refusal(proof, origin, &self.at(observed), &self.command(|c| c.to))
    }
}
