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
    /// The count when it looked last; `None` where it has not looked yet.
    pub now: Option<u32>,
    /// Whether KEDA made it.
    pub keda: bool,
    /// What it says of itself.
    pub conditions: Vec<Condition>,
}

/// A condition of an autoscaler. Free of control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`.
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// The explanation.
    pub message: String,
}

/// What keeps an autoscaler from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it cannot do, in words.
    pub what: &'static str,
    /// One word.
    pub reason: String,
    /// The explanation.
    pub message: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, reason, message } = self;
        write!(out, "{what}: {reason}: {message}")
    }
}

impl Autoscaler {
    /// Why it does not work, in words: it cannot reach its target, or cannot
    /// compute. One that is off because the count is 0 works as it should.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        let is_false = |condition: &&Condition| condition.status == "False" && condition.reason != "ScalingDisabled";
        let of = |kind: &str| self.conditions.iter().find(|condition| condition.kind == kind).filter(is_false);
        let told = |what, condition: &Condition| Trouble {
            what,
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        };
        of("AbleToScale")
            .map(|condition| told("it cannot scale", condition))
            .or_else(|| of("ScalingActive").map(|condition| told("it cannot compute a count", condition)))
    }

    /// What else is worth knowing of one that works, in words.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let condition = |kind: &str| self.conditions.iter().find(|condition| condition.kind == kind);
        if self.conditions.is_empty() {
            return Some("it has not looked yet".to_owned());
        }
        let off = condition("ScalingActive").filter(|active| active.reason == "ScalingDisabled");
        let limited = condition("ScalingLimited").filter(|limited| limited.status == "True");
        match (off, limited) {
            (Some(_), _) => Some("it is off as long as the count is 0".to_owned()),
            (None, Some(limited)) => Some(match limited.reason.as_str() {
                "TooManyReplicas" => format!("it would set more than its maximum of {}", self.max),
                "TooFewReplicas" => format!("it would set fewer than its minimum of {}", self.min),
                _ => format!("it is limited: {}: {}", limited.reason, limited.message),
            }),
            (None, None) => None,
        }
    }
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
            now: read.status.current_replicas.filter(|_| !read.status.conditions.is_empty()),
            conditions: read
                .status
                .conditions
                .into_iter()
                .map(|condition| Condition {
                    kind: plain(&condition.kind),
                    status: plain(&condition.status),
                    reason: plain(&condition.reason),
                    message: plain(&condition.message),
                })
                .collect(),
        })
        .collect())
}

#[derive(Deserialize)]
struct Read {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    current_replicas: Option<u32>,
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

    fn autoscaler(conditions: &str) -> Autoscaler {
        let text = format!(
            r#"{{"metadata":{{}},"items":[{{"metadata":{{"name":"h"}},"status":{{"currentReplicas":3,"conditions":[{conditions}]}},
                "spec":{{"scaleTargetRef":{{"kind":"Deployment","name":"d"}},"minReplicas":2,"maxReplicas":5}}}}]}}"#
        );
        read_list(&mut text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn conditions_are_told_in_words() {
        let condition = |kind: &str, status: &str, reason: &str| {
            format!(r#"{{"type":"{kind}","status":"{status}","reason":"{reason}","message":"its words"}}"#)
        };
        for (kind, status, reason, trouble, remark) in [
            ("ScalingActive", "True", "ValidMetricFound", None, None),
            (
                "ScalingActive",
                "False",
                "FailedGetResourceMetric",
                Some("it cannot compute a count: FailedGetResourceMetric: its words"),
                None,
            ),
            ("ScalingActive", "False", "ScalingDisabled", None, Some("it is off as long as the count is 0")),
            ("AbleToScale", "False", "FailedGetScale", Some("it cannot scale: FailedGetScale: its words"), None),
            ("ScalingLimited", "True", "TooManyReplicas", None, Some("it would set more than its maximum of 5")),
            ("ScalingLimited", "True", "TooFewReplicas", None, Some("it would set fewer than its minimum of 2")),
            ("ScalingLimited", "True", "ScaleUpLimit", None, Some("it is limited: ScaleUpLimit: its words")),
            ("ScalingLimited", "False", "DesiredWithinRange", None, None),
        ] {
            let read = autoscaler(&condition(kind, status, reason));
            let said = read.trouble().map(|trouble| trouble.to_string());
            assert_eq!((said.as_deref(), read.remark().as_deref()), (trouble, remark), "{kind} {reason}");
            assert_eq!(read.now, Some(3));
        }
        let fresh = autoscaler("");
        assert_eq!((fresh.trouble(), fresh.remark().as_deref()), (None, Some("it has not looked yet")));
        assert_eq!(fresh.now, None);
    }

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
