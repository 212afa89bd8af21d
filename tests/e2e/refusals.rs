//! What is refused, and that a refusal changes nothing: no revision, not even a
//! failed one, and no Deployment.

use std::process::{Command, Stdio};

use crate::said::{Run, Said};
use crate::sandbox::{Helm, NEWEST, Sandbox};

/// Runs what must be refused with exit 1.
#[track_caller]
pub fn refused(sandbox: &Sandbox, run: Run) -> String {
    let before = sandbox.state();
    let said = run.end();
    assert_eq!(sandbox.state(), before, "{said}");
    said.exits(1);
    told(&said)
}

#[track_caller]
fn told(said: &Said) -> String {
    assert_eq!(said.stdout, "", "{}", said.stderr);
    said.stderr.clone()
}

#[test]
fn wrong_usage_is_told_before_anything_is_read() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let started = sandbox.home().join("started");
    for program in ["helm", "kubectl"] {
        sandbox.wrap(program, &format!("echo $0 $* >>{}; exit 99", started.display()));
    }
    let usage = |words: &[&str]| {
        let run = words.iter().fold(sandbox.milvus("scale"), |run, word| run.word(word));
        told(run.end().exits(2))
    };
    insta::assert_snapshot!(usage(&["rel"]), @"
    error: nothing to scale was named

    hint: write a target as COMPONENT=COUNT, for instance queryNode=3
    ");
    insta::assert_snapshot!(usage(&["rel", "querynode"]), @"
    error: `rel` and `querynode` cannot both be the release

    hint: write a target as COMPONENT=COUNT, for instance queryNode=3
    ");
    insta::assert_snapshot!(usage(&["rel", "querynode=three"]), @"
    error: `querynode=three` has no count
    caused by: a count is a whole number such as 3, or a change such as +2 or -1
    ");
    insta::assert_snapshot!(usage(&["rel", "=3"]), @"
    error: `=3` names no component

    hint: write a target as COMPONENT=COUNT, for instance queryNode=3
    ");
    insta::assert_snapshot!(usage(&["rel", "qn=1", "querynode=2"]), @"error: `querynode=2` names a component that stands before it");
    for wrong in [
        // Counts.
        &["rel", "qn="] as &[&str],
        &["rel", "qn=2.7"],
        &["rel", "qn=-"],
        &["rel", "qn=99999999999"],
        &["rel", "qn=2147483648"],
        &["rel", "qn=1,dataNode.replicas=9"],
        &["rel", "qn=2 --force"],
        &["rel", "qn={1}"],
        // Releases.
        &["one", "two", "qn=1"],
        &["Rel", "qn=1"],
        &["../rel", "qn=1"],
        &["", "qn=1"],
        &["--", "--post-renderer", "qn=1"],
        &["-x", "qn=1"],
        // Flags.
        &["rel", "qn=1", "--chart=--post-renderer"],
        &["rel", "qn=1", "--chart="],
        &["rel", "qn=1", "--repo=-x"],
        &["rel", "qn=1", "--timeout=0s"],
        &["rel", "qn=1", "--timeout=soon"],
        &["rel", "qn=1", "--step=0"],
        &["rel", "qn=1", "--step=-1"],
        &["rel", "qn=1", "--namespace=a/b"],
        &["rel", "qn=1", "--namespace=--all"],
        &["rel", "qn=1", "-q", "-v"],
        &["rel", "qn=1", "--output=xml"],
        &["rel", "qn=1", "--color=sometimes"],
        &["rel", "qn=1", "--no-such-flag"],
        &[],
    ] {
        let said = usage(wrong);
        assert!(said.starts_with("error: "), "{wrong:?}: {said}");
    }
    assert!(!started.exists(), "{}", std::fs::read_to_string(started).unwrap());
}

#[test]
fn a_component_that_cannot_be_scaled_is_refused_with_the_reason() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "attu.enabled=true,cdc.enabled=true");
    let refused = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale rel {words}")));
    insta::assert_snapshot!(refused("qurynode=3"), @"
    error: `qurynode` is not a component of Milvus (unknown-component)
    caused by: release `rel` in namespace `NAMESPACE` runs `attu`, `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`, `cdc`

    hint: did you mean `queryNode`?
    ");
    insta::assert_snapshot!(refused("kafka=3"), @"
    error: `kafka` is not a component of Milvus (unknown-component)
    caused by: release `rel` in namespace `NAMESPACE` runs `attu`, `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`, `cdc`
    ");
    insta::assert_snapshot!(refused("indexnode=3"), @"
    error: `indexNode` of release `rel` in namespace `NAMESPACE` runs `milvusdb/milvus:v2.6.15`, and Milvus 2.6 has no index node (indexnode-gone)
    caused by: its work moved to the data node; an index node of 2.6 ends with `Unknown server type`

    hint: scale the data node instead, for instance `kubectl milvus scale rel dataNode=+1 -n NAMESPACE`
    ");
    insta::assert_snapshot!(refused("mixcoord=2"), @"
    error: `mixCoordinator` of release `rel` in namespace `NAMESPACE` is a coordinator, and coordinators do not scale (coordinator)
    caused by: its active standby is off: a second one would crash in a loop

    hint: scale the workers: `proxy`, `queryNode`, `dataNode`, `indexNode`, `streamingNode`
    ");
    insta::assert_snapshot!(refused("rootcoord=2"), @"
    error: release `rel` in namespace `NAMESPACE` does not run `rootCoordinator` (component-disabled)
    caused by: it runs `attu`, `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`, `cdc`
    caused by: it is switched off (`rootCoordinator.enabled`); to switch it on is more than a change of a count

    hint: helm get values rel --all -n NAMESPACE
    ");
    insta::assert_snapshot!(refused("attu=2"), @"error: the count of `attu` of release `rel` in namespace `NAMESPACE` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(refused("cdc=2"), @"error: the count of `cdc` of release `rel` in namespace `NAMESPACE` cannot be changed: there is always one (component-fixed)");
    insta::assert_snapshot!(refused("woodpecker=5"), @"
    error: `woodpecker` of release `rel` in namespace `NAMESPACE` is a dependency of Milvus, not a worker (component-fixed)
    caused by: its count is the value `woodpecker.replicaCount`, and a change of it restarts other pods
    ");
    insta::assert_snapshot!(refused("tei=2"), @"
    error: `tei` of release `rel` in namespace `NAMESPACE` is a dependency of Milvus, not a worker (component-fixed)
    caused by: its count is the value `tei.replicaCount`, and a change of it restarts other pods
    ");
    insta::assert_snapshot!(refused("standalone=2"), @"
    error: release `rel` in namespace `NAMESPACE` does not run `standalone` (component-disabled)
    caused by: it runs `attu`, `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`, `cdc`
    caused by: it is switched off (`cluster.enabled`); to switch it on is more than a change of a count

    hint: helm get values rel --all -n NAMESPACE
    ");
    // Of several targets none is carried out.
    insta::assert_snapshot!(refused("querynode=3 kafka=3"), @"
    error: `kafka` is not a component of Milvus (unknown-component)
    caused by: release `rel` in namespace `NAMESPACE` runs `attu`, `mixCoordinator`, `proxy`, `queryNode`, `dataNode`, `streamingNode`, `cdc`
    ");
}

#[test]
fn a_count_that_would_do_harm_is_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=2,streamingNode.replicas=2,proxy.replicas=-1");
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale rel {words}")));
    insta::assert_snapshot!(refuse("querynode=0"), @"
    error: `queryNode=0` would stop every `queryNode` of release `rel` in namespace `NAMESPACE` (zero)

    hint: if that is what you want: `kubectl milvus scale rel queryNode=0 -n NAMESPACE --allow-zero`
    ");
    insta::assert_snapshot!(refuse("querynode=-2"), @"
    error: `queryNode=0` would stop every `queryNode` of release `rel` in namespace `NAMESPACE` (zero)

    hint: if that is what you want: `kubectl milvus scale rel queryNode=0 -n NAMESPACE --allow-zero`
    ");
    insta::assert_snapshot!(refuse("querynode=1 streamingnode=1"), @"
    error: `queryNode` and `streamingNode` of release `rel` in namespace `NAMESPACE` must not shrink in one call (both-nodes-in)
    caused by: channels and segments would move at the same time, and searches would lack segments

    hint: shrink one of them, and the other when that is done
    ");
    insta::assert_snapshot!(refuse("proxy=2"), @"
    error: the count of `proxy` of release `rel` in namespace `NAMESPACE` is left to an autoscaler (autoscaled)
    caused by: its value `proxy.replicas` is negative, so the release declares no count

    hint: `kubectl milvus autoscale rel proxy --off -n NAMESPACE` declares the live count, so that it can be scaled
    ");
    let before = sandbox.state();
    insta::assert_snapshot!(sandbox.scale("rel querynode=-3").exits(2), @"
    exit 2
    ----- stderr
    error: `queryNode=-3` leads nowhere: release `rel` in namespace `NAMESPACE` has 2
    ");
    insta::assert_snapshot!(sandbox.scale("rel querynode=4 dn=0 --no-wait --allow-zero").exits(2), @"
    exit 2
    ----- stderr
    error: `--no-wait` is for one step, and this goal takes 2: each waits for the pods of the one before it

    hint: leave `--no-wait` out, or take all pods in one step with `--step all`
    ");
    assert_eq!(sandbox.state(), before);

    sandbox.kubectl(&["scale", "deployment/rel-milvus-datanode", "--replicas=3"]);
    insta::assert_snapshot!(refuse("datanode=+1"), @"
    error: a relative count of `dataNode` of release `rel` in namespace `NAMESPACE` has no base: 3 in the cluster, 1 in the release (drift)

    hint: say the count you want: `kubectl milvus scale rel dataNode=3 -n NAMESPACE`
    ");
    sandbox.kubectl(&["delete", "deployment/rel-milvus-datanode"]);
    insta::assert_snapshot!(refuse("datanode=3"), @"
    error: Deployment `rel-milvus-datanode` of `dataNode` of release `rel` in namespace `NAMESPACE` is not in the cluster (drift)
    caused by: an upgrade would create it anew

    hint: helm get manifest rel -n NAMESPACE
    ");
}

#[test]
fn a_component_goes_to_zero_only_when_that_is_said() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    insta::assert_snapshot!(sandbox.scale("rel datanode=0 --allow-zero"), @"
    exit 0
    ----- stdout

    release `rel` in namespace `NAMESPACE`: dataNode 1 to 0, 0 pods ready; verified (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] dataNode 1 to 0
    ");
    assert_eq!(sandbox.pods("component=datanode"), []);
    insta::assert_snapshot!(sandbox.scale("rel datanode=0"), @"
    exit 0
    ----- stdout

    release `rel` in namespace `NAMESPACE`: dataNode at 0, 0 pods ready; nothing to change, verified (revision 2)
    ");
    sandbox.scale("rel datanode=+1").exits(0);
    assert_eq!(sandbox.pods("component=datanode").len(), 1);
}

#[test]
fn a_release_that_is_not_a_milvus_cluster_is_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.helm(&["install", "other", "milvus/other"]);
    sandbox.helm(&["install", "umbrella", "milvus/umbrella"]);
    let refuse = |words: &str| refused(&sandbox, sandbox.milvus(&format!("scale {words}")));
    insta::assert_snapshot!(refuse("nowhere querynode=3"), @"
    error: there is no release `nowhere` in namespace `NAMESPACE` (not-found)

    hint: helm list -A
    ");
    insta::assert_snapshot!(refuse("other querynode=3"), @"
    error: release `other` in namespace `NAMESPACE` is of chart `other-1.2.3`, not of the chart `milvus` (not-milvus)

    hint: helm list -n NAMESPACE
    ");
    insta::assert_snapshot!(refuse("umbrella querynode=3"), @"
    error: release `umbrella` in namespace `NAMESPACE` is of chart `umbrella-0.1.0`, which has Milvus inside it (not-milvus)
    caused by: the counts are values of that chart, under the name of its dependency

    hint: helm get values umbrella --all -n NAMESPACE
    ");
    insta::assert_snapshot!(refuse("querynode=3"), @"
    error: namespace `NAMESPACE` has no release of the chart `milvus` (not-found)
    caused by: its releases are `other` (other-1.2.3), `umbrella` (umbrella-0.1.0)

    hint: helm list -A
    ");
    sandbox.install("alone", NEWEST, "cluster.enabled=false,minio.mode=standalone,woodpecker.enabled=false");
    insta::assert_snapshot!(refuse("querynode=3"), @"
    error: release `alone` in namespace `NAMESPACE` is standalone Milvus: it is one pod and has no `queryNode` to scale (standalone)
    caused by: its chart ignores the counts of components where `cluster.enabled` is false

    hint: install a release with `cluster.enabled=true` and move the data, for instance with milvus-backup
    ");
    assert!(refuse("alone mixcoord=1").contains("(standalone)"));
    assert!(refuse("alone attu=1").contains("(standalone)"));
    insta::assert_snapshot!(refuse("alone standalone=2"), @"error: the count of `standalone` of release `alone` in namespace `NAMESPACE` cannot be changed: there is always one (component-fixed)");
}

/// A helm upgrade with `--wait`, which with pods that never become ready fails
/// after two seconds, or waits for minutes.
fn upgrade(sandbox: &Sandbox, words: &[&str]) -> Command {
    let (chart, version) = crate::sandbox::chart(NEWEST);
    let mut upgrade = sandbox.command("helm", &["upgrade", "rel", &chart, "--version", &version]);
    upgrade.args(["--reuse-values", "--wait"]).args(words).stdout(Stdio::null()).stderr(Stdio::null());
    upgrade
}

#[test]
fn a_failed_revision_is_gone_on_from_only_if_nothing_of_it_is_lost() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let fails = |set: &str| assert!(!upgrade(&sandbox, &["--set", set, "--timeout=2s"]).status().unwrap().success());
    fails("queryNode.replicas=2");
    assert_eq!(sandbox.history("rel").last().unwrap().status, "failed");
    insta::assert_snapshot!(sandbox.scale("rel datanode=2"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-datanode-POD   1/1     Running   0   TIME
    rel-milvus-datanode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: dataNode 1 to 2, 2 pods ready; verified (revision 3)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
    [1/1] dataNode 1 to 2
      queryNode stays at 2: the release says 1, set by `helm` at TIME; in your values file: queryNode.replicas: 2
    ");
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 2);

    fails("image.all.tag=v9.9.9");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel datanode=3")), @"
    error: the last operation on release `rel` in namespace `NAMESPACE` failed (revision 4) (release-failed)
    caused by: an upgrade that reuses values takes those of the last deployed revision: this would be lost
    caused by: Deployment `rel-milvus-datanode` `.spec.template.spec.containers[datanode].image` from `milvusdb/milvus:v2.6.15` to `milvusdb/milvus:v9.9.9`: its pods restart
    caused by: Deployment `rel-milvus-mixcoord` `.spec.template.spec.containers[mixcoord].image` from `milvusdb/milvus:v2.6.15` to `milvusdb/milvus:v9.9.9`: its pods restart
    caused by: Deployment `rel-milvus-proxy` `.spec.template.spec.containers[proxy].image` from `milvusdb/milvus:v2.6.15` to `milvusdb/milvus:v9.9.9`: its pods restart
    caused by: Deployment `rel-milvus-querynode` `.spec.template.spec.containers[querynode].image` from `milvusdb/milvus:v2.6.15` to `milvusdb/milvus:v9.9.9`: its pods restart
    caused by: Deployment `rel-milvus-streamingnode` `.spec.template.spec.containers[streamingnode].image` from `milvusdb/milvus:v2.6.15` to `milvusdb/milvus:v9.9.9`: its pods restart

    hint: repeat the failed upgrade with its values, or `helm rollback rel 3 -n NAMESPACE` (which sets all counts back at once)
    ");
}

#[test]
fn a_release_in_the_middle_of_something_is_refused() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let mut helm = upgrade(&sandbox, &["--set", "queryNode.replicas=3"]).spawn().unwrap();
    sandbox.until("an upgrade is under way", || sandbox.history("rel").last().unwrap().status == "pending-upgrade");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel datanode=2")), @"
    error: release `rel` in namespace `NAMESPACE` is `pending-upgrade` (revision 2): another operation is under way, or was killed (release-pending)
    caused by: since TIME: Preparing upgrade

    hint: wait; if you are sure that it was killed: `helm rollback rel 1 -n NAMESPACE` (which sets all counts back at once)
    ");
    // Killed, it stays pending for ever.
    helm.kill().unwrap();
    helm.wait().unwrap();
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel datanode=2 --dry-run")), @"
    error: release `rel` in namespace `NAMESPACE` is `pending-upgrade` (revision 2): another operation is under way, or was killed (release-pending)
    caused by: since TIME: Preparing upgrade

    hint: wait; if you are sure that it was killed: `helm rollback rel 1 -n NAMESPACE` (which sets all counts back at once)
    ");
}
