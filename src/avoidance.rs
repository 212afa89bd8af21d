//! Side effects of an upgrade that are known, and the value that keeps things
//! as they are. Data: a new one is a new entry.

use serde_json::Value;

use crate::manifest::Objects;

/// A known side effect and what avoids it.
#[derive(Debug)]
pub struct Avoidance {
    /// The values key that is set.
    pub key: &'static str,
    /// What it is set to: what the release runs with now.
    pub value: &'static str,
    /// What would happen without it.
    pub effect: &'static str,
    /// How to let it happen on purpose, in a maintenance window.
    pub lift: &'static str,
    /// The chart versions on which it was seen.
    pub seen_on: &'static str,
    /// Whether the release's manifest shows that it is needed: on a release
    /// that runs with another value, the same setting would itself be the
    /// change.
    pub needed: fn(&Objects) -> bool,
}

/// Every known one.
pub static AVOIDANCES: [Avoidance; 1] = [Avoidance {
    key: "etcd.initialClusterState",
    value: "new",
    effect: "without it the first upgrade replaces every etcd pod",
    lift: "--set etcd.initialClusterState=existing",
    // The etcd subchart derives the variable from `.Release.IsInstall` where
    // the value is unset and there is more than one replica.
    seen_on: "3.0.0 to 5.0.19",
    needed: |objects| {
        objects.iter().filter(|(id, _)| id.kind == "StatefulSet").any(|(_, object)| {
            environment(&object.content).any(|(name, value)| name == "ETCD_INITIAL_CLUSTER_STATE" && value == "new")
        })
    },
}];

/// The environment of a workload's containers: names and literal values.
fn environment(workload: &Value) -> impl Iterator<Item = (&str, &str)> {
    let containers = workload.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    containers
        .into_iter()
        .flatten()
        .filter_map(|container| container.get("env")?.as_array())
        .flatten()
        .filter_map(|variable| Some((variable.get("name")?.as_str()?, variable.get("value")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::objects;

    fn needed(state: &str) -> bool {
        let manifest = format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: rel-etcd}}\nspec:\n  template:\n    spec:\n      \
             containers:\n      - name: etcd\n        env:\n        - {{name: ETCD_INITIAL_CLUSTER_STATE, value: \"{state}\"}}\n"
        );
        (AVOIDANCES[0].needed)(&objects(&manifest).unwrap())
    }

    #[test]
    fn etcd_is_kept_only_where_the_release_still_says_new() {
        assert!(needed("new"));
        assert!(!needed("existing"));
        assert!(!(AVOIDANCES[0].needed)(&Objects::new()));
    }
}
