//! The Milvus releases of a namespace as their Deployments show them: one list
//! says which releases there are, of which chart, with which components and
//! counts. Helm itself would have to unpack every release it keeps.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::component::{self, ComponentRef, Role};
use crate::error::plain;
use crate::release::{COMPONENT_LABEL, INSTANCE_LABEL};

/// A release that has Deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Running {
    /// Its name.
    pub(super) release: String,
    /// Chart and version, as the label `helm.sh/chart` has them.
    pub(super) chart: String,
    /// What of it can be scaled.
    pub(super) components: Vec<Part>,
}

/// A component that a release runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Which.
    pub(super) component: ComponentRef,
    /// Its count, in each group; `None` where the groups differ.
    pub(super) count: Option<u32>,
    /// Its resource groups; 1 where there are none.
    pub(super) groups: usize,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.count, self.groups) {
            (Some(count), 1) => write!(out, "{count} now"),
            (Some(count), groups) => write!(out, "{count} now in each of {groups} groups"),
            (None, groups) => write!(out, "different counts in {groups} groups"),
        }
    }
}

/// A Deployment, as far as completion looks at it.
#[derive(Debug, Deserialize)]
pub(super) struct Labelled {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Spec {
    replicas: Option<u32>,
}

/// Sorts Deployments into releases of the chart `milvus`, by name.
#[must_use]
pub(super) fn running(deployments: &[Labelled]) -> Vec<Running> {
    let mut releases: BTreeMap<&str, Running> = BTreeMap::new();
    for Labelled { metadata: Metadata { labels }, spec } in deployments {
        let label = |name: &str| labels.get(name).map(String::as_str);
        let (Some(release), Some(chart)) = (label(INSTANCE_LABEL), label("helm.sh/chart").filter(|c| is_milvus(c)))
        else {
            continue;
        };
        let one = releases.entry(release).or_insert_with(|| Running {
            release: plain(release),
            chart: plain(chart),
            components: Vec::new(),
        });
        let component = label(COMPONENT_LABEL).and_then(component::by_label);
        if let Some(component) = component.filter(|component| component.role == Role::Worker) {
            // The API server fills in 1 where nothing is given.
            let count = spec.replicas.unwrap_or(1);
            match one.components.iter_mut().find(|part| part.component == component) {
                Some(part) => {
                    part.groups += 1;
                    part.count = part.count.filter(|known| *known == count);
                }
                None => one.components.push(Part { component, count: Some(count), groups: 1 }),
            }
        }
    }
    releases.into_values().collect()
}

/// Whether a chart's label is of `milvus` and not of `milvus-operator`.
fn is_milvus(chart: &str) -> bool {
    chart.strip_prefix("milvus-").is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_from_the_labels_of_deployments() {
        let deployment = |release: &str, chart: &str, component: &str, replicas: &str| -> Labelled {
            let labels = format!(
                r#"{{"app.kubernetes.io/instance":"{release}","helm.sh/chart":"{chart}","component":"{component}"}}"#
            );
            serde_json::from_str(&format!(r#"{{"metadata":{{"labels":{labels}}},"spec":{{{replicas}}}}}"#)).unwrap()
        };
        let read = running(&[
            deployment("b", "milvus-5.0.19", "querynode", r#""replicas":2"#),
            deployment("b", "milvus-5.0.19", "querynode", r#""replicas":2"#),
            deployment("b", "milvus-5.0.19", "datanode", r#""replicas":2"#),
            deployment("b", "milvus-5.0.19", "datanode", r#""replicas":0"#),
            deployment("b", "milvus-5.0.19", "mixcoord", r#""replicas":1"#),
            deployment("a", "milvus-4.0.3", "proxy", ""),
            deployment("o", "milvus-operator-1.3.0", "proxy", ""),
            deployment("p", "pulsar-3.3.0", "proxy", ""),
            serde_json::from_str(r#"{"metadata":{}}"#).unwrap(),
        ]);
        let said: Vec<String> = read
            .iter()
            .flat_map(|one| {
                one.components.iter().map(move |p| format!("{} {} {} {p}", one.release, one.chart, p.component.key))
            })
            .collect();
        assert_eq!(
            said,
            [
                "a milvus-4.0.3 proxy 1 now",
                "b milvus-5.0.19 queryNode 2 now in each of 2 groups",
                "b milvus-5.0.19 dataNode different counts in 2 groups",
            ]
        );
    }
}
