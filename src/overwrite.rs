//! What an upgrade would overwrite in the cluster: a rendered object against
//! the live one. Pure. It answers only what it is sure of; defaulted fields,
//! quantities and order are left to the server to decide.

use serde_json::{Map, Value, json};

use crate::manifest::ObjectId;

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
    if within(kind(rendered), "", rendered, live) { Look::Same } else { Look::Doubt }
}

/// The kind of an object that the API knows by itself; empty for any other.
fn kind(object: &Value) -> &str {
    let built_in = ObjectId::of(object).is_some_and(|id| id.is_built_in());
    object.get("kind").and_then(Value::as_str).filter(|_| built_in).unwrap_or_default()
}

/// Whether the live value of a field already says everything that the rendered
/// one says.
fn within(kind: &str, field: &str, rendered: &Value, live: &Value) -> bool {
    match (rendered, live) {
        (Value::Object(rendered), Value::Object(live)) => rendered.iter().all(|(key, value)| match live.get(key) {
            Some(_) if value.is_null() && holds_helms_own(key) => true,
            Some(live) => within(kind, key, value, live),
            None => is_empty(value),
        }),
        (Value::Array(rendered), Value::Array(live)) if !rendered.is_empty() => {
            let Some((_, places)) = merged(kind, field, rendered, live) else {
                let same = |(item, live): (&Value, &Value)| within(kind, "", item, live);
                return rendered.len() == live.len() && rendered.iter().zip(live).all(same);
            };
            // Injected sidecars and variables stand between ours, whose order is
            // that of the render: another order is another pod template.
            let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
            let same = |(item, place): (&Value, &Option<usize>)| {
                place.and_then(|at| live.get(at)).is_some_and(|live| within(kind, "", item, live))
            };
            in_order && rendered.iter().zip(&places).all(same)
        }
        (Value::Array(_), Value::Array(live)) => live.is_empty(),
        (Value::Null, live) => is_empty(live),
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (rendered, live) => rendered == live,
    }
}

/// The list fields whose items are merged, and what tells the items apart: the
/// API's `patchMergeKey`. Every other list is one value, with names in it or
/// not: what someone added to the subjects of a `RoleBinding` goes.
fn merge_key(kind: &str, field: &str) -> Option<&'static str> {
    match (kind, field) {
        ("Service", "ports") => Some("port"),
        ("ServiceAccount", "secrets") => Some("name"),
        ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob" | "Pod", field) => match field {
            "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
            "ports" => Some("containerPort"),
            "volumeMounts" => Some("mountPath"),
            "volumeDevices" => Some("devicePath"),
            _ => None,
        },
        _ => None,
    }
}

/// Of a list whose items are merged the key, and where each rendered item
/// stands in the live list. `None` for any other list, and where the key does
/// not tell the items apart: a port may be there for two protocols.
fn merged(kind: &str, field: &str, rendered: &[Value], live: &[Value]) -> Option<(&'static str, Vec<Option<usize>>)> {
    let key = merge_key(kind, field)?;
    let (ours, theirs) = (keys(rendered, key)?, keys(live, key)?);
    Some((key, ours.iter().map(|name| theirs.iter().position(|other| other == name)).collect()))
}

fn keys<'a>(list: &'a [Value], key: &str) -> Option<Vec<&'a Value>> {
    let keys: Vec<&Value> = list.iter().map(|item| item.get(key)).collect::<Option<_>>()?;
    let distinct = keys.iter().enumerate().all(|(at, one)| !keys[..at].contains(one));
    distinct.then_some(keys)
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

/// What a three-way merge on the client does beyond setting the fields that are
/// rendered, as a strategic merge patch: it takes away what the render holds as
/// an explicit null, or as an empty list where lists are not merged; and it puts
/// the items of a merged list into the render's order. `None` where it does
/// neither. (A release that is applied on the server ignores a null.)
///
/// Annotations and labels are left out.
#[must_use]
pub fn merged_away(rendered: &Value, live: &Value) -> Option<Value> {
    patch(kind(rendered), rendered, live)
}

fn patch(kind: &str, rendered: &Value, live: &Value) -> Option<Value> {
    let (Value::Object(rendered), Value::Object(live)) = (rendered, live) else { return None };
    let mut fields = Map::new();
    for (key, value) in rendered {
        let Some(live) = live.get(key) else { continue };
        match (value, live) {
            (Value::Null, live) if !is_empty(live) && !holds_helms_own(key) => {
                fields.insert(key.clone(), Value::Null);
            }
            (Value::Array(items), Value::Array(others)) => match merged(kind, key, items, others) {
                Some((by, places)) => {
                    let stand: Vec<usize> = places.iter().copied().flatten().collect();
                    if !stand.is_sorted() {
                        let order = items.iter().map(|item| json!({by: item.get(by)})).collect();
                        fields.insert(format!("$setElementOrder/{key}"), Value::Array(order));
                    }
                    let found = items.iter().zip(places).filter_map(|(item, at)| Some((item, others.get(at?)?)));
                    let below: Vec<Value> = found
                        .filter_map(|(item, other)| {
                            let mut below = patch(kind, item, other)?;
                            below.as_object_mut()?.insert(by.to_owned(), item.get(by)?.clone());
                            Some(below)
                        })
                        .collect();
                    if !below.is_empty() {
                        fields.insert(key.clone(), Value::Array(below));
                    }
                }
                None if items.is_empty() && !others.is_empty() && merge_key(kind, key).is_none() => {
                    fields.insert(key.clone(), Value::Null);
                }
                None => {}
            },
            (value, live) => fields.extend(patch(kind, value, live).map(|below| (key.clone(), below))),
        }
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
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

    /// A Deployment with these fields in its pods.
    fn pods(fields: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"template": {"spec": fields}}
        })
    }

    fn check(rendered: &Value, live: &Value, expected: Look) {
        assert_eq!(look(&pods(rendered), &pods(live)), expected, "{rendered} {live}");
    }

    #[test]
    fn what_the_cluster_added_is_not_ours_to_change() {
        check(&json!({"a": 1}), &json!({"a": 1, "b": 2}), Look::Same);
        check(
            &json!({"containers": [{"name": "c", "x": 1}]}),
            &json!({"containers": [{"name": "sidecar"}, {"name": "c", "x": 1, "y": 2}]}),
            Look::Same,
        );
        check(
            &json!({"env": [{"name": "A"}, {"name": "B"}]}),
            &json!({"env": [{"name": "A"}, {"name": "injected"}, {"name": "B"}]}),
            Look::Same,
        );
        check(
            &json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]}),
            &json!({"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]}),
            Look::Same,
        );
        check(&json!({"hostNetwork": false, "nodeSelector": {}, "env": null}), &json!({}), Look::Same);
    }

    #[test]
    fn what_differs_or_could_differ_is_left_to_the_server() {
        check(&json!({"image": "a"}), &json!({"image": "b"}), Look::Doubt);
        check(&json!({"cpu": "1000m"}), &json!({"cpu": "1"}), Look::Doubt);
        check(&json!({"a": 1}), &json!({}), Look::Doubt);
        check(&json!({"env": [{"name": "A", "value": "x"}]}), &json!({"env": []}), Look::Doubt);
        check(&json!({"args": ["a", "b"]}), &json!({"args": ["a"]}), Look::Doubt);
        check(&json!({"env": null}), &json!({"env": [{"name": "A"}]}), Look::Doubt);
        check(&json!({"args": []}), &json!({"args": ["x"]}), Look::Doubt);
    }

    #[test]
    fn the_same_items_in_another_order_are_not_the_same() {
        let (rendered, live) =
            (json!({"env": [{"name": "A"}, {"name": "B"}]}), json!({"env": [{"name": "B"}, {"name": "A"}]}));
        check(&rendered, &live, Look::Doubt);
        assert_eq!(
            merged_away(&pods(&rendered), &pods(&live)).unwrap()["spec"]["template"]["spec"],
            json!({"$setElementOrder/env": [{"name": "A"}, {"name": "B"}]})
        );
    }

    /// A port that is there for TCP and for UDP.
    #[test]
    fn items_that_the_key_does_not_tell_apart_are_compared_one_by_one() {
        let port = |protocol: &str| json!({"containerPort": 53, "protocol": protocol});
        let both = json!({"ports": [port("TCP"), port("UDP")]});
        check(&both, &both, Look::Same);
        check(&json!({"ports": [port("TCP")]}), &both, Look::Doubt);
    }

    #[test]
    fn a_list_that_is_one_value_may_hold_nothing_more_also_where_its_items_have_names() {
        let binding = |subjects: &[&str]| {
            let subjects: Vec<Value> = subjects.iter().map(|name| json!({"kind": "User", "name": name})).collect();
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
                "subjects": subjects
            })
        };
        assert_eq!(look(&binding(&["a"]), &binding(&["a"])), Look::Same);
        assert_eq!(look(&binding(&["a"]), &binding(&["a", "by-hand"])), Look::Doubt);
        // Nobody here knows which lists of a custom resource are merged.
        let custom = |names: &[&str]| {
            let containers: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            json!({
                "apiVersion": "example.com/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "containers": containers
            })
        };
        assert_eq!(look(&custom(&["a"]), &custom(&["a", "by-hand"])), Look::Doubt);
    }

    #[test]
    fn an_explicit_null_over_something_live_becomes_a_patch_that_takes_it_away() {
        let rendered = pods(&json!({"containers": [{"name": "c", "env": null, "args": []}], "affinity": null}));
        let live = pods(&json!({
            "containers": [{"name": "c", "env": [{"name": "A"}], "args": ["x"]}], "affinity": {"nodeAffinity": {"a": 1}}
        }));
        assert_eq!(
            merged_away(&rendered, &live).unwrap()["spec"]["template"]["spec"],
            json!({"containers": [{"name": "c", "env": null, "args": null}], "affinity": null})
        );
        assert_eq!(merged_away(&rendered, &pods(&json!({"containers": [{"name": "c"}]}))), None);
        assert_eq!(merged_away(&json!({"annotations": null}), &json!({"annotations": {"a": "b"}})), None);
        // A merged list that is empty takes nothing away.
        let nothing = pods(&json!({"containers": [{"name": "c", "env": []}]}));
        assert_eq!(merged_away(&nothing, &live), None);
    }
}
