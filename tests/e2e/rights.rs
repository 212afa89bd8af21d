//! A user who may not: what is missing is named, and nothing is half done.

use crate::refusals::refused;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(a_missing_right_is_named);

fn a_missing_right_is_named(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let refuse = || refused(&sandbox, sandbox.milvus("scale rel querynode=3 --as jane"));
    insta::allow_duplicates! {
        allow(&sandbox, "pods", "get,list,watch", "pods");
        allow(&sandbox, "deployments", "get,list,watch", "deployments.apps");
        insta::assert_snapshot!(refuse(), @r#"
        error: helm may not read release `rel` in namespace `NAMESPACE` (forbidden)
        caused by: query: failed to query with labels: secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"

        hint: ask for the rights to get and list the Secrets that hold Helm's releases
        "#);
        allow(&sandbox, "secrets", "get,list", "secrets");
        sandbox.kubectl(&["delete", "rolebinding", "pods"]);
        insta::assert_snapshot!(refuse(), @r#"
        error: you may not list `pods` in namespace `NAMESPACE` (forbidden)
        caused by: Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "NAMESPACE"

        hint: kubectl auth can-i list pods -n NAMESPACE --as=jane
        "#);
        allow(&sandbox, "pods-again", "get,list,watch", "pods");
        sandbox.kubectl(&["delete", "rolebinding", "deployments"]);
        insta::assert_snapshot!(refuse(), @r#"
        error: you may not list `deployments.apps` in namespace `NAMESPACE` (forbidden)
        caused by: Error from server (Forbidden): deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" in the namespace "NAMESPACE"

        hint: kubectl auth can-i list deployments.apps -n NAMESPACE --as=jane
        "#);
    }
}

/// Reading is enough to see what would be done; the upgrade itself is refused
/// by the API server.
#[test]
fn a_user_who_may_only_read_changes_nothing() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    allow(&sandbox, "reader", "get,list,watch", "pods,deployments.apps,secrets");
    let before = sandbox.deployments();
    sandbox.scale("rel querynode=1 --as jane").exits(0);
    let said = sandbox.scale("rel querynode=3 --as jane");
    said.exits(1);
    insta::assert_snapshot!(said, @"
    exit 1
    ----- stderr
    error: you may not make this upgrade in namespace `NAMESPACE` (forbidden)
    caused by: missing: `create secrets`
    caused by: missing: `patch deployments.apps`
    caused by: missing: `update secrets`

    hint: kubectl auth can-i create secrets -n NAMESPACE --as=jane
    ");
    assert_eq!(sandbox.deployments(), before);
    assert_eq!(sandbox.revision("rel"), 1);
}

fn allow(sandbox: &Sandbox, role: &str, verbs: &str, resources: &str) {
    let words = ["create", "role", role, &format!("--verb={verbs}"), &format!("--resource={resources}")];
    sandbox.kubectl(&words);
    sandbox.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), "--user=jane"]);
}
