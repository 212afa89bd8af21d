//! What an `autoscale` came to, as text or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::text::table;
use super::{ErrorReport, ProofReport, ReleaseReport};
use crate::autoscale::plan::Standing;
use crate::autoscaler::Autoscaler;
use crate::component::ComponentRef;
use crate::error::Failure;
use crate::manifest::Difference;
use crate::release::Release;

/// The report of one `autoscale`, and its JSON document. New fields may come;
/// those that are here keep their meaning for as long as `schema` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscaleReport {
    /// `kubectl-milvus/autoscale/v1`.
    pub schema: &'static str,
    /// How it ended.
    pub outcome: AutoscaleOutcome,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The namespace.
    pub namespace: String,
    /// The release; null where it was not found.
    pub release: Option<ReleaseReport>,
    /// The component's key in the chart's values; null where it was not
    /// understood.
    pub component: Option<&'static str>,
    /// The live count as it was read last; null where it was not.
    pub count: Option<u32>,
    /// The autoscaler that was there when the run began; null where none was.
    pub before: Option<AutoscalerReport>,
    /// The one that is wanted; null for none.
    pub wanted: Option<AutoscalerReport>,
    /// The upgrade that was made, or with `--dry-run` would be; null where none
    /// is needed.
    pub change: Option<ChangeReport>,
    /// What the proof of the upgrade found; null where none was made.
    pub proof: Option<ProofReport>,
    /// What a person should know, a sentence each.
    pub cautions: Vec<String>,
    /// The object to apply where the chart has none that does what is wanted:
    /// YAML, which text output prints alone; null otherwise.
    pub manifest: Option<String>,
    /// What went wrong, or null.
    pub error: Option<ErrorReport>,
}

/// How an `autoscale` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AutoscaleOutcome {
    /// The autoscaler is there as it was asked for, or gone.
    Verified,
    /// There was nothing to change.
    Unchanged,
    /// Nothing was done; `--dry-run`.
    Planned,
    /// The object to apply was printed, and nothing was changed.
    Printed,
    /// It was refused, or failed.
    Failed,
    /// A signal ended it.
    Interrupted,
}

/// An autoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerReport {
    /// The name of the HorizontalPodAutoscaler.
    pub name: String,
    /// The Deployment that it moves.
    pub deployment: String,
    /// The smallest count.
    pub min: u32,
    /// The largest count.
    pub max: u32,
    /// Percent of the requested CPU; null where it does not look at that.
    pub cpu: Option<u32>,
    /// Percent of the requested memory; null where it does not look at that.
    pub memory: Option<u32>,
    /// Whether it only adds pods.
    pub grow_only: bool,
    #[serde(skip)]
    described: String,
}

/// The upgrade of an `autoscale`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// What it changes.
    pub change: String,
    /// The line that was run, or would be.
    pub command: String,
    /// The revision it made; null where it was not run, or failed.
    pub revision: Option<u64>,
    /// How the autoscaler changes, a sentence each.
    pub objects: Vec<String>,
}

impl From<&Autoscaler> for AutoscalerReport {
    fn from(autoscaler: &Autoscaler) -> Self {
        let described = autoscaler.described();
        let Autoscaler { name, deployment, min, max, cpu, memory, grow_only, .. } = autoscaler.clone();
        Self { name, deployment, min, max, cpu, memory, grow_only, described }
    }
}

impl AutoscaleReport {
    /// A report about which nothing is known yet but where it happens.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self {
            schema: "kubectl-milvus/autoscale/v1",
            outcome: AutoscaleOutcome::Failed,
            exit_code: 0,
            namespace: namespace.to_owned(),
            release: None,
            component: None,
            count: None,
            before: None,
            wanted: None,
            change: None,
            proof: None,
            cautions: Vec::new(),
            manifest: None,
            error: None,
        }
    }

    /// Writes down the release.
    pub fn saw(&mut self, release: &Release) {
        self.release = Some(ReleaseReport::of(release, self.release.as_ref()));
    }

    /// Writes down what is there, and what is wanted.
    pub fn standing(&mut self, component: ComponentRef, standing: &Standing) {
        self.component = Some(component.key);
        self.count = Some(standing.count);
        self.before = standing.before.as_ref().map(AutoscalerReport::from);
        self.wanted = standing.wanted.as_ref().map(AutoscalerReport::from);
        self.cautions.clone_from(&standing.cautions);
    }

    /// Writes down the upgrade.
    pub fn change(&mut self, change: &str, command: String, objects: &[Difference]) {
        let objects = objects.iter().map(ToString::to_string).collect();
        self.change = Some(ChangeReport { change: change.to_owned(), command, revision: None, objects });
    }

    /// Writes down the revision that the upgrade made.
    pub fn applied(&mut self, revision: u64) {
        if let Some(change) = &mut self.change {
            change.revision = Some(revision);
        }
        if let Some(release) = &mut self.release {
            release.revision = revision;
        }
    }

    /// Whether the upgrade of this run made a revision.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        self.change.as_ref().is_some_and(|change| change.revision.is_some())
    }

    /// Writes down a failure and its exit code.
    pub fn failed(&mut self, failure: &Failure) {
        self.exit_code = failure.exit.code();
        self.error = Some(failure.into());
    }

    /// The document of `-o json`.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and numbers only: there is nothing that JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What a person, or the next program, sees on standard output; empty after
    /// a failure, which is told on standard error.
    #[must_use]
    pub fn text(&self) -> String {
        let (Some(release), Some(component)) = (&self.release, self.component) else { return String::new() };
        let place = format!("release `{}` in namespace `{}`", release.name, self.namespace);
        let count = self.count.unwrap_or(0);
        let is = match &self.wanted {
            Some(wanted) => format!("{place}: {component} is autoscaled {}, now at {count}", wanted.described),
            None => format!("{place}: {component} has no autoscaler, and is at {count}"),
        };
        match self.outcome {
            AutoscaleOutcome::Verified => format!("{is}; verified (revision {})\n", release.revision),
            AutoscaleOutcome::Unchanged => format!("{is}; nothing to change (revision {})\n", release.revision),
            AutoscaleOutcome::Planned => self.plan(release, &place, component, count),
            AutoscaleOutcome::Printed => self.manifest.clone().unwrap_or_default(),
            AutoscaleOutcome::Failed | AutoscaleOutcome::Interrupted => String::new(),
        }
    }

    fn plan(&self, release: &ReleaseReport, place: &str, component: &str, count: u32) -> String {
        let said = |autoscaler: &Option<AutoscalerReport>| {
            autoscaler.as_ref().map_or_else(|| "none".to_owned(), |one| one.described.clone())
        };
        let rows = [
            ["COMPONENT", "COUNT", "AUTOSCALER", "WANTED"].map(str::to_owned).to_vec(),
            vec![component.to_owned(), count.to_string(), said(&self.before), said(&self.wanted)],
        ];
        let mut text = format!("{place}: chart {}, revision {}\n\n{}", release.chart, release.revision, table(&rows));
        let Some(change) = &self.change else { return text + "\nnothing to change\n" };
        text.push_str(&format!("\nstep 1 of 1: {}\n  {}\n", change.change, change.command));
        text.push_str("\nproof: these change, and nothing else\n");
        for object in &change.objects {
            text.push_str(&format!("  {object}\n"));
        }
        if change.objects.is_empty() {
            text.push_str("  (only what the release declares)\n");
        }
        let notes: Vec<String> = self.proof.iter().flat_map(ProofReport::notes).chain(self.cautions.clone()).collect();
        if !notes.is_empty() {
            text.push_str("notes\n");
            text.extend(notes.iter().map(|note| format!("  {note}\n")));
        }
        text + "\nnothing was changed\n"
    }
}

#[cfg(test)]
#[path = "autoscale_tests.rs"]
mod tests;
