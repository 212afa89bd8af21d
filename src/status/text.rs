//! A status as people read it: one screen for one release, a table for
//! several. Pure: time comes in as a value.

use jiff::Timestamp;

use super::judge::title;
use super::report::{
    AutoscalerStatus, ComponentStatus, DependencyStatus, Place, PodStatus, ReleaseStatus, RevisionReport, Role,
    ScaleAnswer, StatusReport, UnreadReport,
};
use crate::component;
use crate::report::text::{LISTED, age, table};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// What fits on a screen of 120 columns.
    Normal,
    /// Deployments, images and nodes as well.
    Wide,
}

/// As kubectl shows what is not there, and what it cannot know.
const NONE: &str = "<none>";
const UNKNOWN: &str = "<unknown>";

impl StatusReport {
    /// What a person sees on standard output; empty where nothing was read.
    #[must_use]
    pub fn text(&self, width: Width, listing: Listing, now: Timestamp) -> String {
        match (listing, self.releases.as_slice()) {
            (_, []) => String::new(),
            (Listing::OneNamespace, [release]) => release.text(width, now),
            (listing, releases) => several(releases, width, listing, now),
        }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// The releases of one namespace, which may be one that was named.
    OneNamespace,
    /// The releases of all namespaces.
    AllNamespaces,
}

impl ReleaseStatus {
    fn text(&self, width: Width, now: Timestamp) -> String {
        let mut text = self.head(now);
        for part in [
            self.component_table(width, now),
            self.dependency_table(width),
            self.autoscaler_table(),
            self.pod_table(width, now),
            list("Not as declared", self.differences.iter().cloned()),
            list("Scale refuses", self.refusals()),
            list("Not read", self.unread.iter().map(UnreadReport::to_string)),
            list("Notes", self.notes()),
        ] {
            if !part.is_empty() {
                text.push('\n');
                text.push_str(&part);
            }
        }
        text
    }

    fn head(&self, now: Timestamp) -> String {
        let unknown = || UNKNOWN.to_owned();
        let revision = self.revision.as_ref().map(|revision| {
            let RevisionReport { revision, status, updated, description } = revision;
            format!("{revision}, {status} {} ago: {description}", age(updated, now))
        });
        table(&[
            vec!["Release:".to_owned(), format!("{} in namespace {}", self.name, self.namespace)],
            vec!["Status:".to_owned(), self.verdict.words().to_owned()],
            vec!["Revision:".to_owned(), revision.unwrap_or_else(unknown)],
            vec!["Chart:".to_owned(), self.chart.clone().unwrap_or_else(unknown)],
            vec!["Milvus:".to_owned(), self.milvus_versions().unwrap_or_else(unknown)],
        ])
    }

    /// `v2.6.15`, or `v2.6.15 and v2.6.14 (queryNode)`.
    fn milvus_versions(&self) -> Option<String> {
        let (first, others) = self.milvus.split_first()?;
        let others = others.iter().map(|other| format!(" and {} ({})", other.version, other.components.join(", ")));
        Some(first.version.clone() + &others.collect::<String>())
    }

    fn component_table(&self, width: Width, now: Timestamp) -> String {
        if self.components.is_empty() {
            return String::new();
        }
        let mut head = vec!["COMPONENT", "RELEASE", "LIVE", "READY", "RESTARTS", "AUTOSCALER", "DRIFT", "SCALE"];
        if width == Width::Wide {
            head.extend(["DEPLOYMENT", "IMAGE"]);
        }
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(self.components.iter().map(|component| {
            let mut row = self.component_row(component, now);
            if width == Width::Wide {
                row.push(component.deployment.clone());
                row.push(component.image.clone().unwrap_or_else(|| UNKNOWN.to_owned()));
            }
            row
        }));
        table(&rows)
    }

    fn component_row(&self, row: &ComponentStatus, now: Timestamp) -> Vec<String> {
        let undeclared = if self.revision.is_some() { NONE } else { UNKNOWN };
        let live_known = !self.is_unread("deployments.apps");
        let ready = match (row.ready, row.live) {
            (Some(ready), Some(live)) => format!("{ready}/{live}"),
            (Some(ready), None) => ready.to_string(),
            (None, _) => UNKNOWN.to_owned(),
        };
        let mut autoscaler = row.autoscaler.as_ref().and_then(|name| {
            let AutoscalerStatus { min, now, max, .. } = self.autoscalers.iter().find(|other| other.name == *name)?;
            Some(format!("{} in {min}-{max}", now.map_or("?".to_owned(), |now| now.to_string())))
        });
        if self.is_unread("horizontalpodautoscalers.autoscaling") {
            autoscaler = Some(UNKNOWN.to_owned());
        }
        vec![
            title(row.component, row.group.as_deref()),
            row.declared.map_or(undeclared.to_owned(), |count| count.to_string()),
            row.live.map_or(if live_known { NONE } else { UNKNOWN }.to_owned(), |count| count.to_string()),
            ready,
            row.restarts.map_or(UNKNOWN.to_owned(), |restarts| restarts.to_string()),
            autoscaler.unwrap_or_else(|| NONE.to_owned()),
            drift(row, now)
                .unwrap_or_else(|| if self.revision.is_some() && live_known { NONE } else { UNKNOWN }.to_owned()),
            row.scale.as_ref().map_or(UNKNOWN.to_owned(), ScaleAnswer::word),
        ]
    }

    fn is_unread(&self, resource: &str) -> bool {
        self.unread.iter().any(|unread| unread.resource == resource)
    }

    fn dependency_table(&self, width: Width) -> String {
        if self.dependencies.is_empty() {
            return String::new();
        }
        let mut head = vec!["DEPENDENCY", "KIND", "READY", "RESTARTS"];
        if width == Width::Wide {
            head.push("WORKLOADS");
        }
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(self.dependencies.iter().map(|dependency| dependency.row(width)));
        table(&rows)
    }

    /// Autoscalers that do not work, or are at a limit.
    fn autoscaler_table(&self) -> String {
        let told: Vec<_> = self
            .autoscalers
            .iter()
            .filter_map(|one| Some((one, one.trouble.as_ref().or(one.remark.as_ref())?)))
            .collect();
        if told.is_empty() {
            return String::new();
        }
        let mut rows = vec![["AUTOSCALER", "MIN", "NOW", "MAX", "CONDITION"].map(str::to_owned).to_vec()];
        rows.extend(told.into_iter().map(|(one, words)| {
            let now = one.now.map_or(UNKNOWN.to_owned(), |now| now.to_string());
            vec![one.name.clone(), one.min.to_string(), now, one.max.to_string(), words.clone()]
        }));
        table(&rows)
    }

    fn pod_table(&self, width: Width, now: Timestamp) -> String {
        if self.pods.is_empty() {
            return String::new();
        }
        let mut head = vec!["POD", "READY", "STATUS", "RESTARTS", "AGE"];
        if width == Width::Wide {
            head.push("NODE");
        }
        head.push("REASON");
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        rows.extend(self.pods.iter().take(LISTED).map(|pod| {
            let PodStatus { name, containers, status, restarts, created, node, stuck, reason } = pod;
            let mut row =
                vec![name.clone(), containers.clone(), status.clone(), restarts.to_string(), age(created, now)];
            if width == Width::Wide {
                row.push(node.clone().unwrap_or_else(|| NONE.to_owned()));
            }
            row.push(match (stuck, reason) {
                (Some(id), Some(words)) => format!("{id}: {words}"),
                (Some(id), None) => (*id).to_owned(),
                (None, Some(words)) => words.clone(),
                (None, None) => NONE.to_owned(),
            });
            row
        }));
        let mut text = table(&rows);
        if let Some(more) = self.pods.len().checked_sub(LISTED).filter(|more| *more > 0) {
            text.push_str(&format!("... and {more} more\n"));
        }
        text
    }

    /// Why workers cannot be scaled, each reason once. That coordinators do not
    /// scale is no news; the table has the identifier.
    fn refusals(&self) -> Vec<String> {
        let worker = |row: &&ComponentStatus| {
            row.component == "standalone"
                || component::find(row.component).is_some_and(|one| one.role == component::Role::Worker)
        };
        let mut found: Vec<String> = Vec::new();
        for row in self.components.iter().filter(worker) {
            let Some(answer) = &row.scale else { continue };
            for refused in [&answer.up, &answer.down].into_iter().flatten() {
                let id = refused.id.map_or(String::new(), |id| format!(" ({id})"));
                let because = refused.causes.first().map_or(String::new(), |cause| format!(": {cause}"));
                let line = format!("{}{id}{because}", refused.message);
                if !found.contains(&line) {
                    found.push(line);
                }
            }
        }
        found
    }

    fn notes(&self) -> Vec<String> {
        let avoided = self.avoided.iter().map(|known| {
            format!(
                "{} is in force, and `scale` keeps it: {} (to lift it, in a maintenance window: `helm upgrade` with `{}`)",
                known.set, known.effect, known.lift
            )
        });
        avoided.collect()
    }
}

/// `+2 by kubectl`; an autoscaler goes by `kube-controller-manager`.
fn drift(row: &ComponentStatus, now: Timestamp) -> Option<String> {
    let drift = row.drift.as_ref()?;
    let by = match drift.by.as_deref() {
        Some("kube-controller-manager") => " by an autoscaler".to_owned(),
        Some(manager) => format!(" by {manager}"),
        None => String::new(),
    };
    let when = drift.when.as_ref().map_or(String::new(), |when| format!(" {} ago", age(when, now)));
    let difference = i64::from(row.live.unwrap_or_default()) - i64::from(row.declared.unwrap_or_default());
    Some(format!("{difference:+}{by}{when}"))
}

impl ScaleAnswer {
    /// `yes`, or the identifier of what is in the way.
    fn word(&self) -> String {
        let id = |refused: &crate::report::ErrorReport| refused.id.unwrap_or("no").to_owned();
        match (&self.up, &self.down) {
            (None, None) => "yes".to_owned(),
            (None, Some(down)) => format!("up (down: {})", id(down)),
            (Some(up), _) => id(up),
        }
    }
}

impl DependencyStatus {
    fn row(&self, width: Width) -> Vec<String> {
        let role = match self.role {
            Role::Etcd => "etcd",
            Role::ObjectStorage => "object storage",
            Role::MessageQueue => "message queue",
            Role::Other => "other",
        };
        let unknown = || UNKNOWN.to_owned();
        let (ready, restarts) = match self.place {
            Place::Release => (
                match (self.ready, self.declared) {
                    (Some(ready), Some(declared)) => format!("{ready}/{declared}"),
                    _ => unknown(),
                },
                self.restarts.map_or_else(unknown, |restarts| restarts.to_string()),
            ),
            Place::Embedded => ("<inside Milvus>".to_owned(), NONE.to_owned()),
            Place::External => (
                format!("<elsewhere> {}", self.address.as_deref().unwrap_or_default()).trim_end().to_owned(),
                NONE.to_owned(),
            ),
            Place::Unknown => (unknown(), unknown()),
        };
        let mut row = vec![role.to_owned(), self.kind.clone().unwrap_or_else(unknown), ready, restarts];
        if width == Width::Wide {
            let parts: Vec<String> = self
                .parts
                .iter()
                .map(|part| {
                    let ready = part.ready.map_or(String::from("?"), |ready| ready.to_string());
                    format!("{} {ready}/{}", part.workload, part.declared)
                })
                .collect();
            row.push(if parts.is_empty() { NONE.to_owned() } else { parts.join(", ") });
        }
        row
    }
}

impl std::fmt::Display for UnreadReport {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resource, denied, reason, unknown } = self;
        match (denied, reason) {
            (Some(verb), _) => write!(out, "you may not {verb} `{resource}`")?,
            (None, Some(reason)) => write!(out, "cannot read `{resource}`: {reason}")?,
            (None, None) => write!(out, "cannot read `{resource}`")?,
        }
        write!(out, "; not known: {unknown}")
    }
}

fn several(releases: &[ReleaseStatus], width: Width, listing: Listing, now: Timestamp) -> String {
    let everywhere = listing == Listing::AllNamespaces;
    let mut head = vec!["NAME", "STATUS", "AS-DECLARED", "REVISION", "CHART", "MILVUS", "READY", "UPDATED"];
    if everywhere {
        head.insert(0, "NAMESPACE");
    }
    if width == Width::Wide {
        head.push("DESCRIPTION");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(releases.iter().map(|release| {
        let unknown = || UNKNOWN.to_owned();
        let revision = release.revision.as_ref();
        let of = |what: fn(&RevisionReport) -> String| revision.map_or_else(unknown, what);
        let sum =
            |count: fn(&ComponentStatus) -> Option<u32>| release.components.iter().map(count).sum::<Option<u32>>();
        let mut row = vec![
            release.name.clone(),
            of(|revision| revision.status.clone()),
            match release.verdict {
                super::report::Verdict::AsDeclared => "yes".to_owned(),
                super::report::Verdict::NotAsDeclared => "no".to_owned(),
                super::report::Verdict::Unknown => unknown(),
            },
            of(|revision| revision.revision.to_string()),
            release.chart.clone().unwrap_or_else(unknown),
            release.milvus_versions().unwrap_or_else(unknown),
            match (sum(|row| row.ready), sum(|row| row.live)) {
                (Some(ready), Some(live)) => format!("{ready}/{live}"),
                _ => unknown(),
            },
            revision.map_or_else(unknown, |revision| age(&revision.updated, now)),
        ];
        if everywhere {
            row.insert(0, release.namespace.clone());
        }
        if width == Width::Wide {
            row.push(of(|revision| revision.description.clone()));
        }
        row
    }));
    let mut text = table(&rows);
    for release in releases {
        let name = if everywhere { format!("{}/{}", release.namespace, release.name) } else { release.name.clone() };
        let unread = release.unread.iter().map(UnreadReport::to_string);
        let told = list(&name, release.differences.iter().cloned().chain(unread));
        if !told.is_empty() {
            text.push('\n');
            text.push_str(&told);
        }
    }
    text
}

fn list(title: &str, lines: impl IntoIterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        if text.is_empty() {
            text.push_str(&format!("{title}:\n"));
        }
        text.push_str(&format!("  {line}\n"));
    }
    text
}
