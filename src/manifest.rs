//! The objects that a chart renders. Pure: text in, objects out.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::release::Declared;

/// The Deployments of Milvus components that a manifest declares for this
/// release, in the manifest's order.
///
/// # Errors
/// Says what is wrong with the text, without quoting it: manifests hold
/// secrets.
pub fn declared(manifest: &str, release: &str) -> Result<Vec<Declared>, String> {
    let mut found = Vec::new();
    for document in documents(manifest) {
        // Most of a manifest is configuration; only the Deployments are parsed.
        if !document.lines().any(|line| line.trim_end() == "kind: Deployment") {
            continue;
        }
        let object: Deployment = serde_saphyr::from_str(document)
            .map_err(|_| "a Deployment of the manifest is not the YAML of a Deployment".to_owned())?;
        let labels = object.spec.template.metadata.labels;
        let label = |name: &str| labels.get(name).map(String::as_str);
        found.extend(Declared::from_labels(&object.metadata.name, release, label, object.spec.replicas));
    }
    Ok(found)
}

/// The YAML documents of a manifest. Helm begins each with a line of `---`.
fn documents(manifest: &str) -> impl Iterator<Item = &str> {
    manifest.split("\n---").map(|document| document.trim_start_matches("---"))
}

#[derive(Deserialize)]
struct Deployment {
    metadata: Named,
    spec: Spec,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    replicas: Option<u32>,
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    metadata: Labelled,
}

#[derive(Deserialize)]
struct Labelled {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str, instance: &str, component: &str, more: &str) -> String {
        format!(
            "---\n# Source: milvus/templates/x.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n{more}  \
             template:\n    metadata:\n      labels:\n        app.kubernetes.io/instance: {instance}\n        \
             component: \"{component}\"\n    spec: {{}}\n"
        )
    }

    #[test]
    fn only_deployments_of_components_of_this_release_count() {
        let manifest = [
            "---\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: |\n    kind: Deploymentish\n".to_owned(),
            deployment("rel-milvus-querynode", "rel", "querynode", "  replicas: 2\n"),
            deployment("rel-milvus-proxy", "rel", "proxy", ""),
            deployment("other-milvus-querynode", "other", "querynode", "  replicas: 9\n"),
            deployment("rel-exporter", "rel", "exporter", "  replicas: 1\n"),
        ]
        .concat();
        let found = declared(&manifest, "rel").unwrap();
        let seen: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.component.key, d.replicas)).collect();
        assert_eq!(seen, [("rel-milvus-querynode", "queryNode", Some(2)), ("rel-milvus-proxy", "proxy", None)]);
    }

    #[test]
    fn a_resource_group_is_read_from_the_pods_label() {
        let manifest = deployment("rel-milvus-querynode-rg1", "rel", "querynode", "  replicas: 4\n")
            .replace("component:", "milvus.io/resource-group: rg1\n        component:");
        assert_eq!(declared(&manifest, "rel").unwrap()[0].group.as_deref(), Some("rg1"));
    }

    #[test]
    fn what_is_not_yaml_is_said_without_quoting_it() {
        let broken = "---\nkind: Deployment\nmetadata: [password: hunter2\n";
        let reason = declared(broken, "rel").unwrap_err();
        assert!(!reason.contains("hunter2"));
    }
}
