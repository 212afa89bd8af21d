//! What cannot be proven is not done: a server that does not say what would
//! happen, and objects in more than one namespace, which can be.

use serde_json::json;

use crate::evidence::{create, refused, settled};
use crate::own_charts;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

#[test]
fn a_server_that_does_not_say_what_would_happen_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    // A doubt, for the server to decide.
    sandbox.kubectl(&["set", "image", "deployment/rel-milvus-proxy", "proxy=milvusdb/milvus:v2.6.99"]);
    settled(&sandbox);
    let _webhook = Webhook::of(&sandbox);
    let said = refused(&sandbox, sandbox.milvus("scale rel querynode=2"));
    assert!(said.starts_with("error: the server cannot say what the upgrade would change (unprovable)"), "{said}");
    assert!(said.contains("failed calling webhook"), "{said}");
}

/// A webhook for dry runs of changes of Deployments, that nobody answers.
struct Webhook<'a>(&'a Sandbox);

impl<'a> Webhook<'a> {
    fn of(sandbox: &'a Sandbox) -> Self {
        let name = format!("{}-dry", sandbox.namespace);
        create(
            sandbox,
            &json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": name},
                "webhooks": [{
                    "name": "silent.sandbox.milvus.io", "clientConfig": {"url": "https://127.0.0.1:1/"},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": sandbox.namespace}},
                    "rules": [{
                        "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"],
                        "operations": ["UPDATE"]
                    }],
                    "matchConditions": [{"name": "dry-runs", "expression": "request.dryRun"}],
                    "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail"
                }]
            }),
        );
        let probe = ["annotate", "deployment", "rel-milvus-proxy", "probe=1", "--overwrite", "--dry-run=server"];
        sandbox.until("dry runs are not answered", || {
            !sandbox.command("kubectl", &probe).output().unwrap().status.success()
        });
        Self(sandbox)
    }
}

impl Drop for Webhook<'_> {
    fn drop(&mut self) {
        let name = format!("{}-dry", self.0.namespace);
        let _ = self.0.command("kubectl", &["delete", "validatingwebhookconfiguration", &name]).output();
    }
}

with_each_helm!(objects_in_another_namespace_are_compared_there);

fn objects_in_another_namespace_are_compared_there(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let other = format!("{}-other", sandbox.namespace);
    sandbox.kubectl(&["create", "namespace", &other]);
    let object = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\n  namespace: {namespace}\ndata: {{here: \"{namespace}\"}}\n"
        )
    };
    let template = format!("{}---\n{}", object(&sandbox.namespace), object(&other));
    let chart = own_charts::with_template(&sandbox, NEWEST, "two", &template);
    own_charts::install(&sandbox, "rel", &chart, "");
    let scale = |count: u32| sandbox.milvus(&format!("scale rel querynode={count}")).word(&own_charts::flag(&chart));
    scale(2).end().exits(0);
    let patch = ["patch", "configmap/more", "--namespace", &other, "--patch", r#"{"data":{"here":"by-hand"}}"#];
    sandbox.kubectl(&patch);
    let said = refused(&sandbox, scale(3));
    assert!(said.contains("(drift)") && said.contains("ConfigMap `more` `.data.here`"), "{said}");
    sandbox.kubectl(&["delete", "namespace", &other, "--wait=false"]);
}
