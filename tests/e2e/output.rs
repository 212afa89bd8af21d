//! What goes where: JSON, quiet, verbose, dry run, and never a secret.

use std::process::Command;

use serde_json::{Value, json};

use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
#[expect(clippy::too_many_lines, reason = "the documents are long")]
fn json_is_one_document_in_every_outcome() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let told = |words: &str, code: i32| {
        let said = sandbox.scale(&format!("{words} -o json"));
        said.exits(code);
        essence(said.json())
    };
    insta::assert_snapshot!(told("rel querynode=2", 0), @r#"
    cautions: []
    components: [{"component":"queryNode","from":1,"groups":1,"pods":{"expected":2,"notReady":0,"ready":2,"terminating":0},"to":2}]
    error: null
    exitCode: 0
    gate: null
    namespace: "NAMESPACE"
    outcome: "verified"
    pods: [{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"},{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"}]
    proof: {"autoscalersRead":true,"avoided":[],"clean":true,"counts":[{"deployment":"rel-milvus-querynode","from":1,"to":2}],"finishedJobs":[],"kept":[],"otherChanges":[]}
    release: {"chart":"milvus-5.0.19","name":"rel","revision":2,"revisionBefore":1}
    schema: "kubectl-milvus/scale/v1"
    steps: [{"change":"queryNode 1 to 2","command":"helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set queryNode.replicas=2 --no-hooks --force-conflicts '--description=kubectl milvus scale: queryNode 1 to 2' --namespace=NAMESPACE --kube-context=sandbox","commandsBefore":[],"handedOver":[],"revision":2,"verified":true}]
    stepsTotal: 1
    "#);
    insta::assert_snapshot!(told("rel querynode=2", 0), @r#"
    cautions: []
    components: [{"component":"queryNode","from":2,"groups":1,"pods":{"expected":2,"notReady":0,"ready":2,"terminating":0},"to":2}]
    error: null
    exitCode: 0
    gate: null
    namespace: "NAMESPACE"
    outcome: "unchanged"
    pods: [{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"},{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"}]
    proof: null
    release: {"chart":"milvus-5.0.19","name":"rel","revision":2,"revisionBefore":2}
    schema: "kubectl-milvus/scale/v1"
    steps: []
    stepsTotal: 0
    "#);
    insta::assert_snapshot!(told("rel querynode=1 proxy=2 --dry-run", 0), @r#"
    cautions: []
    components: [{"component":"queryNode","from":2,"groups":1,"pods":null,"to":1},{"component":"proxy","from":1,"groups":1,"pods":null,"to":2}]
    error: null
    exitCode: 0
    gate: null
    namespace: "NAMESPACE"
    outcome: "planned"
    pods: []
    proof: {"autoscalersRead":true,"avoided":[],"clean":true,"counts":[{"deployment":"rel-milvus-proxy","from":1,"to":2}],"finishedJobs":[],"kept":[],"otherChanges":[]}
    release: {"chart":"milvus-5.0.19","name":"rel","revision":2,"revisionBefore":2}
    schema: "kubectl-milvus/scale/v1"
    steps: [{"change":"proxy 1 to 2","command":"helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set proxy.replicas=2 --no-hooks --force-conflicts '--description=kubectl milvus scale: proxy 1 to 2 (step 1 of 2)' --namespace=NAMESPACE --kube-context=sandbox","commandsBefore":[],"handedOver":[],"revision":null,"verified":false}]
    stepsTotal: 2
    "#);
    insta::assert_snapshot!(told("rel proxy=2 --no-wait", 0), @r#"
    cautions: []
    components: [{"component":"proxy","from":1,"groups":1,"pods":null,"to":2}]
    error: null
    exitCode: 0
    gate: null
    namespace: "NAMESPACE"
    outcome: "applied"
    pods: []
    proof: {"autoscalersRead":true,"avoided":[],"clean":true,"counts":[{"deployment":"rel-milvus-proxy","from":1,"to":2}],"finishedJobs":[],"kept":[],"otherChanges":[]}
    release: {"chart":"milvus-5.0.19","name":"rel","revision":3,"revisionBefore":2}
    schema: "kubectl-milvus/scale/v1"
    steps: [{"change":"proxy 1 to 2","command":"helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set proxy.replicas=2 --no-hooks --force-conflicts '--description=kubectl milvus scale: proxy 1 to 2' --namespace=NAMESPACE --kube-context=sandbox","commandsBefore":[],"handedOver":[],"revision":3,"verified":false}]
    stepsTotal: 1
    "#);
    insta::assert_snapshot!(told("rel querynode=0", 1), @r#"
    cautions: []
    components: []
    error: {"causes":[],"hint":"if that is what you want: `kubectl milvus scale rel queryNode=0 -n NAMESPACE --allow-zero`","id":"zero","message":"`queryNode=0` would stop every `queryNode` of release `rel` in namespace `NAMESPACE`"}
    exitCode: 1
    gate: null
    namespace: "NAMESPACE"
    outcome: "failed"
    pods: []
    proof: null
    release: {"chart":"milvus-5.0.19","name":"rel","revision":3,"revisionBefore":3}
    schema: "kubectl-milvus/scale/v1"
    steps: []
    stepsTotal: 0
    "#);
    insta::assert_snapshot!(told("nowhere querynode=2", 1), @r#"
    cautions: []
    components: []
    error: {"causes":[],"hint":"helm list -A","id":"not-found","message":"there is no release `nowhere` in namespace `NAMESPACE`"}
    exitCode: 1
    gate: null
    namespace: "NAMESPACE"
    outcome: "failed"
    pods: []
    proof: null
    release: null
    schema: "kubectl-milvus/scale/v1"
    steps: []
    stepsTotal: 0
    "#);
    sandbox.behave("querynode.behaviour=never-ready");
    insta::assert_snapshot!(told("rel querynode=3 --timeout 2s", 3), @r#"
    cautions: []
    components: [{"component":"queryNode","from":2,"groups":1,"pods":{"expected":3,"notReady":1,"ready":2,"terminating":0},"to":3}]
    error: {"causes":["pod `rel-milvus-querynode-POD` is Running"],"hint":"go on with `kubectl milvus scale rel queryNode=3 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`","id":"timed-out","message":"queryNode: 2 of 3 ready, 1 starting after 2s, in release `rel` in namespace `NAMESPACE`"}
    exitCode: 3
    gate: null
    namespace: "NAMESPACE"
    outcome: "timed-out"
    pods: [{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"},{"component":"querynode","containers":"1/1","name":"rel-milvus-querynode-POD","ready":true,"restarts":0,"status":"Running"}]
    proof: {"autoscalersRead":true,"avoided":[],"clean":true,"counts":[{"deployment":"rel-milvus-querynode","from":2,"to":3}],"finishedJobs":[],"kept":[],"otherChanges":[]}
    release: {"chart":"milvus-5.0.19","name":"rel","revision":4,"revisionBefore":3}
    schema: "kubectl-milvus/scale/v1"
    steps: [{"change":"queryNode 2 to 3","command":"helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set queryNode.replicas=3 --no-hooks --force-conflicts '--description=kubectl milvus scale: queryNode 2 to 3' --namespace=NAMESPACE --kube-context=sandbox","commandsBefore":[],"handedOver":[],"revision":4,"verified":false}]
    stepsTotal: 1
    "#);

    let usage = sandbox.scale("rel querynode=x -o json");
    usage.exits(2);
    assert_eq!(usage.stdout, "");
}

/// A document on one line for each of its members, without what differs from
/// run to run.
fn essence(mut document: Value) -> String {
    assert_eq!(document["schema"], "kubectl-milvus/scale/v1");
    let pods = document["pods"].as_array_mut().unwrap();
    for pod in pods.iter_mut() {
        let created = pod.as_object_mut().unwrap().remove("created").unwrap();
        assert!(created.as_str().unwrap().ends_with('Z'), "{created}");
    }
    // How far an unready pod is depends on the moment.
    *pods = pods.iter().filter(|pod| pod["ready"] == json!(true)).cloned().collect();
    let members = document.as_object().unwrap();
    members.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn quiet_says_the_result_only() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    insta::assert_snapshot!(sandbox.scale("rel querynode=2 -q"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 1 to 2, 2 pods ready; verified (revision 2)
    ");
    insta::assert_snapshot!(sandbox.scale("rel kafka=2 -q"), @"
    exit 1
    ----- stderr
    error: `kafka` is not a component of Milvus (unknown-component)
    caused by: release `rel` in namespace `NAMESPACE` runs `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`
    ");
}

#[test]
fn verbose_shows_every_command_as_it_can_be_pasted() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    // Writes down what is really started.
    let log = sandbox.home().join("started");
    for program in ["helm", "kubectl"] {
        // In one piece: several are started at once.
        let line = format!("line=$(printf ' <%s>' \"$@\"); printf '%s\\n' \"{program}$line\" >>{}", log.display());
        sandbox.wrap(program, &format!("{line}\nexec \"$REAL\" \"$@\""));
    }
    let said = sandbox.scale("querynode=2 -v");
    said.exits(0);
    let mut shown: Vec<String> = said.commands().into_iter().map(|line| words_of(&sandbox, line)).collect();
    let mut started: Vec<String> = std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    shown.sort();
    started.sort();
    assert_eq!(shown, started);
    for program in ["helm", "kubectl"] {
        sandbox.unwrap(program);
    }

    // A watch has no end, and what comes through standard input is not shown.
    let (changing, reading): (Vec<&str>, Vec<&str>) = said
        .commands()
        .into_iter()
        .filter(|line| !line.contains("watch=1") && !line.contains(" -f - "))
        .partition(|line| line.starts_with("helm upgrade") && !line.contains("--dry-run"));
    assert_eq!(changing.len(), 1, "{changing:?}");
    for line in reading {
        let status = shell(&sandbox, line).output().unwrap().status;
        assert!(status.success(), "{line}");
    }
}

/// A shell's reading of a line, in the form in which the test logs it.
fn words_of(sandbox: &Sandbox, line: &str) -> String {
    let (program, rest) = line.split_once(' ').unwrap();
    let output = shell(sandbox, &format!("printf '%s' {program}; printf ' <%s>' {rest}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn shell(sandbox: &Sandbox, line: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).env_clear().envs(sandbox.environment());
    shell
}

#[test]
fn a_dry_run_changes_nothing_and_its_command_does_what_it_says() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=2");
    let before = sandbox.state();
    let said = sandbox.scale("rel querynode=1 proxy=2 --dry-run");
    insta::assert_snapshot!(said, @"
    exit 0
    ----- stdout
    release `rel` in namespace `NAMESPACE`: chart milvus-5.0.19, revision 1

    COMPONENT   NOW   WANTED   PODS
    queryNode   2     1        1
    proxy       1     2        2

    step 1 of 2: proxy 1 to 2
      helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set proxy.replicas=2 --no-hooks '--description=kubectl milvus scale: proxy 1 to 2 (step 1 of 2)' --namespace=NAMESPACE --kube-context=sandbox

    proof: these change, and nothing else
      Deployment `rel-milvus-proxy` `.spec.replicas` from 1 to 2

    nothing was changed
    ");
    assert_eq!(sandbox.state(), before);

    let line = said.stdout.lines().find_map(|line| line.trim().strip_prefix("helm upgrade")).unwrap();
    assert!(shell(&sandbox, &format!("helm upgrade {line}")).output().unwrap().status.success());
    let deployments = sandbox.deployments();
    assert_eq!(deployments["rel-milvus-proxy"].replicas, 2);
    assert_eq!(deployments["rel-milvus-querynode"].replicas, 2);
}

#[test]
fn every_spelling_means_the_key_of_the_chart() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    for (spellings, key) in [
        (&["queryNode", "querynode", "query-node", "QUERY_NODE", "qn", "querynodes"] as &[_], "queryNode"),
        (&["dataNode", "data_node", "dn"], "dataNode"),
        (&["streamingNode", "streaming-node", "sn"], "streamingNode"),
        (&["proxy", "Proxies"], "proxy"),
    ] {
        for spelling in spellings {
            let said = sandbox.scale(&format!("rel {spelling}=1"));
            said.exits(0);
            assert!(said.stdout.contains(&format!(": {key} at 1, ")), "{spelling}: {said}");
        }
    }
}

const SECRETS: [&str; 2] = ["do-not-show-this-key", "do-not-show-this-password"];

#[test]
fn no_output_has_a_secret_in_it() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let set = format!(
        "minio.enabled=true,minio.secretKey={},extraConfigFiles.user\\.yaml=password: {}",
        SECRETS[0], SECRETS[1]
    );
    sandbox.install("rel", NEWEST, &set);
    let manifest = sandbox.helm(&["get", "manifest", "rel"]);
    assert!(manifest.contains(SECRETS[1]), "the chart does not render it");
    let config = std::fs::read_to_string(sandbox.kubeconfig()).unwrap();
    let key = config.split_once("client-key-data: ").unwrap().1.lines().next().unwrap().to_owned();

    sandbox.behave("proxy.behaviour=never-ready");
    for words in [
        "rel querynode=2 -v",
        "rel querynode=2 -v -o json",
        "rel querynode=1 --dry-run -v",
        "rel indexnode=2 -v",
        "rel querynode=3 --chart=./nowhere -v",
        "rel proxy=2 --timeout=1s -v",
        "rel proxy=2 --timeout=1s -v -o json",
    ] {
        let said = sandbox.scale(words);
        for secret in SECRETS.iter().copied().chain([key.as_str()]) {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "{words}: {said}");
        }
    }
}
