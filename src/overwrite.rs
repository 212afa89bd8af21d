//! What an upgrade would overwrite in the cluster: a rendered object against
//! the live one. Pure. It answers only what it is sure of; defaulted fields,
//! quantities and lists without names are left to the server to decide.

use serde_json::{Map, Value, json};

/// What a look at a rendered and a live object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Everything the render says is so already.
    Same,
    /// Something is, or may be, different: the server decides.
    Doubt,
}

/// Compares what is rendered with what is live. Live fields that the render
/// does not name are not the upgrade's to change.
#[must_use]
pub fn look(rendered: &Value, live: &Value) -> Look {
    if within(rendered, live) { Look::Same } else { Look::Doubt }
}

/// Whether the live value already says everything the rendered one says.
fn within(rendered: &Value, live: &Value) -> bool {
    match (rendered, live) {
        (Value::Object(rendered), Value::Object(live)) => rendered.iter().all(|(key, value)| match live.get(key) {
            Some(_) if value.is_null() && holds_helms_own(key) => true,
            Some(live) => within(value, live),
            None => is_empty(value),
        }),
        (Value::Array(rendered), Value::Array(live)) => {
            if rendered.is_empty() {
                return live.is_empty();
            }
            match (names(rendered), names(live)) {
                // Injected sidecars and variables stand between ours.
                (Some(ours), Some(theirs)) => rendered.iter().zip(ours).all(|(item, name)| {
                    let found = theirs.iter().position(|other| *other == name).and_then(|at| live.get(at));
                    found.is_some_and(|live| within(item, live))
                }),
                _ => rendered.len() == live.len() && rendered.iter().zip(live).all(|(item, live)| within(item, live)),
            }
        }
        (Value::Null, live) => is_empty(live),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (rendered, live) => rendered == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

/// Helm adds its own marks to these, so that an explicit null in a chart never
/// empties them (measured, Helm 3.22 and 4.3).
fn holds_helms_own(key: &str) -> bool {
    matches!(key, "annotations" | "labels")
}

/// The names of a list's items, if all have one.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(|item| item.get("name").and_then(Value::as_str)).collect()
}

/// The fields that a render holds as an explicit null or empty list while the
/// cluster has something there, as a strategic merge patch that takes them
/// away: Helm removes them (three-way merge; a release that is applied on the
/// server ignores a null). `None` where there is no such field.
///
/// Annotations and labels are left out.
#[must_use]
pub fn emptied(rendered: &Value, live: &Value) -> Option<Value> {
    let (Value::Object(rendered), Value::Object(live)) = (rendered, live) else { return None };
    let mut patch = Map::new();
    for (key, value) in rendered {
        let Some(live) = live.get(key) else { continue };
        let below = match value {
            Value::Null if !is_empty(live) && !holds_helms_own(key) => Some(Value::Null),
            Value::Array(items) if items.is_empty() && !is_empty(live) => Some(Value::Null),
            Value::Array(items) => emptied_items(items, live),
            value => emptied(value, live),
        };
        patch.extend(below.map(|below| (key.clone(), below)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Items of a list that a strategic merge patch can address: those with names.
fn emptied_items(rendered: &[Value], live: &Value) -> Option<Value> {
    let live = live.as_array()?;
    let patches: Vec<Value> = rendered
        .iter()
        .filter_map(|item| {
            let name = item.get("name")?.as_str()?;
            let live = live.iter().find(|other| other.get("name").and_then(Value::as_str) == Some(name))?;
            let mut patch = emptied(item, live)?;
            patch.as_object_mut()?.insert("name".to_owned(), json!(name));
            Some(patch)
        })
        .collect();
    (!patches.is_empty()).then_some(Value::Array(patches))
}

/// An object without what every write of it changes: to compare a dry run's
/// answer with what is live.
#[must_use]
pub fn lasting(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"] {
            metadata.remove(field);
        }
        // Helm adds these to what the chart renders; a dry run of the bare
        // render takes them away.
        for (field, marks) in HELMS_OWN {
            if let Some(Value::Object(entries)) = metadata.get_mut(field) {
                entries.retain(|entry, _| !marks.contains(&entry.as_str()));
            }
        }
        metadata.retain(|_, value| !is_empty(value));
    }
    object
}

/// The marks by which Helm knows its objects.
const HELMS_OWN: [(&str, &[&str]); 2] = [
    ("annotations", &["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"]),
    ("labels", &["app.kubernetes.io/managed-by"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rendered: &Value, live: &Value, expected: Look) {
        assert_eq!(look(rendered, live), expected, "{rendered} {live}");
    }

    #[test]
    fn what_the_cluster_added_is_not_ours_to_change() {
        check(&json!({"a": 1}), &json!({"a": 1, "b": 2}), Look::Same);
        check(
            &json!([{"name": "c", "x": 1}]),
            &json!([{"name": "sidecar"}, {"name": "c", "x": 1, "y": 2}]),
            Look::Same,
        );
        check(&json!({"hostNetwork": false, "nodeSelector": {}, "env": null}), &json!({}), Look::Same);
    }

    #[test]
    fn what_differs_or_could_differ_is_left_to_the_server() {
        check(&json!({"image": "a"}), &json!({"image": "b"}), Look::Doubt);
        check(&json!({"cpu": "1000m"}), &json!({"cpu": "1"}), Look::Doubt);
        check(&json!({"a": 1}), &json!({}), Look::Doubt);
        check(&json!([{"name": "A", "value": "x"}]), &json!([]), Look::Doubt);
        check(&json!(["a", "b"]), &json!(["a"]), Look::Doubt);
        check(&json!({"env": null}), &json!({"env": [{"name": "A"}]}), Look::Doubt);
        check(&json!({"args": []}), &json!({"args": ["x"]}), Look::Doubt);
    }

    #[test]
    fn an_explicit_null_over_something_live_becomes_a_patch_that_takes_it_away() {
        let rendered = json!({"spec": {"containers": [{"name": "c", "env": null, "args": ["x"]}], "strategy": null}});
        let live =
            json!({"spec": {"containers": [{"name": "c", "env": [{"name": "A"}]}], "strategy": {"type": "Recreate"}}});
        assert_eq!(
            emptied(&rendered, &live),
            Some(json!({"spec": {"containers": [{"name": "c", "env": null}], "strategy": null}}))
        );
        assert_eq!(emptied(&rendered, &json!({"spec": {"containers": [{"name": "c"}]}})), None);
        assert_eq!(emptied(&json!({"annotations": null}), &json!({"annotations": {"a": "b"}})), None);
    }
}
