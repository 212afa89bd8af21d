//! What is different between two looks, a line each: what a watch prints where
//! there is no screen to draw anew. Pure.

use super::judge::title;
use super::report::{ComponentStatus, DependencyStatus, PodStatus, ReleaseStatus, StatusReport, Verdict};

/// The lines; none where nothing changed that is shown.
#[must_use]
pub fn changes(before: &StatusReport, after: &StatusReport) -> Vec<String> {
    let same =
        |one: &ReleaseStatus, other: &ReleaseStatus| (&one.namespace, &one.name) == (&other.namespace, &other.name);
    let mut lines = Vec::new();
    // A look that failed says nothing of the releases.
    if after.error.is_none() {
        let gone = before.releases.iter().filter(|then| !after.releases.iter().any(|now| same(then, now)));
        lines.extend(gone.map(|gone| format!("{}/{}: gone", gone.namespace, gone.name)));
    }
    for now in &after.releases {
        let then = before.releases.iter().find(|then| same(then, now));
        lines.extend(of_release(then, now).into_iter().map(|line| format!("{}/{}: {line}", now.namespace, now.name)));
    }
    match (&before.error, &after.error) {
        (None, Some(error)) => lines.push(format!("cannot be read: {}", error.message)),
        (Some(_), None) => lines.push("can be read again".to_owned()),
        (Some(_), Some(_)) | (None, None) => {}
    }
    lines
}

fn of_release(then: Option<&ReleaseStatus>, now: &ReleaseStatus) -> Vec<String> {
    let Some(then) = then else { return vec![format!("new, {}", now.verdict.words())] };
    let mut lines = Vec::new();
    if let Some(revision) = now.revision.as_ref().filter(|_| now.revision != then.revision) {
        lines.push(format!("revision {} {}: {}", revision.revision, revision.status, revision.description));
    }
    for row in &now.components {
        let known = then.components.iter().find(|other| other.deployment == row.deployment);
        let told = row.told();
        if known.map(ComponentStatus::told).as_ref() != Some(&told) {
            lines.push(told);
        }
    }
    for autoscaler in &now.autoscalers {
        let known = then.autoscalers.iter().find(|other| other.name == autoscaler.name);
        let words = |one: &super::report::AutoscalerStatus| one.trouble.clone().or_else(|| one.remark.clone());
        if known.and_then(words) != words(autoscaler) || known.is_none() {
            let words = words(autoscaler).unwrap_or_else(|| "it works".to_owned());
            lines.push(format!("autoscaler {}: {words}", autoscaler.name));
        }
    }
    let gone = then.autoscalers.iter().filter(|one| !now.autoscalers.iter().any(|other| other.name == one.name));
    lines.extend(gone.map(|one| format!("autoscaler {}: gone", one.name)));
    for dependency in &now.dependencies {
        let known =
            then.dependencies.iter().find(|other| (other.role, &other.kind) == (dependency.role, &dependency.kind));
        if known.map(|known| (known.ready, known.declared)) != Some((dependency.ready, dependency.declared)) {
            lines.extend(dependency.told());
        }
    }
    for pod in &now.pods {
        let known = then.pods.iter().find(|other| other.name == pod.name);
        let told = pod.told();
        if known.map(PodStatus::told).as_ref() != Some(&told) {
            lines.push(told);
        }
    }
    let left = then.pods.iter().filter(|pod| !now.pods.iter().any(|other| other.name == pod.name));
    lines.extend(left.map(|pod| {
        format!("pod {}: {}", pod.name, if pod.status == "Terminating" { "gone" } else { "well, or gone" })
    }));
    if now.verdict != then.verdict {
        let why = match now.verdict {
            Verdict::NotAsDeclared => format!(": {}", now.differences.join("; ")),
            Verdict::AsDeclared | Verdict::Unknown => String::new(),
        };
        lines.push(format!("{}{why}", now.verdict.words()));
    }
    lines
}

impl ComponentStatus {
    fn told(&self) -> String {
        let count = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
        let mut told = format!(
            "{}: {} in the release, {} live, {} ready",
            title(self.component, self.group.as_deref()),
            count(self.declared),
            count(self.live),
            count(self.ready)
        );
        if let Some(going) = self.terminating.filter(|going| *going > 0) {
            told.push_str(&format!(", {going} terminating"));
        }
        if let Some(restarts) = self.restarts.filter(|restarts| *restarts > 0) {
            told.push_str(&format!(", {restarts} restarts"));
        }
        told
    }
}

impl DependencyStatus {
    fn told(&self) -> Option<String> {
        let (ready, declared) = self.ready.zip(self.declared)?;
        Some(format!("{}: {ready} of {declared} ready", self.kind.as_deref().unwrap_or("a dependency")))
    }
}

impl PodStatus {
    fn told(&self) -> String {
        let id = self.stuck.map_or(String::new(), |id| format!(" ({id})"));
        format!("pod {}: {} {}{id}", self.name, self.containers, self.status)
    }
}
