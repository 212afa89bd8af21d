//! The objects that a chart renders, and how two renders differ. Pure: text in,
//! objects and differences out. What manifests hold is secret until a short
//! list says otherwise.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::release::Declared;

/// Which object: two renders of the same object agree on this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    /// `Deployment`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The namespace that the manifest itself names; most leave it out.
    pub namespace: Option<String>,
    /// The group of its API, without the version: `apps`.
    pub group: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} `{}`", self.kind, self.name)
    }
}

impl ObjectId {
    /// The identity of an object of the API.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let version = text("/apiVersion")?;
        Some(Self {
            kind: text("/kind")?,
            name: text("/metadata/name")?,
            namespace: text("/metadata/namespace"),
            group: version.rsplit_once('/').map(|(group, _)| group.to_owned()).unwrap_or_default(),
        })
    }

    /// Whether its kind is one of the API itself, which Helm has a Go type for.
    /// What another one means only its definition knows.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.group.as_str())
    }

    /// Whether its pods restart when its pod template changes.
    #[must_use]
    pub fn is_workload(&self) -> bool {
        matches!(self.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
    }
}

/// The groups of the API itself (client-go 0.37). Definitions of custom
/// resources and of aggregated APIs are not among them.
const BUILT_IN: [&str; 22] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// A rendered object: parsed, and as the text that kubectl can be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its content.
    pub content: Value,
    /// The YAML it was parsed from.
    pub yaml: String,
}

/// The objects of one render.
pub type Objects = BTreeMap<ObjectId, Object>;

/// Parses every object of a manifest.
///
/// # Errors
/// Says what is wrong with the text, without quoting it.
pub fn objects(manifest: &str) -> Result<Objects, String> {
    let mut found = Objects::new();
    for document in documents(manifest) {
        let content: Value = yaml(&document).map_err(|()| "a document of the manifest is not YAML".to_owned())?;
        if content.is_null() {
            continue;
        }
        let id = ObjectId::of(&content)
            .ok_or_else(|| "a document of the manifest has no kind, apiVersion or name".to_owned())?;
        found.insert(id, Object { content, yaml: document });
    }
    Ok(found)
}

/// The Deployments of Milvus components that a manifest declares for this
/// release, in the manifest's order.
///
/// # Errors
/// Says what is wrong with the text, without quoting it.
pub fn declared(manifest: &str, release: &str) -> Result<Vec<Declared>, String> {
    let mut found = Vec::new();
    for document in documents(manifest) {
        // Most of a manifest is configuration; only the Deployments are parsed.
        if !document.lines().any(|line| line.trim_end() == "kind: Deployment") {
            continue;
        }
        let object: Deployment =
            yaml(&document).map_err(|()| "a Deployment of the manifest is not the YAML of a Deployment".to_owned())?;
        let labels = object.spec.template.metadata.labels;
        let label = |name: &str| labels.get(name).map(String::as_str);
        found.extend(Declared::from_labels(&object.metadata.name, release, label, object.spec.replicas));
    }
    Ok(found)
}

/// Whether a manifest declares a component that is really of Milvus: other
/// programs have proxies and query nodes as well. Its name says so, or its
/// image.
#[must_use]
pub fn has_milvus(manifest: &str, release: &str) -> bool {
    let objects = objects(manifest).unwrap_or_default();
    objects.iter().filter(|(id, _)| id.kind == "Deployment").any(|(id, object)| {
        let template = &object.content["spec"]["template"];
        let label = |name: &str| template["metadata"]["labels"][name].as_str();
        let images = template["spec"]["containers"].as_array();
        let image = |container: &Value| container["image"].as_str().is_some_and(|image| image.contains("milvus"));
        Declared::from_labels(&id.name, release, label, None).is_some()
            && (label("app.kubernetes.io/name") == Some("milvus") || images.is_some_and(|all| all.iter().any(image)))
    })
}

/// The YAML documents of a manifest: a line that is `---`, or begins with it
/// and a blank, stands between two.
fn documents(manifest: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in manifest.lines() {
        if line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    documents
        .retain(|document| document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')));
    documents
}

/// Reads YAML as Helm and kubectl do: octal numbers of YAML 1.1 (file modes),
/// and of a key that stands twice the last. The parser's message is dropped
/// because it quotes the text.
pub(crate) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ()> {
    let mut options = serde_saphyr::Options::default();
    options.legacy_octal_numbers = true;
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::LastWins;
    options.with_snippet = false;
    // The text comes from Helm, and a ConfigMap may be large.
    options.budget = None;
    serde_saphyr::from_str_with_options(text, options).map_err(|_| ())
}

/// One difference between two renders, or between a render and the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The object.
    pub object: ObjectId,
    /// What is different.
    pub change: Change,
}

/// What is different about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is only in the new one.
    Created,
    /// It is only in the old one.
    Removed,
    /// A field is different.
    Field {
        /// Such as `.spec.template.spec.containers[etcd].image`.
        path: String,
        /// The old value, `None` where there is none.
        old: Option<Shown>,
        /// The new value.
        new: Option<Shown>,
    },
}

/// A value that may or may not be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is harmless.
    Text(String),
    /// It could be a secret.
    Hidden,
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(text),
            Self::Hidden => out.write_str("(not shown)"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, change } = self;
        match change {
            Change::Created => write!(out, "{object} is created"),
            Change::Removed => write!(out, "{object} is removed"),
            Change::Field { path, old, new } => {
                let side = |shown: &Option<Shown>| shown.as_ref().map_or("(none)".to_owned(), Shown::to_string);
                match (side(old), side(new)) {
                    (old, new) if old == new => write!(out, "{object} `{path}` changes (not shown)")?,
                    (old, new) => write!(out, "{object} `{path}` from {old} to {new}")?,
                }
                if self.restarts_pods() { write!(out, ": its pods restart") } else { Ok(()) }
            }
        }
    }
}

impl Difference {
    /// Whether the object's pods are replaced by it.
    #[must_use]
    pub fn restarts_pods(&self) -> bool {
        let Change::Field { path, .. } = &self.change else { return false };
        self.object.is_workload() && path.starts_with(".spec.template")
    }
}

/// How the new render differs from the old one, in the order of the objects.
/// The order of keys, comments and quoting are no differences: objects are
/// compared, not texts.
#[must_use]
pub fn difference(old: &Objects, new: &Objects) -> Vec<Difference> {
    let mut found = Vec::new();
    for (id, object) in old {
        match new.get(id) {
            None => found.push(Difference { object: id.clone(), change: Change::Removed }),
            Some(other) => found.extend(fields(id, &object.content, &other.content)),
        }
    }
    let created = new.keys().filter(|id| !old.contains_key(id));
    found.extend(created.map(|id| Difference { object: id.clone(), change: Change::Created }));
    found
}

/// How two states of one object differ.
#[must_use]
pub fn fields(id: &ObjectId, old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(id, String::new(), Some(old), Some(new), &mut found);
    found
}

fn compare(id: &ObjectId, path: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(old), Some(new)) if same_scalar(old, new) => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let below = if key.contains(['.', '/']) { format!("{path}[{key}]") } else { format!("{path}.{key}") };
                compare(id, below, old.get(key), new.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let (before, after) = (item_names(old), item_names(new));
            if before == after {
                for (name, (old, new)) in before.iter().zip(old.iter().zip(new)) {
                    compare(id, format!("{path}[{name}]"), Some(old), Some(new), found);
                }
                return;
            }
            let at = |names: &[String], list: &[Value], name: &String| {
                names.iter().position(|other| other == name).and_then(|i| list.get(i).cloned())
            };
            let count = found.len();
            for name in before.iter().chain(after.iter().filter(|name| !before.contains(name))) {
                let (old, new) = (at(&before, old, name), at(&after, new, name));
                compare(id, format!("{path}[{name}]"), old.as_ref(), new.as_ref(), found);
            }
            if found.len() == count {
                // The same items in another order: a pod template is another one.
                found.push(changed(
                    id,
                    path,
                    Some(Shown::Text("one order".into())),
                    Some(Shown::Text("another".into())),
                ));
            }
        }
        (old, new) => {
            let (old, new) = (old.map(|value| shown(id, &path, value)), new.map(|value| shown(id, &path, value)));
            found.push(changed(id, path, old, new));
        }
    }
}

fn changed(id: &ObjectId, path: String, old: Option<Shown>, new: Option<Shown>) -> Difference {
    Difference { object: id.clone(), change: Change::Field { path, old, new } }
}

/// Equal values; numbers by their value, so that 1 and 1.0 are one.
fn same_scalar(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => false,
        (old, new) => old == new,
    }
}

/// What items of a list are called by: their names where all have different
/// ones, else their positions.
fn item_names(list: &[Value]) -> Vec<String> {
    let names: Vec<Option<String>> =
        list.iter().map(|item| item.get("name").and_then(Value::as_str).map(str::to_owned)).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().flatten().collect();
    if distinct.len() == list.len() {
        names.into_iter().flatten().collect()
    } else {
        (0..list.len()).map(|i| i.to_string()).collect()
    }
}

/// Fields whose text is worth seeing and cannot be a secret. Everything else
/// that is text could be one: environment, arguments, configuration.
const HARMLESS: [&str; 9] = [
    "image",
    "imagePullPolicy",
    "type",
    "schedulerName",
    "serviceAccountName",
    "storageClassName",
    "restartPolicy",
    "apiVersion",
    "helm.sh/chart",
];

fn shown(id: &ObjectId, path: &str, value: &Value) -> Shown {
    if matches!(id.kind.as_str(), "Secret" | "ConfigMap") && !path.starts_with(".metadata") {
        return Shown::Hidden;
    }
    let last = path.rsplit(['.', '[']).next().unwrap_or(path).trim_end_matches(']');
    let harmless = HARMLESS.contains(&last) || path.contains("[helm.sh/chart]") || path.contains(".resources.");
    match value {
        Value::Null => Shown::Text("null".to_owned()),
        Value::Bool(_) | Value::Number(_) if !path.contains(".env[") => Shown::Text(value.to_string()),
        Value::String(text) if harmless && text.len() <= 120 => Shown::Text(format!("`{}`", crate::error::plain(text))),
        _ => Shown::Hidden,
    }
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
#[path = "manifest_tests.rs"]
mod tests;
