//! How many revisions Helm is to keep: no upgrade of a run may take away one
//! that a user could go back to.

use super::Run;
use crate::chart;
use crate::error::Failure;
use crate::helm;
use crate::observe::{Observed, joined, release_failure};

impl Run<'_> {
    /// Where the chart may be, and how many revisions there are: asked once in a
    /// run, when it is known that a step is to be made, and at the same time.
    pub(super) fn ask_once(&mut self, observed: &Observed) -> Result<(), Failure> {
        if self.revisions.is_some() {
            return Ok(());
        }
        self.ui.begin("looking for the chart");
        let (exec, target, release) = (self.exec, self.target, &observed.release);
        let (places, revisions) = std::thread::scope(|scope| {
            let history = helm::whole_history(target, &release.name);
            let revisions = scope.spawn(move || exec.read(&history, helm::read_whole_history));
            (chart::find(exec, &self.request.chart, &release.chart), joined(revisions))
        });
        self.places = places.map_err(|failure| self.or_interrupted(failure))?;
        let revisions = revisions
            .map_err(|failed| release_failure(&failed, target, &release.name))
            .map_err(|failure| self.or_interrupted(failure))?;
        self.revisions = Some(u64::try_from(revisions.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// What Helm is told to keep; `None` where its own setting drops nothing.
    pub(super) fn history_max(&self) -> Option<u64> {
        let steps = u64::try_from(self.report.steps_total).unwrap_or(u64::MAX);
        // Other changes that are made first are an upgrade of their own.
        let upgrades = steps + u64::from(self.request.allow_other_changes);
        enough(self.target.helm_history(), self.revisions.unwrap_or(0), upgrades)
    }

    /// Writes down that the history grows beyond what Helm keeps by itself: the
    /// next upgrade of somebody else drops what this run has left alone.
    pub(super) fn caution_of_history(&mut self, history_max: Option<u64>) {
        let Some(all) = history_max else { return };
        // Of several steps the first says it.
        if self.report.cautions.iter().all(|known| !known.starts_with("helm keeps ")) {
            let (kept, before) = (self.target.helm_history(), self.revisions.unwrap_or(0));
            self.report.cautions.push(format!(
                "helm keeps {kept} revisions and there are {before}: this run keeps all (`--history-max={all}`), your next `helm upgrade` drops the oldest"
            ));
        }
    }
}

/// As many as there are before and come with the run, where Helm's own setting
/// (0 is all) is less.
fn enough(kept: u64, before: u64, upgrades: u64) -> Option<u64> {
    let all = before.saturating_add(upgrades);
    (kept > 0 && all > kept).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_revision_is_dropped_whatever_helm_would_keep() {
        assert_eq!(enough(10, 1, 1), None);
        assert_eq!(enough(10, 7, 3), None);
        assert_eq!(enough(10, 10, 1), Some(11));
        assert_eq!(enough(10, 40, 1), Some(41));
        assert_eq!(enough(3, 1, 3), Some(4));
        assert_eq!(enough(0, 400, 9), None);
    }
}
