//! The revisions of a run: asked once, kept by every step.

use super::Run;
use crate::chart;
use crate::error::Failure;
use crate::history;
use crate::observe::Observed;

impl Run<'_> {
    /// Where the chart may be, and how many revisions there are: asked once in a
    /// run, when it is known that a step is to be made, and at the same time.
    pub(super) fn ask_once(&mut self, observed: &Observed) -> Result<(), Failure> {
        if self.revisions.is_some() {
            return Ok(());
        }
        self.ui.begin("looking for the chart");
        let (exec, target, release) = (self.exec, self.target, &observed.release);
        let (places, revisions) =
            history::beside(exec, target, &release.name, || chart::find(exec, &self.request.chart, &release.chart));
        self.places = places.map_err(|failure| self.or_interrupted(failure))?;
        self.revisions = Some(revisions.map_err(|failure| self.or_interrupted(failure))?);
        Ok(())
    }

    /// What Helm is told to keep; `None` where its own setting drops nothing.
    pub(super) fn history_max(&self) -> Option<u64> {
        let steps = u64::try_from(self.report.steps_total).unwrap_or(u64::MAX);
        // Other changes that are made first are an upgrade of their own.
        let upgrades = steps + u64::from(self.request.allow_other_changes);
        history::enough(self.target.helm_history(), self.revisions.unwrap_or(0), upgrades)
    }

    /// Writes down that the history grows beyond what Helm keeps by itself.
    pub(super) fn caution_of_history(&mut self, history_max: Option<u64>) {
        let Some(all) = history_max else { return };
        // Of several steps the first says it.
        if self.report.cautions.iter().all(|known| !known.starts_with("helm keeps ")) {
            let (kept, before) = (self.target.helm_history(), self.revisions.unwrap_or(0));
            self.report.cautions.push(history::caution(kept, before, all));
        }
    }
}
