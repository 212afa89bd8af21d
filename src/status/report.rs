//! What `status` came to: its JSON document, which the text is made from. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Exit, Failure};
use crate::report::{AvoidedReport, ErrorReport};

/// The report of one `status`, and its JSON document. New fields may come;
/// those that are here keep their meaning for as long as `schema` says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// `kubectl-milvus/status/v1`.
    pub schema: &'static str,
    /// Whether everything is as the releases declare it.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The releases: the one that was named, or all that were found, by
    /// namespace and name.
    pub releases: Vec<ReleaseStatus>,
    /// What could not be read at all, or null.
    pub error: Option<ErrorReport>,
}

/// Whether all is as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was read, and is as declared.
    AsDeclared,
    /// What was read is as declared, but not everything could be read.
    Unknown,
    /// Something is not as declared.
    NotAsDeclared,
}

impl Verdict {
    /// How the process ends.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::AsDeclared => Exit::Done,
            Self::Unknown => Exit::Unchanged,
            Self::NotAsDeclared => Exit::NotAsDeclared,
        }
    }

    /// As a sentence has it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AsDeclared => "as declared",
            Self::Unknown => "not known",
            Self::NotAsDeclared => "not as declared",
        }
    }
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Whether all of it is as declared.
    pub verdict: Verdict,
    /// What is not as declared, a sentence each.
    pub differences: Vec<String>,
    /// What could not be read.
    pub unread: Vec<UnreadReport>,
    /// The newest revision; null where Helm's record could not be read.
    pub revision: Option<RevisionReport>,
    /// Chart name and version, as `helm list` shows them.
    pub chart: Option<String>,
    /// The versions of Milvus that its pods run, the most frequent first.
    pub milvus: Vec<VersionReport>,
    /// Its components; one entry for each Deployment, so for each resource
    /// group.
    pub components: Vec<ComponentStatus>,
    /// etcd, object storage, message queue, and what else the release brings.
    pub dependencies: Vec<DependencyStatus>,
    /// The autoscalers of its components.
    pub autoscalers: Vec<AutoscalerStatus>,
    /// The pods that are not well: not Ready, or on their way out.
    pub pods: Vec<PodStatus>,
    /// Known side effects of a plain `helm upgrade` that `scale` keeps away.
    pub avoided: Vec<AvoidedReport>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreadReport {
    /// The resource, as RBAC names it.
    pub resource: &'static str,
    /// The verb that is missing; null where something else was in the way.
    pub denied: Option<&'static str>,
    /// What was in the way; null where a right is missing.
    pub reason: Option<String>,
    /// What is therefore not known.
    pub unknown: &'static str,
}

/// The newest revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionReport {
    /// Its number.
    pub revision: u64,
    /// Its status, as Helm names it.
    pub status: String,
    /// When it was written, RFC 3339.
    pub updated: String,
    /// What it says of itself.
    pub description: String,
}

/// A version of Milvus, and who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionReport {
    /// The image's tag, or the whole image where it has none.
    pub version: String,
    /// The components whose pods run it.
    pub components: Vec<&'static str>,
}

/// A component, or one resource group of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its key in the chart's values.
    pub component: &'static str,
    /// The resource group, or null.
    pub group: Option<String>,
    /// The Deployment.
    pub deployment: String,
    /// The release's count; null where it declares none, or is not known.
    pub declared: Option<u32>,
    /// `.spec.replicas`; null where there is no such Deployment, or it could
    /// not be read.
    pub live: Option<u32>,
    /// How many pods are Ready and not terminating; null where it is not
    /// known.
    pub ready: Option<u32>,
    /// How many pods are being deleted; null where it is not known.
    pub terminating: Option<u32>,
    /// Restarts of all its pods' containers; null where they are not known.
    pub restarts: Option<u32>,
    /// The image of its pods, or of the Deployment where it has none.
    pub image: Option<String>,
    /// The autoscaler that moves its count, by name.
    pub autoscaler: Option<String>,
    /// The live count is another than the release's, and no autoscaler's
    /// doing.
    pub drift: Option<DriftReport>,
    /// What `scale` would refuse at this moment; null where that cannot be
    /// told.
    pub scale: Option<ScaleAnswer>,
}

/// Who set a count that differs from the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftReport {
    /// The field manager, if the API server remembers.
    pub by: Option<String>,
    /// When, RFC 3339, if the API server remembers.
    pub when: Option<String>,
}

/// What `scale` would say. Of its proof only what was seen is known; the rest,
/// which needs the chart, is that of `scale --dry-run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleAnswer {
    /// Why one more would be refused, or null.
    pub up: Option<ErrorReport>,
    /// Why one fewer would be refused, or null; also null where the last one
    /// would go.
    pub down: Option<ErrorReport>,
}

/// What Milvus depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DependencyStatus {
    /// What it is to Milvus.
    pub role: Role,
    /// What it is: `etcd`, `minio`, `pulsarv3`, `kafka`, `woodpecker`; null
    /// where that is not known.
    pub kind: Option<String>,
    /// Where it is.
    pub place: Place,
    /// Its address, where it is not of the release.
    pub address: Option<String>,
    /// How many pods the release declares; null where it brings none.
    pub declared: Option<u32>,
    /// How many are Ready; null where that is not known.
    pub ready: Option<u32>,
    /// Restarts of their containers; null where they are not known.
    pub restarts: Option<u32>,
    /// The workloads it consists of.
    pub parts: Vec<PartReport>,
}

/// What a dependency is to Milvus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// etcd.
    Etcd,
    /// `MinIO`, S3 and the like.
    ObjectStorage,
    /// Pulsar, Kafka, Woodpecker, or what is built in.
    MessageQueue,
    /// Something else that the chart brings.
    Other,
}

/// Where a dependency is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The release brings it.
    Release,
    /// Inside the pods of Milvus.
    Embedded,
    /// Elsewhere; whether it is well is not asked.
    External,
    /// The release does not say.
    Unknown,
}

/// One workload of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    /// The name of the StatefulSet or Deployment.
    pub workload: String,
    /// The release's count.
    pub declared: u32,
    /// How many of its pods are Ready; null where that is not known.
    pub ready: Option<u32>,
}

/// An autoscaler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerStatus {
    /// Its name.
    pub name: String,
    /// The Deployment it is to move.
    pub deployment: String,
    /// The smallest count it sets.
    pub min: u32,
    /// The count when it looked last; null where it has not looked yet.
    pub now: Option<u32>,
    /// The largest count it sets.
    pub max: u32,
    /// Whether KEDA made it.
    pub keda: bool,
    /// Why it does not work, or null.
    pub trouble: Option<String>,
    /// What else is worth knowing, or null.
    pub remark: Option<String>,
}

/// A pod that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    /// Its name.
    pub name: String,
    /// Ready containers of all, as `kubectl get pods` shows them.
    pub containers: String,
    /// Its status, as `kubectl get pods` shows it.
    pub status: String,
    /// How often its containers were restarted.
    pub restarts: u32,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Its node, or null.
    pub node: Option<String>,
    /// The identifier of what keeps it from ever being Ready, or null where
    /// that is not certain.
    pub stuck: Option<&'static str>,
    /// What Kubernetes says is wrong, or null.
    pub reason: Option<String>,
}

impl StatusReport {
    /// The report of these releases; `failure` is what kept the rest from
    /// being read.
    #[must_use]
    pub fn of(mut releases: Vec<ReleaseStatus>, failure: Option<&Failure>) -> Self {
        releases.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        let seen = releases.iter().map(|release| release.verdict).max();
        let verdict = match failure {
            Some(_) => seen.unwrap_or(Verdict::Unknown).max(Verdict::Unknown),
            None => seen.unwrap_or(Verdict::Unknown),
        };
        let exit = failure.filter(|_| verdict == Verdict::Unknown).map_or(verdict.exit(), |failure| failure.exit);
        Self {
            schema: "kubectl-milvus/status/v1",
            verdict,
            exit_code: exit.code(),
            releases,
            error: failure.map(ErrorReport::from),
        }
    }

    /// The document of `-o json`.
    #[must_use]
    pub fn json(&self) -> String {
        // Strings and numbers only: there is nothing that JSON cannot hold.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The same in one line, for a watch.
    #[must_use]
    pub fn json_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}
