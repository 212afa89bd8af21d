//! A refusal with what can be read about it besides: why a component does not
//! run, since when an operation is pending, which revision to go back to.

use crate::component::ComponentRef;
use crate::decide;
use crate::error::{Failure, plain};
use crate::exec::Exec;
use crate::helm;
use crate::observe::{Observed, backticked};
use crate::reading::{Denied, Reading};
use crate::refusal::{LAST_DEPLOYED, Place, Refusal};
use crate::target::Target;

/// The refusal as a failure of a run that has changed nothing.
pub fn refused(exec: &Exec, target: &Target, refusal: &Refusal, at: &Place<'_>, observed: &Observed) -> Failure {
    let failure = refusal.failure(at);
    match refusal {
        Refusal::NotRunning { component } => not_running(exec, target, component, observed, failure),
        Refusal::ReleasePending { revision, .. } => pending(exec, target, *revision, observed, failure),
        Refusal::ReleaseFailed { .. } => failed(exec, target, observed, failure),
        _ => failure,
    }
}

/// Where a run happens, for a sentence.
#[must_use]
pub fn place(release: &str, target: &Target) -> String {
    if release.is_empty() {
        format!("namespace `{}`", target.namespace)
    } else {
        format!("release `{release}` in namespace `{}`", target.namespace)
    }
}

/// Names the revision that a failed one can be rolled back to: without a number
/// Helm takes the one before the newest, which may have failed too.
fn failed(exec: &Exec, target: &Target, observed: &Observed, failure: Failure) -> Failure {
    let name = &observed.release.name;
    let history = exec.read(&helm::whole_history(target, name), helm::read_whole_history);
    let deployed = history.ok().and_then(|all| all.into_iter().rev().find(|one| one.status == "deployed"));
    match (deployed, failure.hint) {
        (Some(deployed), Some(hint)) => {
            Failure { hint: Some(hint.replace(LAST_DEPLOYED, &deployed.revision.to_string())), ..failure }
        }
        (_, hint) => Failure { hint, ..failure },
    }
}

/// Since when an operation is pending, and the way out if it was killed.
fn pending(exec: &Exec, target: &Target, revision: u64, observed: &Observed, failure: Failure) -> Failure {
    let name = &observed.release.name;
    let Ok(history) = exec.read(&helm::whole_history(target, name), helm::read_whole_history) else {
        return failure;
    };
    let failure = match history.iter().find(|known| known.revision == revision) {
        Some(known) => failure.because(format!("since {}: {}", plain(&known.updated), plain(&known.description))),
        None => failure,
    };
    match history.iter().rev().find(|known| matches!(known.status.as_str(), "deployed" | "superseded")) {
            Some(well) => failure.hint(format!(
                "wait; if you are sure that it was killed: `helm rollback {name} {}{}` (which sets all counts back at once)",
                well.revision,
                target.hints().helm()
            )),
            None => failure,
        }
}

/// A component without a Deployment is switched off, or the chart does not
/// know it: the release's values tell.
fn not_running(
    exec: &Exec,
    target: &Target,
    component: ComponentRef,
    observed: &Observed,
    failure: Failure,
) -> Failure {
    let release = &observed.release;
    let query = helm::values(target, &release.name, release.revision);
    let needs = Denied { verb: "get", resource: "secrets" };
    let runs = decide::running(observed).iter().map(|c| c.key.to_owned()).collect::<Vec<_>>();
    let failure = failure.because(format!("it runs {}", backticked(&runs)));
    let switch = component.switch();
    let top = switch.split('.').next().unwrap_or(component.key);
    match Reading::of(exec.read(&query, helm::read_value_keys), needs) {
        Reading::Known(keys) if keys.iter().any(|key| key == top) => failure
            .because(format!("it is switched off (`{switch}`); to switch it on is more than a change of a count"))
            .hint(format!("helm get values {} --all{}", release.name, target.hints().helm())),
        Reading::Known(_) => Failure {
            id: Some("unknown-component"),
            message: format!("chart {} of {} has no `{}`", release.chart, place(&release.name, target), component.key),
            ..failure
        },
        Reading::Absent | Reading::Forbidden(_) | Reading::Unclear(_) => {
            failure.because("whether it is switched off or unknown to the chart could not be read")
        }
    }
}
