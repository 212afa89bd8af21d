//! kubectl's connection flags: each reaches both programs, or none.

use std::fs;
use std::process::Command;

use crate::refusals::refused;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(flags_that_say_where_the_cluster_is_reach_both_programs);

fn flags_that_say_where_the_cluster_is_reach_both_programs(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let server = sandbox.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let authority = sandbox.home().join("ca.crt");
    let config = fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let encoded = config.lines().find_map(|line| line.trim().strip_prefix("certificate-authority-data: ")).unwrap();
    let decoded = Command::new("sh").args(["-c", "echo \"$0\" | base64 -d", encoded]).output().unwrap().stdout;
    fs::write(&authority, decoded).unwrap();

    // A kubeconfig that knows the user, and of the cluster nothing that is true.
    let lost: Vec<&str> = config
        .lines()
        .filter(|line| !line.contains("certificate-authority-data: "))
        .map(|line| if line.contains("server: ") { "    server: https://127.0.0.1:1" } else { line })
        .collect();
    let knows_nothing = sandbox.home().join("knows-nothing");
    fs::write(&knows_nothing, lost.join("\n")).unwrap();
    let scale = |flags: &[&str]| {
        let run = sandbox.milvus("scale rel querynode=1 -v").env("KUBECONFIG", knows_nothing.to_str().unwrap());
        flags.iter().fold(run, |run, flag| run.word(flag))
    };
    assert!(refused(&sandbox, scale(&[])).contains("(unreachable)"));
    let server = format!("--server={server}");
    assert!(refused(&sandbox, scale(&[&server])).contains("certificate"), "nobody vouches for the server");

    let authority = format!("--certificate-authority={}", authority.display());
    for (flags, of_helm) in [
        (&[server.as_str(), &authority] as &[_], &["--kube-apiserver=", "--kube-ca-file="] as &[_]),
        (
            &[server.as_str(), &authority, "--tls-server-name=localhost"],
            &["--kube-apiserver=", "--kube-tls-server-name=localhost"],
        ),
        (
            &[server.as_str(), "--insecure-skip-tls-verify"],
            &["--kube-apiserver=", "--kube-insecure-skip-tls-verify=true"],
        ),
    ] {
        let said = scale(flags).end();
        said.exits(0);
        for command in said.commands() {
            let own = if command.starts_with("helm ") { of_helm } else { flags };
            assert!(own.iter().all(|flag| command.contains(flag)), "{command}");
        }
    }
    let wrong = refused(&sandbox, scale(&[&server, &authority, "--tls-server-name=another.example"]));
    assert!(wrong.contains("another.example"), "{wrong}");
}

/// Helm 4 puts its own `--color never` there, for instance.
#[test]
fn flags_of_every_command_may_stand_before_it() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let elsewhere = sandbox.milvus("-n kube-system scale rel querynode=1");
    assert!(refused(&sandbox, elsewhere).contains("there is no release `rel` in namespace `kube-system`"));
    let own = sandbox.namespace.as_str();
    sandbox.milvus(&format!("-n {own} --context sandbox -q scale rel querynode=1")).end().exits(0);
    let twice = sandbox.milvus(&format!("-n kube-system scale rel querynode=1 -n {own}")).end();
    assert_eq!(twice.code, Some(0), "the later one counts: {twice}");
}
