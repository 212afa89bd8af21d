//! The components of a Milvus release as the chart knows them: values key, pod
//! label, spellings, and what may be scaled. Data; nothing here looks at a
//! cluster.

/// What a component is to `scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Scales out and in: its count is `<key>.replicas`.
    Worker,
    /// One, or two where active standby is on.
    Coordinator,
    /// The chart writes its count as a literal, or Milvus supports only one.
    Fixed,
    /// Not a Milvus role: scaled by a key of its own, with consequences that a
    /// change of one number does not have.
    Other {
        /// The values key that holds its count.
        count_key: &'static str,
    },
}

/// One component of the chart. Facts from charts 3.0.0 to 5.0.19.
#[derive(Debug, PartialEq, Eq)]
pub struct Component {
    /// The key in the chart's values, as users are shown it.
    pub key: &'static str,
    /// The value of the bare pod label `component`, also the container's name.
    pub label: &'static str,
    /// What may be done with its count.
    pub role: Role,
    /// The value that switches it on where that is not `<key>.enabled`.
    enabled_by: Option<&'static str>,
    /// Other spellings, lower case, without `-` and `_`.
    spellings: &'static [&'static str],
}

/// A component of the static table; compared by its place in it.
pub type ComponentRef = &'static Component;

impl Component {
    /// The value that switches the component on.
    #[must_use]
    pub fn switch(&self) -> String {
        self.enabled_by.map_or_else(|| format!("{}.enabled", self.key), str::to_owned)
    }

    /// Its name in the custom resource of the Milvus Operator, if it has one.
    #[must_use]
    pub fn operators_key(&self) -> Option<String> {
        match self.role {
            Role::Worker | Role::Coordinator => Some(self.key.replace("Coordinator", "Coord")),
            Role::Fixed | Role::Other { .. } => matches!(self.key, "cdc" | "standalone").then(|| self.key.to_owned()),
        }
    }

    /// The key of its count, as given to `--set`.
    #[must_use]
    pub fn replicas_key(&self) -> String {
        format!("{}.replicas", self.key)
    }
}

const fn component(
    key: &'static str,
    label: &'static str,
    role: Role,
    spellings: &'static [&'static str],
) -> Component {
    Component { key, label, role, enabled_by: None, spellings }
}

/// Every component the chart has ever rendered, workers first.
pub static COMPONENTS: [Component; 15] = [
    component("proxy", "proxy", Role::Worker, &["proxies", "px"]),
    component("queryNode", "querynode", Role::Worker, &["querynodes", "qn"]),
    component("dataNode", "datanode", Role::Worker, &["datanodes", "dn"]),
    component("indexNode", "indexnode", Role::Worker, &["indexnodes", "in"]),
    Component {
        key: "streamingNode",
        label: "streamingnode",
        role: Role::Worker,
        // Since chart 4.2.8; `streamingNode.enabled` stands in the README of
        // the chart but no template reads it.
        enabled_by: Some("streaming.enabled"),
        spellings: &["streamingnodes", "sn"],
    },
    component("mixCoordinator", "mixcoord", Role::Coordinator, &["mixcoord", "mixc"]),
    component("rootCoordinator", "rootcoord", Role::Coordinator, &["rootcoord"]),
    component("queryCoordinator", "querycoord", Role::Coordinator, &["querycoord"]),
    component("dataCoordinator", "datacoord", Role::Coordinator, &["datacoord"]),
    component("indexCoordinator", "indexcoord", Role::Coordinator, &["indexcoord"]),
    component("cdc", "cdc", Role::Fixed, &[]),
    component("attu", "attu", Role::Fixed, &[]),
    Component {
        key: "standalone",
        label: "standalone",
        role: Role::Fixed,
        // It runs where this is false.
        enabled_by: Some("cluster.enabled"),
        spellings: &[],
    },
    component("woodpecker", "woodpecker", Role::Other { count_key: "woodpecker.replicaCount" }, &[]),
    component("tei", "text-embeddings-inference", Role::Other { count_key: "tei.replicaCount" }, &[]),
];

/// The component that a user means: any case, `-` and `_` ignored, short and
/// plural forms. `None` for anything else; there is no guessing.
#[must_use]
pub fn find(spelling: &str) -> Option<ComponentRef> {
    let plain = bare(spelling);
    COMPONENTS.iter().find(|c| {
        c.key.to_ascii_lowercase() == plain || bare(c.label) == plain || c.spellings.contains(&plain.as_str())
    })
}

/// The coordinators of every chart version.
#[must_use]
pub fn coordinators() -> Vec<ComponentRef> {
    COMPONENTS.iter().filter(|component| component.role == Role::Coordinator).collect()
}

/// The component of a pod label.
#[must_use]
pub fn by_label(label: &str) -> Option<ComponentRef> {
    COMPONENTS.iter().find(|c| c.label == label)
}

/// The component nearest to a misspelling, if one is near enough to be meant.
#[must_use]
pub fn nearest(spelling: &str) -> Option<ComponentRef> {
    let plain = bare(spelling);
    COMPONENTS
        .iter()
        .map(|c| (distance(&plain, &c.key.to_ascii_lowercase()), c))
        .min_by_key(|(distance, _)| *distance)
        // A third of the letters wrong is a slip; more is another word.
        .filter(|(distance, c)| *distance * 3 <= c.key.len())
        .map(|(_, c)| c)
}

fn bare(spelling: &str) -> String {
    spelling.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_ascii_lowercase()
}

/// Letters to insert, remove or replace to come from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(spelling: &str) -> Option<&'static str> {
        find(spelling).map(|c| c.key)
    }

    #[test]
    fn every_usual_spelling_finds_its_component() {
        for (spelling, expected) in [
            ("queryNode", "queryNode"),
            ("querynode", "queryNode"),
            ("query-node", "queryNode"),
            ("QUERY_NODE", "queryNode"),
            ("qn", "queryNode"),
            ("dn", "dataNode"),
            ("in", "indexNode"),
            ("sn", "streamingNode"),
            ("streaming-nodes", "streamingNode"),
            ("proxies", "proxy"),
            ("mixcoord", "mixCoordinator"),
            ("root-coord", "rootCoordinator"),
        ] {
            assert_eq!(key(spelling), Some(expected), "{spelling}");
        }
    }

    #[test]
    fn what_is_not_a_component_is_not_guessed() {
        for spelling in ["", "query", "node", "querynode.replicas", "q n", "queryNode,x"] {
            assert_eq!(key(spelling), None, "{spelling}");
        }
    }

    #[test]
    fn no_spelling_means_two_components() {
        for c in &COMPONENTS {
            for s in [c.key, c.label].iter().chain(c.spellings) {
                assert_eq!(key(s), Some(c.key), "{s}");
            }
        }
    }

    #[test]
    fn a_slip_of_the_fingers_finds_the_nearest_and_another_word_finds_none() {
        assert_eq!(nearest("qurynode").map(|c| c.key), Some("queryNode"));
        assert_eq!(nearest("datanod").map(|c| c.key), Some("dataNode"));
        assert_eq!(nearest("kafka"), None);
    }
}
