//! Lists that someone changed by hand: the same items in another order, items
//! beside ours where a list is one value, and lists of custom resources.

use serde_json::json;

use crate::evidence::{create, evidence, moved, plain_upgrade, refused, settled};
use crate::own_charts;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(
    variables_in_another_order_restart_no_pods_unasked,
    subjects_added_by_hand_are_not_lost,
    a_custom_resource_is_judged_as_helm_does
);

fn variables_in_another_order_restart_no_pods_unasked(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    for release in ["plain", "rel"] {
        let set =
            "proxy.extraEnv[0].name=A,proxy.extraEnv[0].value=a,proxy.extraEnv[1].name=B,proxy.extraEnv[1].value=b";
        sandbox.install(release, NEWEST, set);
        let proxy = format!("deployment/{release}-milvus-proxy");
        sandbox.kubectl(&["set", "env", &proxy, "A-"]);
        sandbox.kubectl(&["set", "env", &proxy, "A=a"]);
    }
    settled(&sandbox);
    let before = evidence(&sandbox);

    assert_eq!(plain_upgrade(&sandbox, "plain", NEWEST, "queryNode.replicas=2"), "exit 0");
    settled(&sandbox);
    insta::allow_duplicates! {
        insta::assert_snapshot!(moved(&before, &evidence(&sandbox)), @"
        + Pod plain-milvus-proxy-POD
        + Pod plain-milvus-querynode-POD
        - Pod plain-milvus-proxy-POD
        ~ Deployment plain-milvus-proxy
        ~ Deployment plain-milvus-querynode
        ");
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=2")), @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        error: an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift)
        caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].env` from one order to another: its pods restart

        hint: record it in the release's values; to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --allow-other-changes`
        ");
    }
}

const BINDING: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: more
subjects:
- {kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}
roleRef: {kind: Role, name: more, apiGroup: rbac.authorization.k8s.io}
";

fn subjects_added_by_hand_are_not_lost(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let chart = own_charts::with_template(&sandbox, NEWEST, "bound", BINDING);
    own_charts::install(&sandbox, "rel", &chart, "");
    let joe = json!({"kind": "User", "name": "joe", "apiGroup": "rbac.authorization.k8s.io"});
    let patch = json!([{"op": "add", "path": "/subjects/-", "value": joe}]).to_string();
    sandbox.kubectl(&["patch", "rolebinding/more", "--type=json", "--patch", &patch]);
    let refuse = || refused(&sandbox, sandbox.milvus("scale rel querynode=2").word(&own_charts::flag(&chart)));
    insta::allow_duplicates! {
        insta::assert_snapshot!(refuse(), @"
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (HOME/bound)
        error: an upgrade of release `rel` in namespace `NAMESPACE` would overwrite what was changed in the cluster by hand (drift)
        caused by: RoleBinding `more` `.subjects[joe]` from (not shown) to (none)

        hint: record it in the release's values; to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 --chart=HOME/bound -n NAMESPACE --allow-other-changes`
        ");
    }
    let subjects = sandbox.kubectl(&["get", "rolebinding/more", "--output", "jsonpath={.subjects[*].name}"]);
    assert_eq!(subjects, "jane joe");
}

fn a_custom_resource_is_judged_as_helm_does(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let group = format!("{}.example.com", sandbox.namespace);
    let _definition = Definition::of(&sandbox, &group);
    let template = format!("apiVersion: {group}/v1\nkind: Sample\nmetadata:\n  name: more\nspec:\n  names: [a]\n");
    let chart = own_charts::with_template(&sandbox, NEWEST, "custom", &template);
    own_charts::install(&sandbox, "rel", &chart, "");
    let resource = format!("samples.{group}/more");
    sandbox.kubectl(&["patch", &resource, "--type=merge", "--patch", r#"{"spec":{"names":["a","by-hand"]}}"#]);
    let scale = || sandbox.milvus("scale rel querynode=2").word(&own_charts::flag(&chart));
    match helm {
        // Without its Go type Helm compares the old render with the new one.
        Helm::V3 => {
            scale().end().exits(0);
        }
        Helm::V4 => assert!(refused(&sandbox, scale()).contains("Sample `more` `.spec.names[1]`")),
    }
    let names = sandbox.kubectl(&["get", &resource, "--output", "jsonpath={.spec.names[*]}"]);
    assert_eq!(names, "a by-hand");
}

/// A kind of custom resource, for as long as the test lives.
struct Definition<'a> {
    sandbox: &'a Sandbox,
    name: String,
}

impl<'a> Definition<'a> {
    fn of(sandbox: &'a Sandbox, group: &str) -> Self {
        let name = format!("samples.{group}");
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        create(
            sandbox,
            &json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
                "spec": {
                    "group": group, "scope": "Namespaced",
                    "names": {"kind": "Sample", "plural": "samples", "singular": "sample"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": any}}]
                }
            }),
        );
        sandbox.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}"), "--timeout=60s"]);
        Self { sandbox, name }
    }
}

impl Drop for Definition<'_> {
    fn drop(&mut self) {
        let _ = self.sandbox.command("kubectl", &["delete", "crd", &self.name, "--wait=false"]).output();
    }
}
