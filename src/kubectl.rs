//! kubectl's command line: one function per call that is used, building it or
//! reading its answer. Lists and watches go through `get --raw`: kubectl's own
//! `get -o json` holds everything in memory, three times over (2,000 pods of
//! 8 KB: 315 MB, against some 50 MB by pages).

use std::io::BufRead;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::error::plain;
use crate::exec::CallFailure;
use crate::invocation::{Change, Invocation, Program, Query};
use crate::stuck::Event;
use crate::target::Target;
use crate::workload::List;

/// How many objects one page of a list holds; kubectl's own chunk.
pub const PAGE: usize = 500;

/// A selector of labels, built from names that were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(pub String);

/// The pods of some components of a release.
#[must_use]
pub fn pods_of(release: &str, labels: &[&str]) -> Selector {
    let components = match labels {
        [one] => format!("component={one}"),
        several => format!("component in ({})", several.join(",")),
    };
    Selector(format!("app.kubernetes.io/instance={release},{components}"))
}

/// The Deployments and StatefulSets of a release.
#[must_use]
pub fn workloads_of(release: &str) -> Selector {
    Selector(format!("app.kubernetes.io/instance={release}"))
}

/// Everything of the namespace: the dependencies of Milvus do not all carry the
/// release's label (those of Pulsar do not).
#[must_use]
pub fn everything() -> Selector {
    Selector(String::new())
}

/// A page of the Deployments that a selector chooses.
#[must_use]
pub fn list_deployments(target: &Target, selector: &Selector, page: Option<&str>) -> Query {
    raw(target, "apis/apps/v1", "deployments", selector, &page_options(page))
}

/// A page of the StatefulSets that a selector chooses.
#[must_use]
pub fn list_stateful_sets(target: &Target, selector: &Selector, page: Option<&str>) -> Query {
    raw(target, "apis/apps/v1", "statefulsets", selector, &page_options(page))
}

/// A page of the pods that a selector chooses.
#[must_use]
pub fn list_pods(target: &Target, selector: &Selector, page: Option<&str>) -> Query {
    raw(target, "api/v1", "pods", selector, &page_options(page))
}

/// A watch on pods from a position. It ends without a word when the server
/// closes it, the connection breaks or the position is too old.
#[must_use]
pub fn watch_pods(target: &Target, selector: &Selector, from: &str) -> Query {
    let options = [("watch", "1"), ("allowWatchBookmarks", "true"), ("resourceVersion", from)];
    raw(target, "api/v1", "pods", selector, &options)
}

/// A watch on all pods of the namespace, from now on: those that are there come
/// first.
#[must_use]
pub fn watch_all_pods(target: &Target) -> Query {
    raw(target, "api/v1", "pods", &everything(), &WATCH)
}

/// A watch on all Deployments of the namespace, likewise.
#[must_use]
pub fn watch_deployments(target: &Target) -> Query {
    raw(target, "apis/apps/v1", "deployments", &everything(), &WATCH)
}

const WATCH: [(&str, &str); 2] = [("watch", "1"), ("allowWatchBookmarks", "true")];

/// The pods as a user would look at them.
#[must_use]
pub fn get_pods(target: &Target, selector: &Selector) -> Query {
    let call = Invocation::new(Program::Kubectl, ["get", "pods", "-l"]).word(selector.0.clone());
    Query(call.word("-o").word("json").words(target.kubectl_flags_in_namespace()))
}

/// The live state of every object of a manifest that exists.
#[must_use]
pub fn get_objects(target: &Target, manifest: &str) -> Query {
    let call = Invocation::new(Program::Kubectl, ["get", "-f", "-", "--ignore-not-found", "-o", "json"]);
    Query(call.words(target.kubectl_flags_in_namespace()).input(manifest.to_owned()))
}

/// What the server would make of these objects if Helm applied them; nothing
/// is written.
#[must_use]
pub fn dry_apply(target: &Target, manifest: &str) -> Query {
    let words = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "--field-manager=helm"];
    let call = Invocation::new(Program::Kubectl, words).words(["-f", "-", "-o", "json"].map(str::to_owned));
    Query(call.words(target.kubectl_flags_in_namespace()).input(manifest.to_owned()))
}

/// What the server would make of an object under a patch; nothing is written.
/// The patch holds names and nulls, so it may be seen.
#[must_use]
pub fn dry_patch(target: &Target, kind: &str, group: &str, name: &str, patch: &str) -> Query {
    let resource = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
    let call = Invocation::new(Program::Kubectl, ["patch"])
        .words([format!("{resource}/{name}"), "--type=strategic".into(), "--dry-run=server".into()])
        .words([format!("--patch={patch}"), "-o".into(), "json".into()]);
    Query(call.words(target.kubectl_flags_in_namespace()))
}

/// Reviews of the user's own access. To ask is to create a review; the server
/// keeps none.
#[must_use]
pub fn review(target: &Target, reviews: String) -> Query {
    let call = Invocation::new(Program::Kubectl, ["create", "-f", "-", "-o", "json"]);
    Query(call.words(target.kubectl_flags()).input(reviews))
}

/// How long a question beside the point may take: a run must not hang on it.
const PATIENCE: &str = "--request-timeout=5s";

/// Asks a pod of Milvus over HTTP, through the API server. 9091 is the port of
/// its metrics and management.
#[must_use]
pub fn ask_pod(target: &Target, pod: &str, path: &str) -> Query {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}:9091/proxy{path}", target.namespace);
    let call = Invocation::new(Program::Kubectl, ["get", "--raw"]).word(path);
    Query(call.words(target.kubectl_flags()).word(PATIENCE))
}

/// Reads an answer of [`ask_pod`]. What is longer than anything Milvus says is
/// not held.
pub fn read_answer(output: &mut dyn BufRead, longest: u64) -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::Read::take(output, longest + 1), &mut text);
    match read {
        Ok(bytes) if u64::try_from(bytes).unwrap_or(u64::MAX) > longest => Err("the answer is too long".to_owned()),
        Ok(_) => Ok(text),
        Err(failed) => Err(failed.to_string()),
    }
}

/// The newest events about a pod.
#[must_use]
pub fn list_events(target: &Target, pod: &str) -> Query {
    let path = format!(
        "/api/v1/namespaces/{}/events?fieldSelector={}&limit=100",
        target.namespace,
        percent_encoded(&format!("involvedObject.kind=Pod,involvedObject.name={pod}"))
    );
    Query(Invocation::new(Program::Kubectl, ["get", "--raw"]).word(path).words(target.kubectl_flags()).word(PATIENCE))
}

/// Deletes a pod with more time than its own grace. Whoever waits for it, waits
/// elsewhere.
#[must_use]
pub fn delete_pod(target: &Target, pod: &str, grace: Duration) -> Change {
    let call = Invocation::new(Program::Kubectl, ["delete", "pod", pod, "--wait=false"]);
    Change(call.word(format!("--grace-period={}", grace.as_secs())).words(target.kubectl_flags_in_namespace()))
}

/// Marks pods as the first to go when their ReplicaSet shrinks, also once they
/// are Ready (Kubernetes 1.22 and newer).
#[must_use]
pub fn mark_first_to_go(target: &Target, pods: &[String]) -> Change {
    let call = Invocation::new(Program::Kubectl, ["annotate", "pod", "--overwrite"]).words(pods.iter().cloned());
    let cost = "controller.kubernetes.io/pod-deletion-cost=-1".to_owned();
    Change(call.word(cost).words(target.kubectl_flags_in_namespace()))
}

/// What the pods that a selector chooses use, as autoscalers read it.
#[must_use]
pub fn list_usage(target: &Target, selector: &Selector) -> Query {
    raw(target, "apis/metrics.k8s.io/v1beta1", "pods", selector, &[])
}

/// The autoscalers of the namespace.
#[must_use]
pub fn list_autoscalers(target: &Target) -> Query {
    let path = format!("/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers", target.namespace);
    Query(Invocation::new(Program::Kubectl, ["get", "--raw"]).word(path).words(target.kubectl_flags()))
}

/// The Deployments of the namespace that carry the labels of a component, for a
/// person who waits at a prompt.
#[must_use]
pub fn list_labelled_deployments(target: &Target) -> Query {
    let labelled = Selector("app.kubernetes.io/instance,component".to_owned());
    let Query(call) = raw(target, "apis/apps/v1", "deployments", &labelled, &[]);
    Query(call.word(AT_A_PROMPT))
}

/// The namespaces of the cluster, likewise.
#[must_use]
pub fn list_namespaces(target: &Target) -> Query {
    let call = Invocation::new(Program::Kubectl, ["get", "--raw", "/api/v1/namespaces"]);
    Query(call.words(target.kubectl_flags()).word(AT_A_PROMPT))
}

/// The last of several counts.
const AT_A_PROMPT: &str = "--request-timeout=3s";

fn page_options(page: Option<&str>) -> Vec<(&'static str, &str)> {
    // The number is `PAGE`; a test sees to it.
    std::iter::once(("limit", "500")).chain(page.map(|token| ("continue", token))).collect()
}

fn raw(target: &Target, group: &str, resource: &str, selector: &Selector, options: &[(&str, &str)]) -> Query {
    let mut path =
        format!("/{group}/namespaces/{}/{resource}?labelSelector={}", target.namespace, percent_encoded(&selector.0));
    for (name, value) in options {
        path.push_str(&format!("&{name}={}", percent_encoded(value)));
    }
    Query(Invocation::new(Program::Kubectl, ["get", "--raw"]).word(path).words(target.kubectl_flags()))
}

/// Everything but what RFC 3986 calls unreserved is written as `%XX`.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Reads [`list_events`].
pub fn read_events(output: &mut dyn BufRead) -> Result<Vec<Event>, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read {
        #[serde(default)]
        reason: String,
        #[serde(default)]
        message: String,
        // Of the older kind of event; the newer one has a series instead.
        count: Option<u32>,
        last_timestamp: Option<Timestamp>,
        event_time: Option<Timestamp>,
        series: Option<Series>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Series {
        count: u32,
        last_observed_time: Option<Timestamp>,
    }
    let list: List<Read> = read_list(output)?;
    let event = |read: Read| {
        let (count, seen) = read.series.map_or((None, None), |series| (Some(series.count), series.last_observed_time));
        Event {
            count: count.or(read.count).unwrap_or(1),
            last_seen: seen.or(read.last_timestamp).or(read.event_time),
            reason: plain(&read.reason),
            message: plain(&read.message),
        }
    };
    Ok(list.items.into_iter().map(event).collect())
}

/// Reads a list, object by object, from the stream.
pub fn read_list<T: DeserializeOwned>(output: &mut dyn BufRead) -> Result<List<T>, String> {
    // Positions only: what the objects hold is not ours to print.
    serde_json::from_reader(output)
        .map_err(|failed| format!("no list in JSON at line {}, column {}", failed.line(), failed.column()))
}

/// Reads objects as [`get_objects`] and the dry runs print them: a list, one
/// object alone, or nothing at all.
pub fn read_objects(output: &mut dyn BufRead) -> Result<Vec<serde_json::Value>, String> {
    let text = crate::helm::read_text(output)?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut read: serde_json::Value = serde_json::from_str(&text)
        .map_err(|failed| format!("no object in JSON at line {}, column {}", failed.line(), failed.column()))?;
    match read.get_mut("items").map(serde_json::Value::take) {
        Some(serde_json::Value::Array(items)) => Ok(items),
        _ => Ok(vec![read]),
    }
}

/// What kubectl means by a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// The API server says no to this verb on this resource.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The position of a list or watch is too old.
    Expired,
    /// The cluster cannot be reached.
    Unreachable,
    /// Something else.
    Unknown,
}

/// Reads kubectl's own words. It puts the API's reason in brackets; the rest is
/// the HTTP client's. The samples in the test below are captured from 1.37.2.
#[must_use]
pub fn meaning(failure: &CallFailure) -> Meaning {
    let said = failure.stderr();
    let has = |text: &str| said.contains(text);
    if has("(Forbidden)") {
        Meaning::Forbidden
    } else if has("(NotFound)") {
        Meaning::NotFound
    } else if has("(Expired)") || has("(Gone)") {
        Meaning::Expired
    } else if has("Unable to connect to the server")
        || has("The connection to the server")
        || has("was refused")
        || has("i/o timeout")
        || has("(ServiceUnavailable)")
    {
        Meaning::Unreachable
    } else {
        Meaning::Unknown
    }
}

/// The verb and the resource that the API server denies first, as `kubectl auth
/// can-i` takes them: `list`, `deployments.apps`.
#[must_use]
pub fn denied(stderr: &str) -> Option<(String, String)> {
    let (_, said) = stderr.split_once("\" cannot ")?;
    let (verb, said) = said.split_once(" resource \"")?;
    let (resource, said) = said.split_once("\" in API group \"")?;
    let (group, _) = said.split_once('"')?;
    let dot = if group.is_empty() { "" } else { "." };
    Some((plain(verb), plain(&format!("{resource}{dot}{group}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Connection, Environment};

    fn target() -> Target {
        let connection = Connection {
            namespace: Some("vectors".into()),
            request_timeout: Some("5s".into()),
            ..Connection::default()
        };
        Target::resolve(&connection, &Environment::default()).unwrap()
    }

    #[test]
    fn what_the_server_denies_is_read_from_its_words() {
        let said = r#"Error from server (Forbidden): configmaps "rel-milvus" is forbidden: User "jane" cannot get resource "configmaps" in API group "" in the namespace "n"
Error from server (Forbidden): deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" in the namespace "n""#;
        assert_eq!(denied(said), Some(("get".into(), "configmaps".into())));
        let second = said.lines().nth(1).unwrap();
        assert_eq!(denied(second), Some(("list".into(), "deployments.apps".into())));
        assert_eq!(denied("Error from server (Forbidden): no"), None);
    }

    #[test]
    fn lists_and_watches_are_raw_and_encoded() {
        let selector = pods_of("rel", &["querynode", "proxy"]);
        insta::assert_snapshot!(list_pods(&target(), &selector, Some("a b&c")).0, @"kubectl get --raw '/api/v1/namespaces/vectors/pods?labelSelector=app.kubernetes.io%2Finstance%3Drel%2Ccomponent%20in%20%28querynode%2Cproxy%29&limit=500&continue=a%20b%26c' --request-timeout=5s");
        insta::assert_snapshot!(watch_pods(&target(), &pods_of("rel", &["proxy"]), "7").0, @"kubectl get --raw '/api/v1/namespaces/vectors/pods?labelSelector=app.kubernetes.io%2Finstance%3Drel%2Ccomponent%3Dproxy&watch=1&allowWatchBookmarks=true&resourceVersion=7' --request-timeout=5s");
        insta::assert_snapshot!(get_pods(&target(), &pods_of("rel", &["proxy"])).0, @"kubectl get pods -l app.kubernetes.io/instance=rel,component=proxy -o json --namespace=vectors --request-timeout=5s");
        assert_eq!(PAGE.to_string(), page_options(None)[0].1);
    }

    #[test]
    fn kubectls_own_words_are_understood() {
        for (said, expected) in [
            (
                "Error from server (Forbidden): pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"",
                Meaning::Forbidden,
            ),
            ("Error from server (NotFound): the server could not find the requested resource", Meaning::NotFound),
            ("Error from server (Expired): The provided continue parameter is too old", Meaning::Expired),
            (
                "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
                Meaning::Unreachable,
            ),
            ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", Meaning::Unreachable),
            ("error: something new", Meaning::Unknown),
        ] {
            let failure =
                CallFailure::Ended { line: "kubectl".into(), status: "exit status 1".into(), stderr: said.into() };
            assert_eq!(meaning(&failure), expected, "{said}");
        }
    }
}
