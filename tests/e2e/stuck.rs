//! Pods that will not come end the wait long before the time is up, with the
//! reason in Kubernetes' own words; pods that need time do not.

use std::fs;

use crate::concurrency::private;
use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, SLIM, Sandbox};

/// No run of a test may take that long: a wait that ended as stuck did not sit
/// it out.
const TIMEOUT: &str = "--timeout 1h";

/// Grows into trouble, and is told which; then the way back is open.
#[track_caller]
fn ends(sandbox: &Sandbox, words: &str, id: &str, reason: &str) -> Said {
    let said = sandbox.scale(&format!("{words} {TIMEOUT}"));
    told(&said, id, reason);
    let hint = said.stderr.lines().next_back().unwrap();
    assert!(hint.starts_with("hint: go on with `kubectl milvus scale rel "), "{said}");
    let back = hint.split('`').filter_map(|part| part.strip_prefix("kubectl milvus scale ")).next_back().unwrap();
    sandbox.scale(&format!("{back} --settle 0s")).exits(0);
    said
}

#[track_caller]
fn told(said: &Said, id: &str, reason: &str) {
    said.exits(3);
    assert!(said.stderr.contains(&format!("({id})")) && said.stderr.contains(reason), "{said}");
}

fn grown_into(behaviour: &str, id: &str, reason: &str) {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave(&format!("querynode.behaviour={behaviour}"));
    ends(&sandbox, "rel qn=2", id, reason);
}

#[test]
fn an_image_that_cannot_be_pulled() {
    grown_into("image-pull", "image-pull", "ImagePull");
}

#[test]
fn a_container_that_crashes() {
    grown_into("crash-loop", "crash-loop", "CrashLoopBackOff");
}

#[test]
fn a_container_that_needs_more_memory() {
    grown_into("out-of-memory", "oom-killed", "OOMKilled");
}

#[test]
fn a_configuration_that_is_not_there() {
    grown_into("container-config", "container-config", "CreateContainerConfigError");
}

#[test]
fn a_volume_that_cannot_be_mounted() {
    grown_into("volume", "volume", "MountVolume.SetUp failed");
}

/// Three nodes hold three pods that want a node each; a node autoscaler that
/// says no makes the fourth hopeless, one that helps does not.
#[test]
fn a_pod_that_no_node_can_take() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let apart = "queryNode.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
    let mine = format!("{apart}.labelSelector.matchLabels.component=querynode");
    let node = format!("{apart}.topologyKey=kubernetes\\.io/hostname");
    sandbox.install("rel", NEWEST, &format!("queryNode.replicas=3,{mine},{node}"));
    let run = sandbox.milvus(&format!("scale rel qn=4 {TIMEOUT}")).start();
    let waiting = || sandbox.pods("component=querynode").into_iter().find(|pod| !pod.ready);
    sandbox.until("a pod waits for a node", || waiting().is_some());
    let pod = waiting().unwrap();
    says(
        &sandbox,
        &pod.name,
        &pod.uid,
        "NotTriggerScaleUp",
        "pod didn't trigger scale-up: 1 max node group size reached",
    );
    let said = run.end();
    told(&said, "unschedulable", "max node group size reached");
    assert!(said.stderr.contains("didn't match pod anti-affinity rules"), "{said}");
}

/// What a node autoscaler says, as it says it.
fn says(sandbox: &Sandbox, pod: &str, uid: &str, reason: &str, message: &str) {
    let event = format!(
        "apiVersion: v1
kind: Event
metadata: {{name: {pod}.scale-up, namespace: {namespace}}}
type: Normal
reason: {reason}
message: \"{message}\"
source: {{component: cluster-autoscaler}}
involvedObject: {{apiVersion: v1, kind: Pod, namespace: {namespace}, name: {pod}, uid: {uid}}}
",
        namespace = sandbox.namespace
    );
    let file = sandbox.home().join("event.yaml");
    fs::write(&file, event).unwrap();
    sandbox.kubectl(&["create", "-f", file.to_str().unwrap()]);
}

#[test]
fn a_quota_that_is_used_up() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let pods = sandbox.pods("app.kubernetes.io/instance=rel").len();
    sandbox.kubectl(&["create", "quota", "all", &format!("--hard=pods={}", pods + 1)]);
    ends(&sandbox, "rel qn=4", "quota", "exceeded quota: all");
}

/// The policy is the cluster's, and holds in this namespace alone.
#[test]
fn an_admission_that_is_denied() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let policy = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  validations: [{expression: 'false', message: no more pods today}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec:
  policyName: NAME
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}}
";
    let file = sandbox.home().join("policy.yaml");
    fs::write(&file, policy.replace("NAME", &sandbox.namespace)).unwrap();
    let file = file.to_str().unwrap();
    sandbox.kubectl(&["create", "-f", file]);
    let dry = ["run", "probe", "--image=probe", "--dry-run=server"];
    sandbox.until("the policy holds", || !sandbox.command("kubectl", &dry).output().unwrap().status.success());
    ends(&sandbox, "rel qn=2", "admission-denied", "no more pods today");
    sandbox.kubectl(&["delete", "-f", file]);
}

/// A node's kubelet stops while a new pod needs its time: an old pod of the
/// component is lost, and waiting helps nobody.
#[test]
fn a_node_that_is_lost() {
    let script = format!(
        r#"set -eu
helm install rel milvus/milvus --version {NEWEST} --wait --set {SLIM} >/dev/null
kubectl annotate namespace default sandbox.milvus.io/querynode.after=10m >/dev/null
"$PROGRAM" scale rel qn=2 {TIMEOUT} & run=$!
until kubectl get pods -l component=querynode --output 'jsonpath={{.items[*].status.phase}}' | grep -q 'Running Running'; do sleep 0.2; done
node=$(kubectl get pods -l component=querynode --sort-by=.metadata.creationTimestamp --output 'jsonpath={{.items[0].spec.nodeName}}')
kubectl label node "$node" sandbox.milvus.io/kubelet=stopped >/dev/null
wait $run
"#
    );
    let Some(said) = private(&script) else { return };
    told(&said, "node-lost", "does not answer");
}

/// On the way down the pods that stay matter: one of them that breaks is named.
#[test]
fn a_pod_that_breaks_on_the_way_down() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.behave("querynode.terminates-after=1m");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let run = sandbox.milvus("scale rel qn=1 --settle 0s").start().until_it_says("[1/2]");
    let stays = || sandbox.pods("component=querynode").into_iter().filter(|pod| !pod.terminating).collect::<Vec<_>>();
    sandbox.until("one leaves", || sandbox.pods("component=querynode").iter().any(|pod| pod.terminating));
    let shrunk = || sandbox.deployments()["rel-milvus-querynode"].replicas == 2;
    sandbox.until("its replacement left", || shrunk() && stays().len() == 2);
    sandbox.kubectl(&["annotate", "pod", &stays()[0].name, "sandbox.milvus.io/behaviour=crash-loop", "--overwrite"]);
    told(&run.end(), "crash-loop", "CrashLoopBackOff");
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 2);
}

/// A pod that takes three times as long as another, and one that crashes twice
/// while it waits for its dependencies, come in the end.
#[test]
fn a_pod_that_is_merely_slow_is_waited_for() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.after=25s");
    sandbox.behave("datanode.behaviour=crash-loop");
    let run = sandbox.milvus(&format!("scale rel qn=2 dn=2 {TIMEOUT}")).start();
    let restarted = [
        "get",
        "pods",
        "-l",
        "component=datanode",
        "--output",
        "jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    ];
    sandbox.until("it crashed once", || sandbox.kubectl(&restarted).contains('1'));
    sandbox.behave_now("datanode", "ready");
    run.end().exits(0);
}

/// A pod that still runs long after its time: it is told, and nobody else is
/// taken away.
#[test]
fn a_pod_that_its_kubelet_does_not_end() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.behave_now("querynode", "never-ends");
    let said = sandbox.scale(&format!("rel qn=1 --grace 1s {TIMEOUT}"));
    told(&said, "undetermined", "it should have been gone 1s after it was deleted; Kubernetes gives no reason");
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 2);

    sandbox.behave_now("querynode", "ready");
    sandbox.scale("rel qn=1 --grace 1s").exits(0);
}

/// A pod that has ended holds nothing any more: that its object is held by
/// somebody else is said, and not waited for.
#[test]
fn a_pod_that_has_ended_and_is_held_by_somebody() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    sandbox.finalizers("querynode", r#"["example.com/held"]"#);
    let said = sandbox.scale(&format!("rel qn=1 --grace 1s {TIMEOUT}"));
    said.exits(0);
    let held = "has ended, and stays listed until who set its finalizers lets go: `example.com/held`";
    assert_eq!(said.stderr.matches(held).count(), 2, "{said}");
    assert_eq!(sandbox.pods("component=querynode").len(), 3);

    sandbox.scale("rel qn=1").exits(0);
    sandbox.finalizers("querynode", "[]");
    sandbox.until("they are gone", || sandbox.pods("component=querynode").len() == 1);
}
