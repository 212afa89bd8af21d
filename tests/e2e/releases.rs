//! Which release is meant, and what its parts are called.

use std::collections::BTreeMap;

use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn releases_of_one_namespace_are_told_apart() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    insta::assert_snapshot!(sandbox.scale("querynode=2"), @"
    exit 1
    ----- stderr
    error: namespace `NAMESPACE` has no release of the chart `milvus` (not-found)

    hint: helm list -A
    ");
    sandbox.install("rel", NEWEST, "");
    sandbox.install("milvus", NEWEST, "");
    sandbox.install("renamed", NEWEST, "fullnameOverride=vectors");

    let before = sandbox.state();
    insta::assert_snapshot!(sandbox.scale("querynode=2"), @"
    exit 1
    ----- stderr
    error: namespace `NAMESPACE` has 3 releases of the chart `milvus`: `milvus`, `rel`, `renamed` (ambiguous-release)

    hint: name one: `kubectl milvus scale milvus ... -n NAMESPACE`
    ");
    assert_eq!(sandbox.state(), before);

    for (release, deployment) in
        [("rel", "rel-milvus-querynode"), ("milvus", "milvus-querynode"), ("renamed", "vectors-querynode")]
    {
        let before = replicas(&sandbox);
        sandbox.scale(&format!("{release} querynode=2")).exits(0);
        let changed: Vec<_> = replicas(&sandbox).into_iter().filter(|(name, count)| before[name] != *count).collect();
        assert_eq!(changed, [(deployment.to_owned(), 2)]);
    }
}

#[test]
fn the_namespace_is_the_one_that_was_named() {
    let Some(here) = Sandbox::with(Helm::V3) else { return };
    let Some(there) = Sandbox::with(Helm::V3) else { return };
    for sandbox in [&here, &there] {
        sandbox.install("rel", NEWEST, "");
    }
    let before = here.state();
    here.scale(&format!("querynode=2 --namespace {}", there.namespace)).exits(0);
    assert_eq!(here.state(), before);
    assert_eq!(replicas(&there)["rel-milvus-querynode"], 2);

    // The variable is Helm's; it counts only where Helm called.
    here.milvus("scale rel dn=2").env("HELM_NAMESPACE", &there.namespace).end().exits(0);
    assert_eq!(replicas(&there)["rel-milvus-datanode"], 1);
    assert_eq!(replicas(&here)["rel-milvus-datanode"], 2);
}

fn replicas(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    sandbox.deployments().into_iter().map(|(name, deployment)| (name, deployment.replicas)).collect()
}

/// kubectl names itself to its plugins, Helm to its.
#[test]
fn it_works_when_kubectl_calls_it() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let program = env!("CARGO_BIN_EXE_kubectl-milvus");
    std::os::unix::fs::symlink(program, sandbox.bin().join("kubectl-milvus")).unwrap();
    let said = sandbox.command("kubectl", &["milvus", "scale", "rel", "querynode=2"]).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(replicas(&sandbox)["rel-milvus-querynode"], 2);
}
