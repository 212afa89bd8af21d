//! What a run came to, as text or JSON. Pure: time comes in as a value.

mod autoscale;
pub(crate) mod text;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::autoscale::{AutoscaleOutcome, AutoscaleReport, AutoscalerReport, ChangeReport};
use crate::avoidance::Avoidance;
use crate::decide::{Goal, Step};
use crate::error::Failure;
use crate::observe::Observed;
use crate::order::Order;
use crate::pod::Pod;
use crate::prove::Proof;
use crate::release::Release;
use crate::verdict::Progress;

/// The report of one `scale`, and its JSON document. New fields may come; those
/// that are here keep their meaning for as long as `schema` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleReport {
    /// `kubectl-milvus/scale/v1`.
    pub schema: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The namespace.
    pub namespace: String,
    /// The release; null where it was not found.
    pub release: Option<ReleaseReport>,
    /// The goal, a component each; empty where it was not understood.
    pub components: Vec<ComponentReport>,
    /// The upgrades that were made, or with `--dry-run` the first that would be,
    /// and before it the one of other changes.
    pub steps: Vec<StepReport>,
    /// How many upgrades lead from the beginning to the goal.
    pub steps_total: usize,
    /// What a person should know of the run, though nothing was refused for it.
    pub cautions: Vec<String>,
    /// What was asked between steps down whether the service is available;
    /// null where nothing was.
    pub gate: Option<String>,
    /// What the proof of the last step found; null where none was made.
    pub proof: Option<ProofReport>,
    /// The pods of the components, as they were read last.
    pub pods: Vec<PodReport>,
    /// What went wrong, or null.
    pub error: Option<ErrorReport>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The counts were changed, and the pods are there.
    Verified,
    /// There was nothing to change, and the pods are there.
    Unchanged,
    /// The upgrade is done; `--no-wait`.
    Applied,
    /// Nothing was done; `--dry-run`.
    Planned,
    /// It was refused, or failed.
    Failed,
    /// The pods were not there in time.
    TimedOut,
    /// The pods cannot come; it was not waited any longer.
    Stuck,
    /// The service did not become available again in time.
    GateShut,
    /// A signal ended it.
    Interrupted,
}

/// The release of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReport {
    /// Its name.
    pub name: String,
    /// Chart name and version, as `helm list` shows them.
    pub chart: String,
    /// The revision when the run began.
    pub revision_before: u64,
    /// The revision when it ended.
    pub revision: u64,
}

/// One component of the goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentReport {
    /// Its key in the chart's values.
    pub component: &'static str,
    /// The count when the run began: of each resource group, where there are
    /// some.
    pub from: u32,
    /// The wanted count.
    pub to: u32,
    /// How many Deployments bear that count: 1, or the number of resource
    /// groups.
    pub groups: usize,
    /// What was seen last, in pods of all groups; null where nothing was
    /// looked at.
    pub pods: Option<PodCounts>,
}

/// Pods of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// As many as there should be at that step.
    pub expected: u64,
    /// Ready and not terminating.
    pub ready: u64,
    /// Neither Ready nor terminating.
    pub not_ready: u64,
    /// Being deleted.
    pub terminating: u64,
}

/// One upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// What it changes.
    pub change: String,
    /// The lines that come right before it: pods that are deleted with time to
    /// hand over.
    pub commands_before: Vec<String>,
    /// The line that was run, or would be.
    pub command: String,
    /// The revision it made; null where it was not run, or failed.
    pub revision: Option<u64>,
    /// Whether the pods were seen to be there afterwards.
    pub verified: bool,
    /// The pods that were deleted with time to hand over.
    pub handed_over: Vec<String>,
}

/// What a proof found: that the upgrade of a step changes counts and nothing
/// else, or what else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofReport {
    /// Whether nothing else changes.
    pub clean: bool,
    /// The counts that the upgrade sets.
    pub counts: Vec<CountReport>,
    /// Counts of other components that differ from the release, and are passed
    /// along.
    pub kept: Vec<KeptReport>,
    /// Known side effects that are kept away.
    pub avoided: Vec<AvoidedReport>,
    /// Finished Jobs that go; nothing runs again.
    pub finished_jobs: Vec<String>,
    /// Whether autoscalers could be read.
    pub autoscalers_read: bool,
    /// What else would change, a sentence each.
    pub other_changes: Vec<String>,
    #[serde(skip)]
    notes: Vec<String>,
}

/// One count that an upgrade sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountReport {
    /// The Deployment.
    pub deployment: String,
    /// The live count.
    pub from: Option<u32>,
    /// The count that is set.
    pub to: u32,
}

/// One count that is passed along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeptReport {
    /// The component.
    pub component: &'static str,
    /// The live count.
    pub count: u32,
    /// The release's count.
    pub declared: u32,
    /// Who set the live count: the field manager.
    pub by: Option<String>,
    /// When, RFC 3339.
    pub when: Option<String>,
}

/// One side effect that is kept away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvoidedReport {
    /// What is set.
    pub set: String,
    /// What would happen without it.
    pub effect: &'static str,
    /// How to let it happen on purpose.
    pub lift: &'static str,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// Its name.
    pub name: String,
    /// Its component's label.
    pub component: String,
    /// Ready containers of all, as `kubectl get pods` shows them.
    pub containers: String,
    /// Whether it is Ready.
    pub ready: bool,
    /// Its status, as `kubectl get pods` shows it.
    pub status: String,
    /// How often its containers were restarted.
    pub restarts: u32,
    /// When it was created, RFC 3339.
    pub created: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// The stable identifier, or null.
    pub id: Option<&'static str>,
    /// One sentence.
    pub message: String,
    /// Why, the nearest reason first.
    pub causes: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl ProofReport {
    /// What the proof of an order found.
    #[must_use]
    pub fn of(order: &Order, proof: &Proof, observed: &Observed) -> Self {
        let live = |name: &str| observed.deployments.iter().find(|live| live.name == name).map(|live| live.wanted);
        Self {
            clean: proof.is_clean(),
            counts: order
                .permitted
                .counts
                .iter()
                .map(|(deployment, to)| CountReport { deployment: deployment.clone(), from: live(deployment), to: *to })
                .collect(),
            kept: order
                .kept
                .iter()
                .map(|kept| KeptReport {
                    component: kept.component.key,
                    count: kept.count,
                    declared: kept.declared,
                    by: kept.by.as_ref().map(|by| by.manager.clone()),
                    when: kept.by.as_ref().and_then(|by| by.when.clone()),
                })
                .collect(),
            avoided: order.avoided.iter().map(|known| (*known).into()).collect(),
            finished_jobs: proof.finished_jobs.clone(),
            autoscalers_read: observed.autoscalers.known().is_some(),
            other_changes: proof.others().iter().map(ToString::to_string).collect(),
            notes: order.notes(),
        }
    }

    /// What a person should know of it, a line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let jobs = &self.finished_jobs;
        let jobs =
            (!jobs.is_empty()).then(|| format!("finished Jobs are removed, nothing runs again: {}", jobs.join(", ")));
        self.notes.iter().cloned().chain(jobs).collect()
    }
}

impl ReleaseReport {
    /// The release as it is seen; of several observations the first revision
    /// stays the one before.
    fn of(release: &Release, before: Option<&Self>) -> Self {
        Self {
            name: release.name.clone(),
            chart: release.chart.to_string(),
            revision_before: before.map_or(release.revision, |seen| seen.revision_before),
            revision: release.revision,
        }
    }
}

impl From<&Failure> for ErrorReport {
    fn from(failure: &Failure) -> Self {
        let Failure { id, message, causes, hint, exit: _ } = failure.clone();
        Self { id, message, causes, hint }
    }
}

impl From<&'static Avoidance> for AvoidedReport {
    fn from(known: &'static Avoidance) -> Self {
        Self { set: format!("{}={}", known.key, known.value), effect: known.effect, lift: known.lift }
    }
}

impl ScaleReport {
    /// A report about which nothing is known yet but where it happens.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self {
            schema: "kubectl-milvus/scale/v1",
            outcome: Outcome::Failed,
            exit_code: 0,
            namespace: namespace.to_owned(),
            release: None,
            components: Vec::new(),
            steps: Vec::new(),
            steps_total: 0,
            cautions: Vec::new(),
            gate: None,
            proof: None,
            pods: Vec::new(),
            error: None,
        }
    }

    /// Writes down the release; of several observations the first revision
    /// stays the one before.
    pub fn saw(&mut self, release: &Release) {
        self.release = Some(ReleaseReport::of(release, self.release.as_ref()));
    }

    /// Writes down the goal.
    pub fn aims(&mut self, goal: &Goal) {
        self.components = goal
            .0
            .iter()
            .map(|aim| ComponentReport {
                component: aim.component.key,
                from: aim.from.0,
                to: aim.to.0,
                groups: aim.groups,
                pods: None,
            })
            .collect();
    }

    /// Writes down a step and the line that carries it out.
    pub fn step(&mut self, step: &Step, commands_before: Vec<String>, command: String) {
        self.upgrade(step.to_string(), commands_before, command);
    }

    /// Writes down the upgrade that makes other changes first.
    pub fn settling(&mut self, command: String) {
        self.upgrade("other changes, at unchanged counts".to_owned(), Vec::new(), command);
    }

    fn upgrade(&mut self, change: String, commands_before: Vec<String>, command: String) {
        self.steps.push(StepReport {
            change,
            commands_before,
            command,
            revision: None,
            verified: false,
            handed_over: Vec::new(),
        });
    }

    /// Forgets a step that came to nothing.
    pub fn forget_what_was_not_applied(&mut self) {
        self.steps.retain(|step| step.revision.is_some());
    }

    /// Writes down what the proof of a step found.
    pub fn proof(&mut self, order: &Order, proof: &Proof, observed: &Observed) {
        self.proof = Some(ProofReport::of(order, proof, observed));
    }

    /// What a person should know of the proof and the upgrade, a line each.
    #[must_use]
    pub fn proof_notes(&self) -> Vec<String> {
        let proof = self.proof.iter().flat_map(ProofReport::notes);
        proof.chain(self.cautions.iter().cloned()).collect()
    }

    /// Writes down what the last upgrade made.
    pub fn applied(&mut self, revision: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.revision = Some(revision);
        }
        if let Some(release) = &mut self.release {
            release.revision = revision;
        }
    }

    /// Whether any upgrade of this run made a revision.
    #[must_use]
    pub fn changed_something(&self) -> bool {
        self.steps.iter().any(|step| step.revision.is_some())
    }

    /// Writes down what is seen of the components.
    pub fn progress(&mut self, progress: &[Progress]) {
        for seen in progress {
            for component in self.components.iter_mut().filter(|c| c.component == seen.component.key) {
                component.pods = Some(PodCounts {
                    expected: seen.expected,
                    ready: seen.ready,
                    not_ready: seen.unready,
                    terminating: seen.terminating,
                });
            }
        }
    }

    /// Writes down the pods as they were read last.
    pub fn pods(&mut self, pods: &[Pod]) {
        self.pods = pods
            .iter()
            .map(|pod| PodReport {
                name: pod.name.clone(),
                component: pod.component.clone(),
                containers: pod.containers.to_string(),
                ready: pod.ready,
                status: pod.status.clone(),
                restarts: pod.restarts,
                created: pod.created.clone(),
            })
            .collect();
        self.pods.sort_by(|a, b| (&a.component, &a.name).cmp(&(&b.component, &b.name)));
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
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
