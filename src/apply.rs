//! One step: the upgrade, between two looks at the release.

use crate::error::{Failure, plain};
use crate::exec::Exec;
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
    }
    // From here to the end of the upgrade nothing asks whether to go on: pods
    // that were handed over and not replaced would come back as new ones.
    hand_over(exec, target, observed, proven.departure)?;
    let handed = !proven.departure.leaving.is_empty();
    let ran = exec.change(&helm::upgrade(target, &proven.upgrade));
    let newest = || exec.insist(&history, helm::read_history).map_err(|failed| release_failure(&failed, target, name));
    let (after, moved) = both(newest, || elsewhere(exec, target, name, proven));
    let after = after.map_err(Failure::after_a_change);
    if let Err(failed) = ran {
        let failure =
            Failure::new("helm-failed", format!("cannot upgrade release `{name}` in namespace `{}`", target.namespace))
                .because(failed.to_string())
                .because_said(failed.stderr());
        return Err(match after {
            Ok(after) if after.revision == release.revision && !handed => failure,
            Ok(after) if after.revision == release.revision => failure
                .because("the pods that were handed over leave, and are replaced: the count stays as it was")
                .after_a_change(),
            Ok(after) => failure
                .because(format!(
                    "revision {} is `{}`; what it changed before it failed stays",
                    after.revision, after.status
                ))
                .hint(format!("helm history {name}{}", target.hint_flags()))
                .after_a_change(),
            Err(unknown) => failure.because(unknown.message).after_a_change(),
        });
    }
    let after = after?;
    if after.revision != release.revision + 1 || after.status != "deployed" {
        return Err(superseded(target, name, release.revision + 1, &after).after_a_change());
    }
    Ok(Applied::Revision(after.revision, moved.map_err(Failure::after_a_change)?))
}

/// Deletes the leaving pods and marks what their ReplicaSets begin in their
/// place as the first to go: the upgrade takes those away, also if they are
/// Ready before it comes.
fn hand_over(exec: &Exec, target: &Target, observed: &Observed, departure: &Departure) -> Result<(), Failure> {
    let mut begun = false;
    for pod in &departure.leaving {
        if let Err(failed) = exec.change(&kubectl::delete_pod(target, &pod.name, departure.grace)) {
            let failure = Failure::new(
                "kubectl-failed",
                format!("cannot delete pod `{}` in namespace `{}`", pod.name, target.namespace),
            )
            .because(failed.to_string())
            .because_said(failed.stderr());
            return Err(if begun { failure.after_a_change() } else { failure });
        }
        begun = true;
    }
    let mut first_to_go: Vec<String> = departure.replacements.iter().map(|pod| pod.name.clone()).collect();
    for _ in 0..LOOKS_FOR_REPLACEMENTS {
        if departure.leaving.is_empty() {
            break;
        }
        let labels: Vec<&str> = departure.leaving.iter().map(|pod| pod.component.as_str()).collect();
        let query = kubectl::list_pods(target, &kubectl::pods_of(&observed.release.name, &labels), None);
        let Ok(now) = exec.insist(&query, kubectl::read_list::<Pod>) else { continue };
        let found = handover::newcomers(observed, &now.items, &departure.leaving);
        if found.len() >= departure.leaving.len() {
            first_to_go.extend(found.into_iter().map(|pod| pod.name));
            break;
        }
    }
    if !first_to_go.is_empty() {
        // Without the mark a replacement is still the first to go as long as it
        // is not Ready, which takes it longer than the upgrade.
        let _ = exec.change(&kubectl::mark_first_to_go(target, &first_to_go));
    }
    Ok(())
}

/// A ReplicaSet begins a replacement within milliseconds; a look takes a tenth
/// of a second.
const LOOKS_FOR_REPLACEMENTS: usize = 3;

/// The workloads that moved although the step does not name them: an
/// autoscaler's or another person's move is a note, Helm's own is a failure.
fn elsewhere(exec: &Exec, target: &Target, name: &str, proven: &Proven<'_>) -> Result<Vec<String>, Failure> {
    let all = kubectl::everything();
    let (deployments, stateful_sets) = both(
        || read_workloads(exec, target, &kubectl::list_deployments, &all),
        || read_workloads(exec, target, &kubectl::list_stateful_sets, &all),
    );
    let live = [("Deployment", deployments?), ("StatefulSet", stateful_sets?)];
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
            return Err(Failure::new(
                "side-effects",
                format!("the upgrade of release `{name}` in namespace `{}` changed {id} as well", target.namespace),
            )
            .because("the proof did not foresee this: please report it")
            .hint(format!("helm history {name}{}", target.hint_flags())));
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
    .hint(format!("helm history {name}{}", target.hint_flags()))
}

/// Two readings at the same time.
fn both<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (joined(one), other)
    })
}
