//! How many revisions Helm is to keep: no upgrade of a run may take away one
//! that a user could go back to.

use crate::error::Failure;
use crate::exec::Exec;
use crate::helm;
use crate::observe::{joined, release_failure};
use crate::target::Target;

/// Counts the revisions of a release, at the same time as something else is
/// done.
///
/// # Errors
/// Those of Helm, of the count alone.
pub fn beside<T>(exec: &Exec, target: &Target, release: &str, other: impl FnOnce() -> T) -> (T, Result<u64, Failure>) {
    let (other, revisions) = std::thread::scope(|scope| {
        let history = helm::whole_history(target, release);
        let revisions = scope.spawn(move || exec.read(&history, helm::read_whole_history));
        (other(), joined(revisions))
    });
    let count = revisions.map(|all| u64::try_from(all.len()).unwrap_or(u64::MAX));
    (other, count.map_err(|failed| release_failure(&failed, target, release)))
}

/// As many revisions as there are before and come with the run, where Helm's own
/// setting (0 is all) is less; `None` where that drops nothing.
#[must_use]
pub fn enough(kept: u64, before: u64, upgrades: u64) -> Option<u64> {
    let all = before.saturating_add(upgrades);
    (kept > 0 && all > kept).then_some(all)
}

/// That the history grows beyond what Helm keeps by itself: the next upgrade of
/// somebody else drops what this run has left alone.
#[must_use]
pub fn caution(kept: u64, before: u64, all: u64) -> String {
    format!(
        "helm keeps {kept} revisions and there are {before}: this run keeps all (`--history-max={all}`), your next `helm upgrade` drops the oldest"
    )
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
