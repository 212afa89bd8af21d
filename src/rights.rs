//! Whether the user may do what an upgrade does, asked before it is begun: Helm
//! finds out half-way, and leaves a failed revision.

use std::io::BufRead;

use serde::Deserialize;
use serde_json::json;

use crate::error::Failure;
use crate::exec::Exec;
use crate::kubectl;
use crate::manifest::{ObjectId, Objects};
use crate::release::Apply;
use crate::target::Target;

/// A verb on a resource in the namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `patch`
    pub verb: &'static str,
    /// `apps`; empty for the core group.
    pub group: String,
    /// `deployments`
    pub resource: String,
}

impl std::fmt::Display for Right {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(out, "{} {}{dot}{}", self.verb, self.resource, self.group)
    }
}

/// What an upgrade needs: to write Helm's record of it, and to patch. On the
/// client Helm patches what changes; on the server it applies every object.
#[must_use]
pub fn needed(target: &Target, apply: Apply, objects: &Objects) -> Vec<Right> {
    let core = |verb, resource: &str| Right { verb, group: String::new(), resource: resource.to_owned() };
    let mut rights: Vec<Right> =
        target.helm_storage().into_iter().flat_map(|kind| [core("create", kind), core("update", kind)]).collect();
    // Jobs are mostly gone from the next render; the proof asks about them.
    let patched = objects.keys().filter(|id| match id.kind.as_str() {
        "Deployment" => true,
        "Job" => false,
        _ => apply == Apply::ServerSide,
    });
    rights.extend(patched.filter_map(|id| on("patch", id)));
    rights.sort();
    rights.dedup();
    rights
}

/// The right to a verb on an object. `None` for what is not the API's own: only
/// its definition knows what the resource is called.
#[must_use]
pub fn on(verb: &'static str, id: &ObjectId) -> Option<Right> {
    id.is_built_in().then(|| Right { verb, group: id.group.clone(), resource: plural(id) })
}

/// The resource of a kind: lower case and plural, as the API's own kinds are.
fn plural(id: &ObjectId) -> String {
    let kind = id.kind.to_ascii_lowercase();
    match kind.as_bytes() {
        _ if kind == "endpoints" => kind,
        [.., b's'] => kind + "es",
        [.., b'a' | b'e' | b'o' | b'u', b'y'] => kind + "s",
        [start @ .., b'y'] => format!("{}ies", String::from_utf8_lossy(start)),
        _ => kind + "s",
    }
}

/// Asks for all of them in one call.
///
/// # Errors
/// `forbidden`, with every right that is missing. Where the server does not
/// answer the question, nothing is claimed: the upgrade will tell.
pub fn check(exec: &Exec, target: &Target, rights: &[Right]) -> Result<(), Failure> {
    if rights.is_empty() {
        return Ok(());
    }
    let reviews: Vec<_> = rights
        .iter()
        .map(|Right { verb, group, resource }| {
            json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {
                    "namespace": target.namespace, "verb": verb, "group": group, "resource": resource
                }}
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": reviews}).to_string();
    let Ok(allowed) = exec.read(&kubectl::review(target, list), read_reviews) else { return Ok(()) };
    let missing: Vec<&Right> =
        rights.iter().zip(&allowed).filter(|(_, allowed)| !**allowed).map(|(right, _)| right).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let failure =
        Failure::new("forbidden", format!("you may not make this upgrade in namespace `{}`", target.namespace));
    let failure = missing.iter().fold(failure, |failure, right| failure.because(format!("missing: `{right}`")));
    Err(failure.hint(format!("kubectl auth can-i {first}{}", target.hints().kubectl())))
}

/// Reads one answer for each question, in their order: kubectl prints them one
/// after the other.
fn read_reviews(output: &mut dyn BufRead) -> Result<Vec<bool>, String> {
    #[derive(Deserialize)]
    struct Review {
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize, Default)]
    struct Status {
        #[serde(default)]
        allowed: bool,
    }
    serde_json::Deserializer::from_reader(output)
        .into_iter::<Review>()
        .map(|review| review.map(|review| review.status.allowed))
        .collect::<Result<_, _>>()
        .map_err(|failed| format!("no review in JSON at line {}, column {}", failed.line(), failed.column()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::objects;
    use crate::target::{Connection, Environment};

    fn rights(apply: Apply, driver: &str) -> String {
        let environment = Environment([("HELM_DRIVER".to_owned(), driver.to_owned())].into());
        let connection = Connection { namespace: Some("n".into()), ..Connection::default() };
        let target = Target::resolve(&connection, &environment).unwrap();
        let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\n---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\n";
        let needed = needed(&target, apply, &objects(manifest).unwrap());
        needed.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn an_upgrade_writes_its_record_and_patches() {
        insta::assert_snapshot!(rights(Apply::ClientSide, ""), @r"
        create secrets
        patch deployments.apps
        update secrets
        ");
        insta::assert_snapshot!(rights(Apply::ServerSide, "configmap"), @r"
        create configmaps
        patch endpoints
        patch services
        patch deployments.apps
        patch ingresses.networking.k8s.io
        patch networkpolicies.networking.k8s.io
        update configmaps
        ");
        insta::assert_snapshot!(rights(Apply::ClientSide, "sql"), @"patch deployments.apps");
    }
}
