//! The autoscalers of a namespace: the chart's, those made by hand, and those
//! that KEDA makes, which are HorizontalPodAutoscalers too.

use std::io::BufRead;

use serde::Deserialize;

use crate::error::plain;
use crate::kubectl;

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its name.
    pub name: String,
    /// The Deployment it moves; autoscalers of anything else are left out.
    pub deployment: String,
    /// The smallest count it sets.
    pub min: u32,
    /// The largest count it sets.
    pub max: u32,
    /// Whether KEDA made it.
    pub keda: bool,
}

impl std::fmt::Display for Autoscaler {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, min, max, keda, .. } = self;
        let of = if *keda { " of KEDA" } else { "" };
        write!(out, "HorizontalPodAutoscaler `{name}`{of} keeps it between {min} and {max}")
    }
}

/// Reads the list of autoscalers.
pub fn read_list(output: &mut dyn BufRead) -> Result<Vec<Autoscaler>, String> {
    let list: crate::workload::List<Read> = kubectl::read_list(output)?;
    let deployments = list.items.into_iter().filter(|read| read.spec.scale_target_ref.kind == "Deployment");
    Ok(deployments
        .map(|read| Autoscaler {
            keda: read.metadata.labels.contains_key("scaledobject.keda.sh/name"),
            name: plain(&read.metadata.name),
            deployment: read.spec.scale_target_ref.name,
            // The API's own default.
            min: read.spec.min_replicas.unwrap_or(1),
            max: read.spec.max_replicas,
        })
        .collect())
}

#[derive(Deserialize)]
struct Read {
    metadata: Metadata,
    spec: Spec,
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
}

#[derive(Deserialize)]
struct ScaleTarget {
    kind: String,
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoscalers_of_deployments_are_read_and_kedas_are_told() {
        let item = |kind: &str, labels: &str| {
            format!(
                r#"{{"metadata":{{"name":"h","labels":{labels}}},"spec":{{"scaleTargetRef":{{"kind":"{kind}","name":"d"}},"maxReplicas":5}}}}"#
            )
        };
        let items = [
            item("Deployment", "{}"),
            item("StatefulSet", "{}"),
            item("Deployment", r#"{"scaledobject.keda.sh/name":"x"}"#),
        ];
        let text = format!(r#"{{"metadata":{{}},"items":[{}]}}"#, items.join(","));
        let read = read_list(&mut text.as_bytes()).unwrap();
        let said: Vec<String> = read.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "HorizontalPodAutoscaler `h` keeps it between 1 and 5",
                "HorizontalPodAutoscaler `h` of KEDA keeps it between 1 and 5"
            ]
        );
    }
}
