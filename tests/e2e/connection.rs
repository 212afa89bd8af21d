//! The programs and the cluster: missing, unreachable, unwilling.

use std::fs;

use crate::refusals::refused;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(a_cluster_that_does_not_answer_is_told);

#[test]
fn a_missing_program_is_named() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let without = |name: &str| {
        fs::remove_file(sandbox.bin().join(name)).unwrap();
        refused(&sandbox, sandbox.milvus("scale rel querynode=3"))
    };
    insta::assert_snapshot!(without("kubectl"), @"
    error: `kubectl` is not on the PATH (tool-missing)
    caused by: PATH is `HOME/bin`

    hint: install kubectl, and see that `kubectl version` works
    ");
    insta::assert_snapshot!(without("helm"), @"
    error: `helm` is not on the PATH (tool-missing)
    caused by: PATH is `HOME/bin`

    hint: install Helm 3.13 or newer, or Helm 4, and see that `helm version` works
    ");
}

fn a_cluster_that_does_not_answer_is_told(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let closed = sandbox.home().join("closed");
    let config = fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let server = config.lines().find(|line| line.contains("server: ")).unwrap();
    fs::write(&closed, config.replace(server, "    server: https://127.0.0.1:1")).unwrap();
    let refuse = |words: &str| {
        refused(&sandbox, sandbox.milvus(&format!("scale {words}")).word("--kubeconfig").word(closed.to_str().unwrap()))
    };
    insta::allow_duplicates! {
        insta::assert_snapshot!(refuse("rel querynode=3"), @r#"
        error: the cluster cannot be reached (unreachable)
        caused by: `helm get all rel --template=... --namespace=NAMESPACE --kube-context=sandbox --kubeconfig=HOME/closed` ended with exit status 1
        caused by: Kubernetes cluster unreachable: Get "https://127.0.0.1:PORT/version": dial tcp 127.0.0.1:PORT: connect: connection refused

        hint: kubectl cluster-info
        "#);
        insta::assert_snapshot!(refuse("querynode=3"), @r#"
        error: the cluster cannot be reached (unreachable)
        caused by: `helm list --output=json --max=0 --deployed --failed --pending --uninstalling --namespace=NAMESPACE --kube-context=sandbox --kubeconfig=HOME/closed` ended with exit status 1
        caused by: Kubernetes cluster unreachable: Get "https://127.0.0.1:PORT/version": dial tcp 127.0.0.1:PORT: connect: connection refused

        hint: kubectl cluster-info
        "#);
    }
}

/// The API server answers, and knows nobody of that name.
#[test]
fn a_cluster_that_does_not_know_the_user_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let config = fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let user = config.split_once("users:").unwrap().1.split_once("contexts:").unwrap().0.to_owned();
    let stranger = sandbox.home().join("stranger");
    fs::write(&stranger, config.replace(&user, "\n- name: sandbox-admin\n  user: {token: do-not-show}\n")).unwrap();
    let run = sandbox.milvus("scale rel querynode=3").word("--kubeconfig").word(stranger.to_str().unwrap());
    insta::assert_snapshot!(refused(&sandbox, run), @"
    error: the cluster cannot be reached (unreachable)
    caused by: `helm get all rel --template=... --namespace=NAMESPACE --kube-context=sandbox --kubeconfig=HOME/stranger` ended with exit status 1
    caused by: Kubernetes cluster unreachable: the server has asked for the client to provide credentials

    hint: kubectl cluster-info
    ");
}

#[test]
fn a_kubeconfig_that_is_wrong_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let refuse = |flag: &str| refused(&sandbox, sandbox.milvus("scale rel querynode=3").word(flag));
    insta::assert_snapshot!(refuse("--context=nowhere"), @"
    error: the kubeconfig has no context `nowhere` (unreachable)

    hint: kubectl config get-contexts
    ");
    insta::assert_snapshot!(refuse("--kubeconfig=nowhere"), @"
    error: cannot read the kubeconfig `nowhere` (unreachable)
    caused by: No such file or directory (os error 2)
    ");
    fs::write(sandbox.home().join("broken"), "users: [{name: x, user: {token: do-not-show").unwrap();
    insta::assert_snapshot!(refuse("--kubeconfig=broken"), @"
    error: cannot understand the kubeconfig `broken` (unreachable)
    caused by: it is not a YAML document of kind `Config`
    ");
}
