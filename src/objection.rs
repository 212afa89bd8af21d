//! What a proof objects to, as a refusal: the list of everything else that the
//! upgrade would change.

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
    /// It is of the same name and version, and has other templates than those
    /// that Helm stored with the release.
    AnotherChart,
    /// It is the installed chart.
    TheChart,
    /// It came although the user consented and it was applied before.
    CameBack,
}

/// The refusal of a step whose proof is not clean. `consent` is the command that
/// makes the listed changes, `without_chart` the one that was typed, to which
/// another chart can be added.
#[must_use]
pub fn refusal(proof: &Proof, origin: Origin, place: &Place<'_>, consent: &str, without_chart: &str) -> Failure {
    let Place { release, namespace, .. } = place;
    let at = format!("release `{release}` in namespace `{namespace}`");
    let consent = format!("to make these changes first, at unchanged counts: `{consent}`");
    let others = proof.others();
    let failure = match origin {
        Origin::Unstable => Failure::new("unstable-render", format!("the chart of {at} renders differently each time"))
            .hint("take what is random out of the values, for instance a password that the chart makes up"),
        Origin::CameBack => {
            Failure::new("unstable-render", format!("other changes of {at} came back after they were made"))
                .hint(format!("helm history {release}{}", place.hints.helm()))
        }
        Origin::AnotherChart => {
            Failure::new("chart-differs", format!("the chart is not the one that {at} was installed from"))
                .because("it has the same version and other templates")
                .hint(format!("name the right one: `{without_chart} --chart ...`"))
        }
        Origin::TheChart if !proof.against_release.is_empty() => {
            Failure::new("side-effects", format!("an upgrade of {at} would change more than the count")).hint(consent)
        }
        Origin::TheChart => {
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
