//! The proof of one step, in two halves: against the release, only the counts
//! that were asked for may differ; against the cluster, nothing that someone
//! changed may be overwritten. Reads only; the server's dry runs write nothing.

mod place;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::place::{origin, with_each};
use crate::error::Failure;
use crate::exec::{CallFailure, Exec};
use crate::helm::{self, Upgrade};
use crate::kubectl;
use crate::manifest::{self, Change, Difference, Object, ObjectId, Objects};
use crate::observe::{Observed, cluster_failure, joined, release_failure};
use crate::order::Permitted;
use crate::overwrite::{self, Look};
use crate::release::Apply;
use crate::rights::{self, Right};
use crate::target::Target;

/// What a proof found.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// What the chart renders differently from the release, beyond what is
    /// permitted.
    pub against_release: Vec<Difference>,
    /// What the upgrade would overwrite in the cluster.
    pub against_cluster: Vec<Difference>,
    /// The permitted changes of whole objects: created, removed, or a field.
    pub objects: Vec<Difference>,
    /// A live count that is another than when the round looked at it.
    pub moved: Option<String>,
    /// Finished Jobs that only an installation renders: they go, and nothing
    /// runs again.
    pub finished_jobs: Vec<String>,
    /// The generation of every live workload of the release, to see afterwards
    /// that only the named ones moved.
    pub generations: BTreeMap<ObjectId, i64>,
}

impl Proof {
    /// Whether the upgrade changes what is permitted and nothing else.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.against_release.is_empty() && self.against_cluster.is_empty()
    }

    /// What the user has to be allowed besides, if all of it is to be made.
    #[must_use]
    pub fn needs(&self) -> Vec<Right> {
        let right = |other: &Difference| {
            let verb = match other.change {
                Change::Created => "create",
                Change::Removed => "delete",
                Change::Field { .. } => "patch",
            };
            rights::on(verb, &other.object)
        };
        let mut needs: Vec<Right> = self.others().iter().filter_map(right).collect();
        needs.sort();
        needs.dedup();
        needs
    }

    /// Everything else that the upgrade would change.
    #[must_use]
    pub fn others(&self) -> Vec<Difference> {
        self.against_release.iter().chain(&self.against_cluster).cloned().collect()
    }
}

/// Proves an upgrade before it is made. `permitted` is what may differ;
/// `also_needed` are rights that the step needs besides the upgrade's.
///
/// # Errors
/// `unprovable` where the server cannot say what would happen; `unreachable`,
/// `forbidden`, or Helm's own words where the chart does not render.
pub fn prove(
    exec: &Exec,
    target: &Target,
    observed: &Observed,
    upgrade: &Upgrade<'_>,
    permitted: &Permitted,
    also_needed: &[Right],
) -> Result<Proof, Failure> {
    let released = manifest::objects(&observed.manifest).map_err(|reason| unreadable(observed, target, &reason))?;
    let mut rights = rights::needed(target, observed.release.apply, &released);
    rights.extend_from_slice(also_needed);
    let (rendered, live, allowed) = std::thread::scope(|scope| {
        let allowed = scope.spawn(|| rights::check(exec, target, &rights));
        let live = scope.spawn(|| live_objects(exec, target, &released));
        let rendered = render(exec, target, upgrade);
        (rendered, joined(live), joined(allowed))
    });
    allowed?;
    let (rendered, live) = (rendered?, live?);

    set_at_all(&rendered, permitted, upgrade)?;
    let (mut finished, mut objects) = (Vec::new(), Vec::new());
    let mut against_release = manifest::difference(&released, &rendered);
    against_release.retain(|difference| {
        let gone_job = difference.change == Change::Removed && difference.object.kind == "Job";
        let live = live.get(&here(target, &difference.object));
        if gone_job && live.is_none_or(is_finished) {
            finished.push(difference.object.clone());
            return false;
        }
        if is_permitted_object(difference, permitted) {
            objects.push(difference.clone());
            return false;
        }
        !is_permitted(difference, permitted)
    });
    // Whoever may not delete a Job fails, or keeps it while the release forgets it.
    let deleted = finished.first().and_then(|job| rights::on("delete", job));
    let stays = rendered.keys().find(|id| id.kind == "Job" && observed.release.apply == Apply::ServerSide);
    let patched = stays.and_then(|job| rights::on("patch", job));
    rights::check(exec, target, &deleted.into_iter().chain(patched).collect::<Vec<_>>())?;
    let finished_jobs = finished.into_iter().map(|job| job.name).collect();
    let mut against_cluster = overwritten(exec, target, observed.release.apply, &rendered, &live, permitted)?;
    against_cluster.retain(|difference| {
        if is_permitted_object(difference, permitted) {
            if !objects.iter().any(|known| same_place(known, difference)) {
                objects.push(difference.clone());
            }
            return false;
        }
        !is_permitted(difference, permitted) && !against_release.iter().any(|known| same_place(known, difference))
    });
    let moved = live.iter().find_map(|(id, object)| moved_since(observed, id, object));
    let generations = live
        .iter()
        .filter(|(id, _)| id.is_workload())
        .filter_map(|(id, object)| Some((id.clone(), object.pointer("/metadata/generation")?.as_i64()?)))
        .collect();
    Ok(Proof { against_release, against_cluster, objects, moved, finished_jobs, generations })
}

/// The order was made from counts that the round saw; one that moved since then
/// would be taken back.
fn moved_since(observed: &Observed, id: &ObjectId, live: &Value) -> Option<String> {
    let then = observed.deployments.iter().find(|then| id.kind == "Deployment" && then.name == id.name)?;
    let now = live.pointer("/spec/replicas")?.as_u64()?;
    (now != u64::from(then.wanted)).then(|| format!("{id} was set to {now} meanwhile"))
}

/// A count that the chart does not read would change nothing, without a word:
/// coordinators before chart 4.0.4 are of this kind.
fn set_at_all(rendered: &Objects, permitted: &Permitted, upgrade: &Upgrade<'_>) -> Result<(), Failure> {
    let ignored = permitted.counts.iter().find(|(name, count)| {
        let object = rendered.iter().find(|(id, _)| id.kind == "Deployment" && id.name == **name);
        object.is_none_or(|(_, object)| object.content.pointer("/spec/replicas") != Some(&Value::from(**count)))
    });
    let Some((name, count)) = ignored else { return Ok(()) };
    Err(Failure::new(
        "component-fixed",
        format!(
            "chart {} of release `{}` does not set Deployment `{name}` to {count}",
            upgrade.version, upgrade.release
        ),
    )
    .because(format!(
        "it ignores or changes {}",
        upgrade.set.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ")
    )))
}

/// Whether two renders of the same upgrade differ: then no proof can hold.
pub fn unstable(exec: &Exec, target: &Target, upgrade: &Upgrade<'_>) -> Result<Vec<Difference>, Failure> {
    let first = render(exec, target, upgrade)?;
    Ok(manifest::difference(&first, &render(exec, target, upgrade)?))
}

fn is_permitted_object(difference: &Difference, permitted: &Permitted) -> bool {
    permitted.objects.contains(&ObjectId { namespace: None, ..difference.object.clone() })
}

fn is_permitted(difference: &Difference, permitted: &Permitted) -> bool {
    let Change::Field { path, new, .. } = &difference.change else { return false };
    difference.object.kind == "Deployment"
        && path == ".spec.replicas"
        && permitted
            .counts
            .get(&difference.object.name)
            .is_some_and(|count| *new == Some(manifest::Shown::Text(count.to_string())))
}

/// Whether two differences are about the same field of the same object.
#[must_use]
pub fn same_place(one: &Difference, other: &Difference) -> bool {
    let path = |difference: &Difference| match &difference.change {
        Change::Field { path, .. } => Some(path.clone()),
        Change::Created | Change::Removed => None,
    };
    one.object.kind == other.object.kind && one.object.name == other.object.name && path(one) == path(other)
}

fn is_finished(job: &Value) -> bool {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
    })
}

/// The objects of the very upgrade, as a dry run on the server renders them.
fn render(exec: &Exec, target: &Target, upgrade: &Upgrade<'_>) -> Result<Objects, Failure> {
    let query = helm::dry_upgrade(target, upgrade);
    let rendered = exec
        .read(&query, |output| manifest::objects(&helm::read_rendered(output)?))
        .map_err(|failed| render_failure(&failed, target, upgrade))?;
    Ok(rendered)
}

fn render_failure(failed: &CallFailure, target: &Target, upgrade: &Upgrade<'_>) -> Failure {
    let said = failed.stderr();
    match helm::meaning(failed) {
        // Of the cluster Helm says so in these words; what else does not answer
        // is where the chart is.
        helm::Meaning::Unreachable if !said.to_ascii_lowercase().contains("cluster unreachable") => Failure::new(
            "chart-not-found",
            format!("cannot get version {} of chart `{}`", upgrade.version, upgrade.source),
        )
        .because(failed.to_string())
        .because_said(said),
        helm::Meaning::Unknown => Failure::new(
            "unprovable",
            format!("chart `{}` does not render for release `{}`", upgrade.source, upgrade.release),
        )
        .because(failed.to_string())
        .because_said(failed.stderr()),
        _ => release_failure(failed, target, upgrade.release),
    }
}

/// Every object that is live, under the identity that [`here`] gives it.
fn live_objects(exec: &Exec, target: &Target, objects: &Objects) -> Result<BTreeMap<ObjectId, Value>, Failure> {
    let mut found = Vec::new();
    for (there, manifest) in by_namespace(target, objects) {
        let live = exec
            .read(&kubectl::get_objects(&there, &manifest), kubectl::read_objects)
            .map_err(|failed| cluster_failure(&failed, "get", "the objects of the release", &there))?;
        found.extend(live);
    }
    Ok(by_id(target, found))
}

/// Objects with one namespace each: kubectl takes a manifest with others than
/// the one it is told for a mistake.
fn by_namespace<'a>(
    target: &Target,
    objects: impl IntoIterator<Item = (&'a ObjectId, &'a Object)>,
) -> Vec<(Target, String)> {
    let mut manifests: Vec<(Target, String)> = Vec::new();
    for (id, object) in objects {
        let there = there(target, id);
        let at = manifests.iter().position(|(known, _)| *known == there).unwrap_or_else(|| {
            manifests.push((there, String::new()));
            manifests.len() - 1
        });
        if let Some((_, manifest)) = manifests.get_mut(at) {
            manifest.push_str("---\n");
            manifest.push_str(&object.yaml);
        }
    }
    manifests
}

/// The target for calls about an object: the namespace that its manifest names.
fn there(target: &Target, id: &ObjectId) -> Target {
    let mut there = target.clone();
    there.namespace = id.namespace.clone().unwrap_or(there.namespace);
    there
}

fn by_id(target: &Target, objects: impl IntoIterator<Item = Value>) -> BTreeMap<ObjectId, Value> {
    objects.into_iter().filter_map(|object| Some((here(target, &ObjectId::of(&object)?), object))).collect()
}

/// An object's identity with the namespace left out where it is the release's:
/// most manifests name none.
fn here(target: &Target, id: &ObjectId) -> ObjectId {
    ObjectId { namespace: id.namespace.clone().filter(|namespace| *namespace != target.namespace), ..id.clone() }
}

/// What the upgrade would overwrite. Where render and live agree, nothing is
/// asked; where there is a doubt, the server is.
fn overwritten(
    exec: &Exec,
    target: &Target,
    apply: Apply,
    rendered: &Objects,
    live: &BTreeMap<ObjectId, Value>,
    permitted: &Permitted,
) -> Result<Vec<Difference>, Failure> {
    let mut found = Vec::new();
    let mut doubtful = Vec::new();
    for (id, object) in rendered {
        let key = here(target, id);
        let Some(state) = live.get(&key) else {
            found.push(Difference { object: key, change: Change::Created });
            continue;
        };
        // Of what Helm has no Go type for it compares the old render with the
        // new one, never with what is live (3.22, and 4.3 on the client); those
        // two are the same, or the first half has named it.
        if apply == Apply::ClientSide && !id.is_built_in() {
            continue;
        }
        let mut wanted = object.content.clone();
        if permitted.counts.contains_key(&id.name)
            && id.kind == "Deployment"
            && let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut)
        {
            // What is asked for is no overwriting.
            spec.remove("replicas");
        }
        if overwrite::look(&wanted, state) == Look::Doubt {
            doubtful.push((id, object));
        }
        if apply == Apply::ClientSide
            && let Some(patch) = overwrite::merged_away(&wanted, state)
        {
            let query = kubectl::dry_patch(&there(target, id), &id.kind, &id.group, &id.name, &patch.to_string());
            let after = exec.read(&query, kubectl::read_objects).map_err(|failed| unprovable(&failed, target))?;
            let after = after.first().map_or(Value::Null, overwrite::lasting);
            found.extend(manifest::fields(&key, &overwrite::lasting(state), &after));
        }
    }
    for (there, manifest) in by_namespace(target, doubtful) {
        let query = kubectl::dry_apply(&there, &manifest);
        let after = exec.read(&query, kubectl::read_objects).map_err(|failed| unprovable(&failed, target))?;
        for (id, after) in by_id(target, after) {
            let before = live.get(&id).map_or(Value::Null, overwrite::lasting);
            let mut changes = manifest::fields(&id, &before, &overwrite::lasting(&after));
            changes.retain(|difference| !is_permitted(difference, permitted));
            // The patch of a merge may have shown it already.
            changes.retain(|difference| !found.contains(difference));
            found.extend(changes);
        }
    }
    Ok(found)
}

fn unprovable(failed: &CallFailure, target: &Target) -> Failure {
    match kubectl::meaning(failed) {
        kubectl::Meaning::Forbidden | kubectl::Meaning::Unreachable => {
            cluster_failure(failed, "patch", "the objects of the release", target)
        }
        _ => Failure::new("unprovable", "the server cannot say what the upgrade would change")
            .because(failed.to_string())
            .because_said(failed.stderr()),
    }
}

fn unreadable(observed: &Observed, target: &Target, reason: &str) -> Failure {
    Failure::new(
        "unprovable",
        format!(
            "the manifest of release `{}` in namespace `{}` is not readable",
            observed.release.name, target.namespace
        ),
    )
    .because(reason)
}
