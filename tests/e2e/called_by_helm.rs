//! What Helm takes out of a plugin's words, and what it makes of the rest.

use std::fs;
use std::os::unix::process::CommandExt as _;

use crate::installed::{helm_milvus, install};
use crate::said::signal;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(
    flags_of_helm_reach_both_programs,
    what_helm_loses_is_explained,
    ctrl_c_ends_helm_and_lets_the_upgrade_finish,
);

/// No such release is looked for; that shows what both programs are told.
fn flags_of_helm_reach_both_programs(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    install(&sandbox);
    let other = sandbox.home().join("other");
    let config = fs::read_to_string(sandbox.kubeconfig()).unwrap();
    fs::write(&other, config.replace(&sandbox.namespace, "of-other")).unwrap();
    let own = &sandbox.namespace;
    let contexts = config.replace(
        "contexts:\n",
        "contexts:\n- name: second\n  context: {cluster: sandbox, user: sandbox-admin, namespace: of-second}\n",
    );
    assert_ne!(contexts, config, "the sandbox's kubeconfig names its contexts otherwise");
    fs::write(sandbox.kubeconfig(), contexts).unwrap();

    let kubeconfig = format!("--kubeconfig={}", other.display());
    let server = config.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
    let apiserver = format!("--kube-apiserver={server}");
    for (words, helms, kubectls) in [
        ("milvus scale rel qn=3", format!("--namespace={own} --kube-context=sandbox"), "--context=sandbox"),
        ("milvus scale rel qn=3 -n ns1", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("milvus scale rel qn=3 --namespace=ns1", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("milvus scale -nns1 rel qn=3", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("milvus scale rel -n=ns1 qn=3", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("-n ns1 milvus scale rel qn=3", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("milvus scale rel qn=3 -o json -n ns1", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        ("milvus scale rel qn=3 -ojson", format!("--namespace={own} --kube-context=sandbox"), "--context=sandbox"),
        ("milvus scale -ojson rel qn=3 -n ns1", "--namespace=ns1 --kube-context=sandbox".into(), "--context=sandbox"),
        (
            "milvus scale rel qn=3 --kube-context second",
            "--namespace=of-second --kube-context=second".into(),
            "--context=second",
        ),
        (
            &format!("milvus scale rel qn=3 {kubeconfig}"),
            "--namespace=of-other --kube-context=sandbox".into(),
            "--context=sandbox",
        ),
        (
            "milvus scale rel qn=3 --kube-as-user jane --kube-as-group a --kube-as-group system:masters",
            format!(
                "--namespace={own} --kube-context=sandbox --kube-as-user=jane --kube-as-group=a --kube-as-group=system:masters"
            ),
            "--context=sandbox --as=jane --as-group=a --as-group=system:masters",
        ),
        (
            &format!("milvus scale rel qn=3 {apiserver}"),
            format!("--namespace={own} --kube-context=sandbox {apiserver}"),
            &format!("--context=sandbox --server={server}"),
        ),
        (
            "milvus scale rel qn=3 --insecure-skip-tls-verify",
            format!("--namespace={own} --kube-context=sandbox --kube-insecure-skip-tls-verify=true"),
            "--context=sandbox --insecure-skip-tls-verify=true",
        ),
        // Helm reads these too, and passes them on.
        (
            "--burst-limit 50 milvus scale rel qn=3",
            format!("--namespace={own} --kube-context=sandbox"),
            "--context=sandbox",
        ),
        (
            "milvus scale rel qn=3 --qps=50 --debug=true",
            format!("--namespace={own} --kube-context=sandbox"),
            "--context=sandbox",
        ),
    ] {
        // Helm keeps `--debug` for itself; for this program it means `-v`.
        let said = helm_milvus(&sandbox, &format!("--debug {words}"));
        let commands = said.commands();
        let told = |program: &str, flags: &str| {
            commands.iter().any(|line| line.starts_with(program) && line.ends_with(&format!(" {flags}")))
        };
        assert!(told("helm get all rel", &helms), "{words}: {commands:#?} {said}");
        assert!(told("kubectl get", kubectls), "{words}: {commands:#?} {said}");
        assert!(said.stderr.contains("(not-found)"), "{words}: {said}");
    }
}

fn what_helm_loses_is_explained(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    install(&sandbox);
    let told = |words: &str| helm_milvus(&sandbox, words);
    insta::allow_duplicates! {
        insta::assert_snapshot!(told("milvus scale rel -ojson --timeout 5m querynode=3"), @r#"
        exit 2
        ----- stderr
        error: Helm takes `--timeout` for the namespace: it reads `-ojson` as `-n` too

        hint: write `-o json` instead
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale -ojson querynode=3"), @r#"
        exit 2
        ----- stderr
        error: Helm takes `querynode=3` for the namespace: it reads `-ojson` as `-n` too

        hint: write `-o json` instead
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale rel querynode=3 --context sandbox"), @r#"
        exit 2
        ----- stderr
        error: Helm does not know `--context`, and takes the namespace from another context

        hint: write `--kube-context` instead
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale --kube-insecure-skip-tls-verify rel querynode=3"), @r#"
        exit 2
        ----- stderr
        error: Helm takes away the word after `--kube-insecure-skip-tls-verify`
        caused by: what was asked for may have arrived in part only

        hint: write `--insecure-skip-tls-verify` instead, which Helm passes on as it is
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale rel --kube-insecure-skip-tls-verify querynode=3"), @r#"
        exit 2
        ----- stderr
        error: Helm takes away the word after `--kube-insecure-skip-tls-verify`
        caused by: what was asked for may have arrived in part only

        hint: write `--insecure-skip-tls-verify` instead, which Helm passes on as it is
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale --kube-insecure-skip-tls-verify querynode=3"), @r#"
        exit 2
        ----- stderr
        error: Helm takes away the word after `--kube-insecure-skip-tls-verify`
        caused by: what was asked for may have arrived in part only

        hint: write `--insecure-skip-tls-verify` instead, which Helm passes on as it is
        Error: plugin "milvus" exited with error
        "#);
        insta::assert_snapshot!(told("milvus scale rel querynode=3 --kube-token do-not-show"), @r#"
        exit 2
        ----- stderr
        error: Helm's token would show in the list of processes: kubectl takes it as a flag only

        hint: put the token into a kubeconfig, and name that with `--kubeconfig` instead of `--kube-token`
        Error: plugin "milvus" exited with error
        "#);
    }
    // Helm swallows it, and the word after it, also as the last flag of all.
    told("milvus --help --kube-insecure-skip-tls-verify").exits(0);
}

/// Helm has no part in a plugin's signals: it ends at once, and the plugin goes
/// on without it until it has said how things are.
fn ctrl_c_ends_helm_and_lets_the_upgrade_finish(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    install(&sandbox);
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!(": >{}; sleep 1", begun.display()));
    let run = sandbox
        .milvus("milvus scale rel querynode=2")
        .program(sandbox.tool("helm"))
        // Helm tells a plugin what it was called: so the plugin calls the script.
        .change(|command| command.arg0("helm").process_group(0))
        .start();
    sandbox.until("the upgrade has begun", || begun.exists());
    signal("INT", &format!("-{}", run.pid()));
    let said = run.end();
    assert_eq!(said.code, None, "{said}");
    assert!(said.stderr.contains("error: interrupted after 1 of 1 steps"), "{said}");
    assert!(said.stderr.contains("hint: go on with `helm milvus scale rel queryNode=2 "), "{said}");
    let statuses: Vec<String> = sandbox.history("rel").into_iter().map(|revision| revision.status).collect();
    assert_eq!(statuses, ["superseded", "deployed"]);
}
