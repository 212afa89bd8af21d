//! One step: the upgrade, between two looks at the release.

use crate::error::{Failure, plain};
use crate::exec::{CallFailure, Exec};
use crate::handover::{self, Departure};
use crate::helm::{self, Upgrade};
use crate::kubectl;
use crate::manifest::ObjectId;
use crate::observe::{Observed, joined, read_deployments, read_workloads, release_failure};
use crate::order::Permitted;
use crate::pod::Pod;
use crate::prove::Proof;
use crate::target::Target;

/// A step that was proven: the only thing that can be applied.
#[derive(Debug, Clone)]
pub struct Proven<'a> {
    /// The upgrade.
    pub upgrade: Upgrade<'a>,
    /// What the proof found.
    pub proof: &'a Proof,
    /// What the upgrade may change.
    pub permitted: &'a Permitted,
    /// Objects that it changes besides, with the user's consent.
    pub accepted: &'a [ObjectId],
    /// The pods that are deleted right before it.
    pub departure: &'a Departure,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The revision it made, and what moved by itself at the same time.
    Revision(u64, Vec<String>),
    /// Nothing was done: a live count is another than when the step was proven.
    Moved(String),
}

/// How often a run may begin anew because of [`Applied::Moved`], or because the
/// proof saw a count move.
pub const ANEW: u32 = 5;

/// That it has begun anew too often; the last reason.
#[must_use]
pub fn kept_moving(what: String) -> Failure {
    Failure::new("drift", "counts keep moving between the proof and the upgrade")
        .because(what)
        .hint("find out who moves them: `kubectl get hpa -A`")
}

/// Runs the upgrade.
///
/// # Errors
/// `superseded` where the release's revision is not the one that was observed,
/// or someone else's revision came at the same time; `side-effects` where Helm
/// changed another workload after all; Helm's own failure, with exit 3 where it
/// left a revision behind.
pub fn apply(exec: &Exec, target: &Target, observed: &Observed, proven: &Proven<'_>) -> Result<Applied, Failure> {
    let release = &observed.release;
    let name = &release.name;
    let history = helm::history(target, name);
    let newest = || exec.read(&history, helm::read_history).map_err(|failed| release_failure(&failed, target, name));
    let (before, counts) = both(newest, || read_deployments(exec, target, name));
    let (before, counts) = (before?, counts?);
    if before.revision != release.revision {
        return Err(superseded(target, name, release.revision, &before));
    }
    // An autoscaler can move between the proof and the upgrade.
    for live in &counts {
        let then = observed.deployments.iter().find(|then| then.name == live.name);
        let declared = observed.declared.iter().any(|declared| declared.name == live.name);
        if declared && then.is_some_and(|then| then.wanted != live.wanted) {
            return Ok(Applied::Moved(format!("Deployment `{}` was set to {} meanwhile", live.name, live.wanted)));
        }
        // Nor does the proof hold for anything else that was changed since.
        let id = ObjectId { kind: "Deployment".into(), name: live.name.clone(), namespace: None, group: "apps".into() };
        if declared && proven.proof.generations.get(&id).is_some_and(|then| *then != live.generation) {
            return Ok(Applied::Moved(format!("{id} was changed meanwhile")));
        }
    }
    // From here to the end of the upgrade nothing asks whether to go on: pods
    // that were handed over and not replaced would come back as new ones.
    hand_over(exec, target, observed, proven.departure)?;
    let ran = exec.change(&helm::upgrade(target, &proven.upgrade));
    let (after, moved) = both(
        || exec.insist(&history, helm::read_history).map_err(|failed| release_failure(&failed, target, name)),
        || elsewhere(exec, target, name, proven),
    );
    if let Err(failed) = ran {
        return Err(not_upgraded(target, observed, proven.departure, &failed, after));
    }
    let mut notes = Vec::new();
    match after {
        Ok(after) if after.revision == release.revision + 1 && after.status == "deployed" => {}
        Ok(after) => return Err(superseded(target, name, release.revision + 1, &after).after_a_change()),
        // Helm ended well, so it is there; the next look, when the cluster is
        // back, says more.
        Err(failure) if failure.id == Some("unreachable") => {
            notes.push(format!("the new revision could not be read: {failure}"));
        }
        Err(failure) => return Err(failure.after_a_change()),
    }
    match moved {
        Ok(moved) => notes.extend(moved),
        Err(Elsewhere::Helm(failure)) => return Err(failure.after_a_change()),
        Err(Elsewhere::Unknown(failure)) => {
            notes.push(format!("whether anything else moved could not be read: {failure}"));
        }
    }
    Ok(Applied::Revision(release.revision + 1, notes))
}

/// What an upgrade that failed left behind.
fn not_upgraded(
    target: &Target,
    observed: &Observed,
    departure: &Departure,
    failed: &CallFailure,
    after: Result<helm::Revision, Failure>,
) -> Failure {
    let name = &observed.release.name;
    let failure =
        Failure::new("helm-failed", format!("cannot upgrade release `{name}` in namespace `{}`", target.namespace))
            .because(failed.to_string())
            .because_said(failed.stderr());
    match after {
        Ok(after) if after.revision == observed.release.revision && departure.leaving.is_empty() => failure,
        Ok(after) if after.revision == observed.release.revision => failure
            .because("the pods that were handed over leave, and are replaced: the count stays as it was")
            .after_a_change(),
        Ok(after) => failure
            .because(format!(
                "revision {} is `{}`; what it changed before it failed stays",
                after.revision, after.status
            ))
            .hint(format!("helm history {name}{}", target.hints().helm()))
            .after_a_change(),
        Err(unknown) => failure.because(unknown.message).after_a_change(),
    }
}

/// Deletes the leaving pods and marks what their ReplicaSets begin in their
/// place as the first to go: the upgrade takes those away, also if they are
/// Ready before it comes.
fn hand_over(exec: &Exec, target: &Target, observed: &Observed, departure: &Departure) -> Result<(), Failure> {
    let mut begun = false;
    for pod in &departure.leaving {
        let Err(failed) = exec.change_at_once(&kubectl::delete_pod(target, &pod.name, departure.grace)) else {
            begun = true;
            continue;
        };
        // An answer that got lost is no answer: what counts is the pod.
        let query = kubectl::list_pods(target, &kubectl::pods_of(&observed.release.name, &[&pod.component]), None);
        let now = exec.insist(&query, kubectl::read_list::<Pod>);
        let leaves = now.as_ref().map(|now| {
            let same = now.items.iter().find(|other| other.uid == pod.uid);
            same.is_none_or(|pod| pod.terminating)
        });
        if leaves.as_ref().is_ok_and(|leaves| *leaves) {
            begun = true;
            continue;
        }
        let failure = Failure::new(
            "kubectl-failed",
            format!("cannot delete pod `{}` in namespace `{}`", pod.name, target.namespace),
        )
        .because(failed.to_string())
        .because_said(failed.stderr());
        return Err(match leaves {
            Ok(_) if !begun => failure,
            Ok(_) => failure
                .because("pods of other groups leave, and are replaced: the count stays as it was")
                .after_a_change(),
            Err(_) => failure.because("whether it leaves could not be read").after_a_change(),
        });
    }
    let mut first_to_go: Vec<Pod> = departure.replacements.clone();
    for _ in 0..LOOKS_FOR_REPLACEMENTS {
        if departure.leaving.is_empty() {
            break;
        }
        let labels: Vec<&str> = departure.leaving.iter().map(|pod| pod.component.as_str()).collect();
        let query = kubectl::list_pods(target, &kubectl::pods_of(&observed.release.name, &labels), None);
        let Ok(now) = exec.insist(&query, kubectl::read_list::<Pod>) else { continue };
        let found = handover::newcomers(observed, &now.items, &departure.leaving);
        // What an earlier look found is in this one as well.
        first_to_go.truncate(departure.replacements.len());
        first_to_go.extend(found);
        if first_to_go.len() >= departure.replacements.len() + departure.leaving.len() {
            break;
        }
    }
    if !first_to_go.is_empty() {
        // Without the mark a replacement is still the first to go as long as it
        // is not Ready, which takes it longer than the upgrade.
        let names: Vec<String> = first_to_go.into_iter().map(|pod| pod.name).collect();
        let _ = exec.change_at_once(&kubectl::mark_first_to_go(target, &names));
    }
    Ok(())
}

/// A ReplicaSet begins a replacement within milliseconds; a look takes a tenth
/// of a second.
const LOOKS_FOR_REPLACEMENTS: usize = 3;

/// Why it is not known that nothing else moved.
enum Elsewhere {
    /// Helm changed something that it was not to change.
    Helm(Failure),
    /// It could not be read.
    Unknown(Failure),
}

/// The workloads that moved although the step does not name them: an
/// autoscaler's or another person's move is a note, Helm's own is a failure.
fn elsewhere(exec: &Exec, target: &Target, name: &str, proven: &Proven<'_>) -> Result<Vec<String>, Elsewhere> {
    let all = kubectl::everything();
    let (deployments, stateful_sets) = both(
        || read_workloads(exec, target, &kubectl::list_deployments, &all),
        || read_workloads(exec, target, &kubectl::list_stateful_sets, &all),
    );
    let live = [
        ("Deployment", deployments.map_err(Elsewhere::Unknown)?),
        ("StatefulSet", stateful_sets.map_err(Elsewhere::Unknown)?),
    ];
    let mut moved = Vec::new();
    for (kind, workload) in live.iter().flat_map(|(kind, list)| list.iter().map(move |workload| (*kind, workload))) {
        let id =
            ObjectId { kind: kind.to_owned(), name: workload.name.clone(), namespace: None, group: "apps".to_owned() };
        let set = kind == "Deployment" && proven.permitted.counts.contains_key(&workload.name);
        let accepted = proven.accepted.contains(&id);
        let before = proven.proof.generations.get(&id);
        if set || accepted || before.is_none_or(|before| *before == workload.generation) {
            continue;
        }
        let by = workload.written_by.as_ref();
        if by.is_some_and(|by| by.manager == "helm") {
            let failure = Failure::new(
                "side-effects",
                format!("the upgrade of release `{name}` in namespace `{}` changed {id} as well", target.namespace),
            )
            .because(
                "the proof did not foresee it: someone changed it in the moment before, or this is a bug to report",
            );
            return Err(Elsewhere::Helm(failure.hint(format!("helm history {name}{}", target.hints().helm()))));
        }
        let by = by.map_or(String::new(), |by| format!(" ({by})"));
        moved.push(format!("{id} was changed meanwhile{by}"));
    }
    Ok(moved)
}

/// Someone else's revision in the middle of a run.
#[must_use]
pub fn overtaken(exec: &Exec, target: &Target, name: &str, expected: u64) -> Failure {
    match exec.read(&helm::history(target, name), helm::read_history) {
        Ok(found) => superseded(target, name, expected, &found),
        Err(failed) => release_failure(&failed, target, name),
    }
}

fn superseded(target: &Target, name: &str, expected: u64, found: &helm::Revision) -> Failure {
    let helm::Revision { revision, status, updated, description } = found;
    Failure::new(
        "superseded",
        format!(
            "release `{name}` in namespace `{}` is at revision {revision}, not at {expected}: someone else changed it",
            target.namespace
        ),
    )
    .because(format!("revision {revision} is `{status}`, {updated}: {}", plain(description)))
    .hint(format!("helm history {name}{}", target.hints().helm()))
}

/// Two readings at the same time.
fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (joined(one), other)
    })
}
