//! Whether what was seen of a release is what it declares. Pure: facts and the
//! time in, a report out.

use jiff::Timestamp;
use serde_json::Value;

use super::dependency;
use super::report::{
    AutoscalerStatus, ComponentStatus, DependencyStatus, DriftReport, PodStatus, ReleaseStatus, RevisionReport,
    UnreadReport, Verdict, VersionReport,
};
use super::scalable::Scalable;
use super::seen::{Namespace, Recorded, Seen};
use crate::autoscaler::Autoscaler;
use crate::avoidance::AVOIDANCES;
use crate::component::{self, ComponentRef};
use crate::error::plain;
use crate::manifest::{self, Objects};
use crate::pod::Pod;
use crate::reading::{Denied, Reading};
use crate::release::{Declared, INSTANCE_LABEL, Status};
use crate::report::text::plural;
use crate::stuck;
use crate::verdict::{self, Expected, Until};
use crate::workload::Deployment;

/// Judges one release.
#[must_use]
pub fn judge(seen: &Seen, now: Timestamp) -> ReleaseStatus {
    let Seen { name, namespace, record, .. } = seen;
    let recorded = record.known();
    let objects = recorded.map(|recorded| manifest::objects(recorded.manifest()).unwrap_or_default());
    let objects = objects.unwrap_or_default();
    let rows = rows(seen);
    let scalable = recorded.and_then(|recorded| match &recorded.basis {
        Ok(basis) => Scalable::of(recorded, basis, namespace, &objects).map(Ok),
        Err(failure) => Some(Err(failure)),
    });

    let mut differences = Vec::new();
    if let Some(recorded) = recorded {
        differences.extend(of_revision(recorded));
    }
    let mut components = Vec::new();
    for row in &rows {
        differences.extend(row.differences(namespace, &objects));
        let mut status = row.status(namespace);
        status.scale = match &scalable {
            Some(Ok(scalable)) => Some(scalable.answer(row.component, row.largest(&rows, namespace))),
            Some(Err(failure)) => {
                let refused = Some((*failure).into());
                Some(super::report::ScaleAnswer { up: refused.clone(), down: refused })
            }
            None => None,
        };
        components.push(status);
    }
    let autoscalers = autoscalers(namespace, &objects, &rows);
    differences.extend(autoscalers.iter().filter_map(|autoscaler| {
        let trouble = autoscaler.trouble()?;
        Some(format!("HorizontalPodAutoscaler `{}`: {} ({})", autoscaler.name, trouble.what, trouble.reason))
    }));
    let dependencies = match recorded {
        Some(_) => dependency::dependencies(&objects, name, namespace.pods.known().map(Vec::as_slice)),
        None => Vec::new(),
    };
    differences.extend(dependencies.iter().filter_map(of_dependency));

    let unread = unread(seen);
    let essential =
        [record.known().is_some(), namespace.deployments.known().is_some(), namespace.pods.known().is_some()];
    let verdict = match (differences.is_empty(), essential.iter().all(|known| *known)) {
        (false, _) => Verdict::NotAsDeclared,
        (true, false) => Verdict::Unknown,
        (true, true) => Verdict::AsDeclared,
    };
    ReleaseStatus {
        name: name.clone(),
        namespace: namespace.name.clone(),
        verdict,
        differences,
        unread,
        revision: recorded.map(revision),
        chart: recorded.map(|recorded| recorded.record.release.chart.to_string()).or_else(|| {
            let made_by = |row: &Row| row.live(namespace)?.chart.clone();
            rows.iter().find_map(made_by)
        }),
        milvus: versions(&rows, namespace),
        pods: pods(seen, &objects, &rows, now),
        components,
        dependencies,
        autoscalers: autoscalers.into_iter().map(Into::into).collect(),
        avoided: AVOIDANCES.iter().filter(|known| (known.needed)(&objects)).map(Into::into).collect(),
    }
}

/// One Deployment that should be there.
struct Row {
    name: String,
    component: ComponentRef,
    group: Option<String>,
    declared: Option<u32>,
}

/// The Deployments that the release declares; where its record is not known,
/// those that say they are its.
fn rows(seen: &Seen) -> Vec<Row> {
    // A manifest that was never applied may have names that no object can have.
    let row = |declared: &Declared| Row {
        name: plain(&declared.name),
        component: declared.component,
        group: declared.group.as_deref().map(plain),
        declared: declared.replicas,
    };
    let mut rows: Vec<Row> = match seen.record.known() {
        Some(Recorded { basis: Ok(basis), .. }) => basis.declared.iter().map(row).collect(),
        Some(recorded) => {
            let declared = manifest::declared(&recorded.record.manifest, &seen.name).unwrap_or_default();
            declared.iter().map(row).collect()
        }
        None => {
            let live = seen.namespace.deployments.known().into_iter().flatten();
            live.filter_map(|live| {
                let label = |name: &str| match name {
                    INSTANCE_LABEL => live.instance.as_deref(),
                    crate::release::COMPONENT_LABEL => live.component.as_deref(),
                    _ => live.group.as_deref(),
                };
                Declared::from_labels(&live.name, &seen.name, label, None)
            })
            .map(|declared| row(&declared))
            .collect()
        }
    };
    let place = |component: ComponentRef| component::COMPONENTS.iter().position(|other| other == component);
    rows.sort_by(|a, b| (place(a.component), &a.group).cmp(&(place(b.component), &b.group)));
    rows
}

impl Row {
    /// `queryNode`, or `queryNode/rg1`.
    fn title(&self) -> String {
        title(self.component.key, self.group.as_deref())
    }

    fn live<'a>(&self, namespace: &'a Namespace) -> Option<&'a Deployment> {
        namespace.deployments.known()?.iter().find(|live| live.name == self.name)
    }

    /// The largest live count of its component's groups: what `scale` counts
    /// from.
    fn largest(&self, rows: &[Row], namespace: &Namespace) -> u32 {
        let same = rows.iter().filter(|row| row.component == self.component);
        same.filter_map(|row| row.live(namespace)).map(|live| live.wanted).max().unwrap_or(0)
    }

    fn autoscaler<'a>(&self, namespace: &'a Namespace) -> Option<&'a Autoscaler> {
        namespace.autoscalers.known()?.iter().find(|autoscaler| autoscaler.deployment == self.name)
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Option<impl Iterator<Item = &'a Pod> + Clone> {
        let pods = namespace.pods.known()?;
        Some(pods.iter().filter(|pod| pod.deployment.as_ref() == Some(&self.name)))
    }

    /// A count that an autoscaler moves between its bounds is as it should be.
    fn has_drifted(&self, live: &Deployment, namespace: &Namespace) -> bool {
        let moved = |autoscaler: &Autoscaler| (autoscaler.min..=autoscaler.max).contains(&live.wanted);
        self.declared.is_some_and(|declared| declared != live.wanted) && !self.autoscaler(namespace).is_some_and(moved)
    }

    fn status(&self, namespace: &Namespace) -> ComponentStatus {
        let live = self.live(namespace);
        let active = || self.pods(namespace).map(|pods| pods.filter(|pod| pod.is_active()));
        let count = |pods: usize| u32::try_from(pods).unwrap_or(u32::MAX);
        let ready = active().map(|pods| count(pods.filter(|pod| pod.ready).count()));
        let going = self.pods(namespace).map(|pods| count(pods.filter(|pod| pod.is_leaving()).count()));
        let image = active().and_then(|mut pods| pods.find_map(|pod| pod.image.clone()));
        let drifted = live.filter(|live| self.has_drifted(live, namespace));
        ComponentStatus {
            component: self.component.key,
            group: self.group.clone(),
            deployment: self.name.clone(),
            declared: self.declared,
            live: live.map(|live| live.wanted),
            ready: ready.or_else(|| live.map(|live| live.available)),
            terminating: going,
            restarts: active().map(|pods| pods.map(|pod| pod.restarts).sum()),
            image: image.or_else(|| live.and_then(|live| live.image.as_deref().map(plain))),
            autoscaler: self.autoscaler(namespace).map(|autoscaler| autoscaler.name.clone()),
            drift: drifted.map(|live| DriftReport {
                by: live.counted_by.as_ref().map(|by| by.manager.clone()),
                when: live.counted_by.as_ref().and_then(|by| by.when.clone()),
            }),
            scale: None,
        }
    }

    fn differences(&self, namespace: &Namespace, objects: &Objects) -> Vec<String> {
        let title = self.title();
        let Some(live) = self.live(namespace) else {
            return match namespace.deployments {
                Reading::Known(_) => vec![format!("{title}: Deployment `{}` is not in the cluster", self.name)],
                _ => Vec::new(),
            };
        };
        let mut found = Vec::new();
        if let Some(declared) = self.declared.filter(|_| self.has_drifted(live, namespace)) {
            let by = live.counted_by.as_ref().map_or(String::new(), |by| format!(", set {by}"));
            found.push(format!("{title}: {} in the cluster, {declared} in the release{by}", live.wanted));
        }
        if let (Some(declared), Some(runs)) = (declared_image(objects, &self.name), &live.image)
            && declared != *runs
        {
            found.push(format!(
                "{title}: image `{}` in the cluster, `{}` in the release",
                plain(runs),
                plain(&declared)
            ));
        }
        found.extend(self.unready(live, namespace));
        if let Some(words) = &live.cannot_create {
            let id = stuck::cannot_create(words).map_or(String::new(), |stuck| format!(" ({})", stuck.id));
            found.push(format!("{title}: pods cannot be created: {words}{id}"));
        }
        found
    }

    fn unready(&self, live: &Deployment, namespace: &Namespace) -> Option<String> {
        let title = self.title();
        let Some(pods) = self.pods(namespace) else {
            return (!live.is_settled()).then(|| format!("{title}: {} of {} available", live.available, live.wanted));
        };
        let expected = Expected { component: self.component, deployments: vec![(self.name.clone(), live.wanted)] };
        let progress = verdict::judge(&expected, Until::Ready, pods);
        if !progress.reached {
            let told = progress.to_string();
            let seen = told.split_once(": ").map_or(told.as_str(), |(_, seen)| seen);
            return Some(format!("{title}: {seen}"));
        }
        (!live.is_settled()).then(|| format!("{title}: its rollout has not ended"))
    }
}

/// A component, or one resource group of it, as a sentence names it.
pub(super) fn title(component: &str, group: Option<&str>) -> String {
    group.map_or_else(|| component.to_owned(), |group| format!("{component}/{group}"))
}

fn declared_image(objects: &Objects, deployment: &str) -> Option<String> {
    let object = objects.iter().find(|(id, _)| id.kind == "Deployment" && id.name == deployment)?.1;
    object.content.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str).map(str::to_owned)
}

fn of_revision(recorded: &Recorded) -> Option<String> {
    let release = &recorded.record.release;
    match &release.status {
        Status::Deployed => None,
        Status::Failed => Some(format!("revision {} failed: {}", release.revision, recorded.record.description)),
        status => Some(format!("revision {} is `{status}`", release.revision)),
    }
}

fn revision(recorded: &Recorded) -> RevisionReport {
    let record = &recorded.record;
    RevisionReport {
        revision: record.release.revision,
        status: record.release.status.to_string(),
        updated: record.updated.clone(),
        description: record.description.clone(),
    }
}

fn of_dependency(dependency: &DependencyStatus) -> Option<String> {
    let (declared, ready) = dependency.declared.zip(dependency.ready)?;
    if ready == declared {
        return None;
    }
    let parts = dependency.parts.iter().filter(|part| part.ready != Some(part.declared));
    let parts: Vec<String> = parts.map(|part| format!("`{}`", part.workload)).collect();
    Some(format!("{}: {ready} of {declared} ready", parts.join(", ")))
}

/// The autoscalers of the release's Deployments, and those that it declares
/// itself, which may have no target.
fn autoscalers<'a>(namespace: &'a Namespace, objects: &Objects, rows: &[Row]) -> Vec<&'a Autoscaler> {
    let declared = |name: &str| objects.keys().any(|id| id.kind == "HorizontalPodAutoscaler" && id.name == name);
    let all = namespace.autoscalers.known().into_iter().flatten();
    all.filter(|one| rows.iter().any(|row| row.name == one.deployment) || declared(&one.name)).collect()
}

impl From<&Autoscaler> for AutoscalerStatus {
    fn from(autoscaler: &Autoscaler) -> Self {
        Self {
            name: autoscaler.name.clone(),
            deployment: plain(&autoscaler.deployment),
            min: autoscaler.min,
            now: autoscaler.now,
            max: autoscaler.max,
            keda: autoscaler.keda,
            trouble: autoscaler.trouble().map(|trouble| trouble.to_string()),
            remark: autoscaler.remark(),
        }
    }
}

/// The versions that pods of Milvus run; those of the Deployments where the
/// pods are not known.
fn versions(rows: &[Row], namespace: &Namespace) -> Vec<VersionReport> {
    let mut found: Vec<(VersionReport, usize)> = Vec::new();
    // attu is another program with versions of its own.
    for row in rows.iter().filter(|row| row.component.key != "attu") {
        let images: Vec<String> = match row.pods(namespace) {
            Some(pods) => pods.filter(|pod| pod.is_active()).filter_map(|pod| pod.image.clone()).collect(),
            None => row.live(namespace).and_then(|live| live.image.clone()).into_iter().collect(),
        };
        for image in images {
            let version = tag(&plain(&image));
            let known = found.iter().position(|(known, _)| known.version == version).unwrap_or_else(|| {
                found.push((VersionReport { version, components: Vec::new() }, 0));
                found.len() - 1
            });
            let (report, pods) = &mut found[known];
            *pods += 1;
            if !report.components.contains(&row.component.key) {
                report.components.push(row.component.key);
            }
        }
    }
    found.sort_by_key(|(_, pods)| std::cmp::Reverse(*pods));
    found.into_iter().map(|(report, _)| report).collect()
}

/// `v2.6.15` of `milvusdb/milvus:v2.6.15`; all of it where there is no tag.
fn tag(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag.to_owned(),
        _ => image.to_owned(),
    }
}

/// The release's pods that are not well.
fn pods(seen: &Seen, objects: &Objects, rows: &[Row], now: Timestamp) -> Vec<PodStatus> {
    let mut unwell: Vec<&Pod> = unwell(seen, objects, rows.iter().map(|row| row.name.as_str()));
    unwell.sort_by(|a, b| a.name.cmp(&b.name));
    unwell
        .into_iter()
        .map(|pod| {
            let events = seen.events.get(&pod.name).map_or(&[][..], Vec::as_slice);
            // One look does not see when it began: not before the pod did.
            let created = pod.created.parse().unwrap_or(now);
            let seen = stuck::Seen { first: created, restarts: 0, room_to_come: false };
            let stuck = stuck::judge(pod, events, seen, now);
            let trouble = pod.trouble.as_ref().map(|trouble| match trouble.message.as_str() {
                "" => {
                    trouble.last_end.as_ref().map_or(trouble.reason.clone(), |end| format!("it ended last with {end}"))
                }
                message => message.to_owned(),
            });
            PodStatus {
                name: pod.name.clone(),
                containers: pod.containers.to_string(),
                status: pod.status.clone(),
                restarts: pod.restarts,
                created: pod.created.clone(),
                node: pod.node.clone(),
                reason: stuck.as_ref().map(|stuck| stuck.words.clone()).or(trouble).or_else(|| early(pod, now)),
                stuck: stuck.map(|stuck| stuck.id),
            }
        })
        .collect()
}

/// A pod whose probes have not begun is not late.
fn early(pod: &Pod, now: Timestamp) -> Option<String> {
    let seconds = pod.not_ready_before?.as_second() - now.as_second();
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    Some(format!("its probes begin in {}", plural(seconds, "second")))
}

/// The pods of these Deployments and of the release's dependencies that are
/// neither Ready nor at an end, or on their way out.
fn unwell<'a>(seen: &'a Seen, objects: &Objects, deployments: impl Iterator<Item = &'a str>) -> Vec<&'a Pod> {
    let deployments: Vec<&str> = deployments.collect();
    let all = seen.namespace.pods.known().into_iter().flatten();
    all.filter(|pod| pod.terminating || (pod.is_active() && !pod.ready))
        .filter(|pod| {
            pod.deployment.as_deref().is_some_and(|name| deployments.contains(&name))
                || dependency::owned(objects, &seen.name, pod)
        })
        .collect()
}

/// The pods whose events are worth reading before this is judged.
#[must_use]
pub fn questionable(seen: &Seen, now: Timestamp) -> Vec<String> {
    let Some(recorded) = seen.record.known() else { return Vec::new() };
    if !seen.namespace.pods.known().into_iter().flatten().any(|pod| stuck::needs_events(pod, now)) {
        return Vec::new();
    }
    let Ok(objects) = manifest::objects(recorded.manifest()) else { return Vec::new() };
    let rows = rows(seen);
    let unwell = unwell(seen, &objects, rows.iter().map(|row| row.name.as_str()));
    unwell.iter().filter(|pod| stuck::needs_events(pod, now)).map(|pod| pod.name.clone()).collect()
}

fn unread(seen: &Seen) -> Vec<UnreadReport> {
    fn one<T>(reading: &Reading<T>, resource: &'static str, unknown: &'static str) -> Option<UnreadReport> {
        let (resource, denied, reason) = match reading {
            Reading::Known(_) | Reading::Absent => return None,
            Reading::Forbidden(Denied { verb, resource }) => (*resource, Some(*verb), None),
            Reading::Unclear(reason) => (resource, None, Some(reason.clone())),
        };
        Some(UnreadReport { resource, denied, reason, unknown })
    }
    let Namespace { deployments, pods, autoscalers, .. } = &*seen.namespace;
    [
        one(&seen.record, "secrets", "what the release declares"),
        one(deployments, "deployments.apps", "the live counts"),
        one(pods, "pods", "which pods are not well, and the dependencies"),
        one(autoscalers, "horizontalpodautoscalers.autoscaling", "who else moves counts"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
