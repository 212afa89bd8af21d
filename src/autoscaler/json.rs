//! How autoscalers are written in JSON, in lists and in renders.

use std::io::BufRead;

use serde::Deserialize;

use super::{Autoscaler, Condition, Usage};
use crate::error::plain;
use crate::kubectl;

/// Reads the list of autoscalers.
pub fn read_list(output: &mut dyn BufRead) -> Result<Vec<Autoscaler>, String> {
    let list: crate::workload::List<Read> = kubectl::read_list(output)?;
    Ok(list.items.into_iter().filter_map(Read::of_a_deployment).collect())
}

/// The autoscaler of a rendered object, if it is one of a Deployment.
#[must_use]
pub fn of_object(object: &serde_json::Value) -> Option<Autoscaler> {
    if object.get("kind")?.as_str()? != "HorizontalPodAutoscaler" {
        return None;
    }
    serde_json::from_value::<Read>(object.clone()).ok()?.of_a_deployment()
}

#[derive(Deserialize)]
struct Read {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

impl Read {
    fn of_a_deployment(self) -> Option<Autoscaler> {
        let Spec { scale_target_ref, min_replicas, max_replicas, metrics, behavior } = self.spec;
        if scale_target_ref.kind != "Deployment" {
            return None;
        }
        let metrics: Vec<Resource> = metrics.unwrap_or_default().into_iter().filter_map(|one| one.resource).collect();
        let target = |name: &str| metrics.iter().find(|one| one.name == name)?.target.average_utilization;
        let measured = self.status.current_metrics.unwrap_or_default().into_iter().filter_map(|one| one.resource);
        let usage = measured
            .filter_map(|one| Some(Usage { now: one.current.average_utilization?, target: target(&one.name)? }))
            .collect();
        // Without a condition it has not looked yet.
        let now = self.status.current_replicas.filter(|_| !self.status.conditions.is_empty());
        let conditions = self.status.conditions.into_iter().map(Condition::from).collect();
        let policy = behavior.and_then(|behavior| behavior.scale_down).and_then(|rules| rules.select_policy);
        Some(Autoscaler {
            keda: self.metadata.labels.contains_key("scaledobject.keda.sh/name"),
            name: plain(&self.metadata.name),
            deployment: scale_target_ref.name,
            // The API's own default.
            min: min_replicas.unwrap_or(1),
            max: max_replicas,
            now,
            conditions,
            cpu: target("cpu"),
            memory: target("memory"),
            grow_only: policy.as_deref() == Some("Disabled"),
            usage,
        })
    }
}

impl From<ReadCondition> for Condition {
    fn from(read: ReadCondition) -> Self {
        let ReadCondition { kind, status, reason, message } = read;
        Self { kind: plain(&kind), status: plain(&status), reason: plain(&reason), message: plain(&message) }
    }
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: ScaleTarget,
    min_replicas: Option<u32>,
    max_replicas: u32,
    metrics: Option<Vec<Metric>>,
    behavior: Option<Behavior>,
}

#[derive(Deserialize)]
struct ScaleTarget {
    kind: String,
    name: String,
}

/// A metric of another kind has no `resource`.
#[derive(Deserialize)]
struct Metric {
    resource: Option<Resource>,
}

/// In the spec it has a target, in the status a current value.
#[derive(Deserialize)]
struct Resource {
    name: String,
    #[serde(default)]
    target: Value,
    #[serde(default)]
    current: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Value {
    average_utilization: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Behavior {
    scale_down: Option<Rules>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    select_policy: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    current_replicas: Option<u32>,
    current_metrics: Option<Vec<Metric>>,
    conditions: Vec<ReadCondition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ReadCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    message: String,
}
