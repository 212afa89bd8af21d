//! The autoscalers of a namespace: the chart's, those made by hand, and those
//! that KEDA makes, which are HorizontalPodAutoscalers too.

mod json;

pub use json::{of_object, read_list};

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The share of the requested CPU that it aims at, in percent.
    pub cpu: Option<u32>,
    /// The share of the requested memory that it aims at, in percent.
    pub memory: Option<u32>,
    /// Whether it never removes a pod: `scaleDown.selectPolicy: Disabled`. Its
    /// bounds hold all the same (Kubernetes 1.37, tried).
    pub grow_only: bool,
    /// What it has measured last, against what it aims at; both in percent.
    pub usage: Vec<Usage>,
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

/// A measured utilization, in percent of what is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The average of the pods.
    pub now: u32,
    /// What the autoscaler aims at.
    pub target: u32,
}

/// Why a count cannot be set beside an autoscaler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It moves the count in both directions: the count is its own.
    Owned,
    /// It sets the count back to its bounds at once, also one that only grows.
    OutsideBounds,
    /// It would grow back to this count, by what it has measured.
    GrowsBack(u32),
}

impl Autoscaler {
    /// Whether a count can be set beside it. One that only grows leaves a count
    /// within its bounds alone, unless its metrics ask for more.
    #[must_use]
    pub fn conflict(&self, from: u32, to: u32) -> Option<Conflict> {
        if !self.grow_only {
            return Some(Conflict::Owned);
        }
        if !(self.min..=self.max).contains(&to) {
            return Some(Conflict::OutsideBounds);
        }
        let back = self.usage.iter().map(|usage| usage.wants(from, to)).max().unwrap_or(to).min(self.max);
        (to < from && back > to).then_some(Conflict::GrowsBack(back))
    }

    /// What it aims at: `cpu 60 %, memory 60 %`.
    #[must_use]
    pub fn targets(&self) -> String {
        let one = |name: &str, percent: Option<u32>| percent.map(|percent| format!("{name} {percent} %"));
        let known = [one("cpu", self.cpu), one("memory", self.memory)];
        known.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Such as `between 2 and 5 (cpu 40 %, memory 60 %)`.
    #[must_use]
    pub fn described(&self) -> String {
        let Self { min, max, grow_only, .. } = self;
        let only = if *grow_only { ", growing only" } else { "" };
        format!("between {min} and {max} ({}{only})", self.targets())
    }

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

impl Usage {
    /// The count that it asks for once `from` pods have become `to` and share
    /// what the others did: `ceil(from * now / target)`, and nothing within
    /// the 10 % of tolerance that the controller has by default.
    fn wants(self, from: u32, to: u32) -> u32 {
        let (from, now, target) = (u64::from(from), u64::from(self.now), u64::from(self.target.max(1)));
        let tolerated = from * now * 10 <= u64::from(to) * target * 11;
        if tolerated { to } else { u32::try_from((from * now).div_ceil(target)).unwrap_or(u32::MAX) }
    }
}

/// The name of the autoscaler that `autoscale` prints: another than the chart's,
/// which Helm would not take over from somebody else.
#[must_use]
pub fn printed_name(deployment: &str) -> String {
    format!("{deployment}-autoscaler")
}

impl std::fmt::Display for Autoscaler {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, min, max, keda, .. } = self;
        let of = if *keda { " of KEDA" } else { "" };
        write!(out, "HorizontalPodAutoscaler `{name}`{of} keeps it between {min} and {max}")
    }
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

    #[test]
    fn what_it_aims_at_what_it_measures_and_whether_it_shrinks_is_read() {
        let text = r#"{"kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},
            "minReplicas":2,"maxReplicas":5,"behavior":{"scaleDown":{"selectPolicy":"Disabled"}},"metrics":[
            {"type":"Pods","pods":{}},{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":60}}}]},
            "status":{"currentMetrics":[{"type":""},{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":33,"averageValue":"1"}}}]}}"#;
        let read = of_object(&serde_json::from_str(text).unwrap()).unwrap();
        assert!(read.grow_only);
        assert_eq!((read.min, read.max, read.targets().as_str()), (2, 5, "cpu 60 %"));
        assert_eq!(read.usage, [Usage { now: 33, target: 60 }]);
        assert_eq!(of_object(&serde_json::json!({"kind": "Deployment", "metadata": {"name": "d"}})), None);
    }

    #[test]
    fn one_that_only_grows_leaves_counts_within_its_bounds_to_others() {
        let grows = |now| Autoscaler {
            min: 2,
            max: 6,
            grow_only: true,
            usage: vec![Usage { now: 1, target: 90 }, Usage { now, target: 50 }],
            ..Autoscaler::default()
        };
        let shrinks = Autoscaler { grow_only: false, ..grows(10) };
        assert_eq!(shrinks.conflict(4, 3), Some(Conflict::Owned));
        assert_eq!(grows(10).conflict(4, 2), None);
        assert_eq!(grows(10).conflict(4, 6), None);
        assert_eq!(grows(10).conflict(4, 1), Some(Conflict::OutsideBounds));
        assert_eq!(grows(10).conflict(4, 7), Some(Conflict::OutsideBounds));
        // 4 pods at 25 % are 2 at 50 %; 4 at 27 % are 2 at 54 %, which is
        // tolerated; 4 at 28 % are 2 at 56 %, and that asks for a third.
        assert_eq!(grows(25).conflict(4, 2), None);
        assert_eq!(grows(27).conflict(4, 2), None);
        assert_eq!(grows(28).conflict(4, 2), Some(Conflict::GrowsBack(3)));
        assert_eq!(grows(400).conflict(4, 2), Some(Conflict::GrowsBack(6)));
        // Growing is what it wants too.
        assert_eq!(grows(400).conflict(4, 5), None);
    }
}
