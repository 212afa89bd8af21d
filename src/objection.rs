//! What a proof objects to, as a refusal: the list of everything else that the
//! upgrade would change.

use crate::chart::ChartWish;
use crate::error::Failure;
use crate::manifest::Difference;
use crate::prove::Proof;
use crate::refusal::Place;

/// As many are listed on a terminal; JSON has them all.
const LISTED: usize = 20;

/// Why the differences are there, as far as that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The chart renders differently each time.
    Unstable,
    /// The chart was named, or there are several of that name: it may be
    /// another one.
    MaybeAnotherChart,
    /// The installed chart was found.
    TheChart,
    /// It came although the user consented and it was applied before.
    CameBack,
}

impl Origin {
    /// What to think of differences from the release, by where the chart was
    /// found: in so many places, or where the user said.
    #[must_use]
    pub fn of(wish: &ChartWish, places: usize) -> Self {
        match places {
            _ if wish.is_said() => Self::MaybeAnotherChart,
            // The last place is the official repository, which may be the only
            // one or the same as the one before it.
            0..=2 => Self::TheChart,
            _ => Self::MaybeAnotherChart,
        }
    }
}

/// The refusal of a step whose proof is not clean. `consent` is the command that
/// makes the listed changes.
#[must_use]
pub fn refusal(proof: &Proof, origin: Origin, place: &Place<'_>, consent: &str) -> Failure {
    let Place { release, namespace, .. } = place;
    let at = format!("release `{release}` in namespace `{namespace}`");
    let consent = format!("to make these changes first, at unchanged counts: `{consent}`");
    let others = proof.others();
    let failure = match origin {
        Origin::Unstable => Failure::new("unstable-render", format!("the chart of {at} renders differently each time"))
            .hint("take what is random out of the values, for instance a password that the chart makes up"),
        Origin::CameBack => {
            Failure::new("unstable-render", format!("other changes of {at} came back after they were made"))
                .hint(format!("helm history {release}{}", place.flags))
        }
        Origin::MaybeAnotherChart if !proof.against_release.is_empty() => {
            Failure::new("chart-differs", format!("the chart is not the one that {at} was installed from"))
                .because("it has the same version and renders other objects")
                .hint("name the right one with `--chart`; ".to_owned() + &consent)
        }
        Origin::TheChart if !proof.against_release.is_empty() => {
            Failure::new("side-effects", format!("an upgrade of {at} would change more than the count")).hint(consent)
        }
        Origin::TheChart | Origin::MaybeAnotherChart => {
            Failure::new("drift", format!("an upgrade of {at} would overwrite what was changed in the cluster by hand"))
                .hint(format!("record it in the release's values; {consent}"))
        }
    };
    list(failure, &others)
}

fn list(mut failure: Failure, differences: &[Difference]) -> Failure {
    for difference in differences.iter().take(LISTED) {
        failure = failure.because(difference.to_string());
    }
    if differences.len() > LISTED {
        failure = failure.because(format!("and {} more; `-o json` has them all", differences.len() - LISTED));
    }
    failure
}
