//! Releases that are not as they should be: an operation that was killed, one
//! that failed, one that someone else changes at the same moment.

use std::process::Stdio;

use crate::evidence::{count, evidence, history, plain_upgrade, refused, settled, unmoved};
use crate::sandbox::{Helm, NEWEST, Sandbox, chart};
use crate::with_each_helm;

with_each_helm!(what_a_failed_upgrade_counted_stays, someone_elses_upgrade_is_noticed);

/// Helm reuses the values of the last deployed revision, and so forgets those
/// of the failed one.
fn what_a_failed_upgrade_counted_stays(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    for release in ["plain", "rel"] {
        sandbox.install(release, NEWEST, "");
        let said = plain_upgrade(&sandbox, release, NEWEST, "queryNode.replicas=3,dataNode.replicas=many");
        assert!(said.starts_with("exit 1"), "{said}");
        assert_eq!(sandbox.history(release).last().unwrap().status, "failed");
        // Helm 4 stops at the first object that fails, Helm 3 goes on.
        sandbox.kubectl(&["scale", &format!("deployment/{release}-milvus-querynode"), "--replicas=3"]);
    }
    settled(&sandbox);

    assert_eq!(plain_upgrade(&sandbox, "plain", NEWEST, "streamingNode.replicas=2"), "exit 0");
    assert_eq!(count(&sandbox, "plain-milvus-querynode"), 1);

    // By whom depends on how far the failed upgrade came.
    let mut by_anyone = insta::Settings::clone_current();
    by_anyone.add_filter("the release says 1(, set by [^;]*)?", "the release says 1");
    let said = sandbox.scale("rel streamingnode=2");
    insta::allow_duplicates! {
        by_anyone.bind(|| insta::assert_snapshot!(said, @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-streamingnode-POD   1/1     Running   0   TIME
        rel-milvus-streamingnode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: streamingNode 1 to 2, 2 pods ready; verified (revision 3)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
        [1/1] streamingNode 1 to 2
          queryNode stays at 3: the release says 1; in your values file: queryNode.replicas: 3
        "));
    }
    assert_eq!(count(&sandbox, "rel-milvus-querynode"), 3);

    let failing = "proxy.annotations.colour=red,sample.hook=true,queryNode.replicas=4,dataNode.replicas=many";
    assert!(plain_upgrade(&sandbox, "rel", NEWEST, failing).starts_with("exit 1"));
    settled(&sandbox);
    insta::allow_duplicates! {
        insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel streamingnode=1")), @"
        error: the last operation on release `rel` in namespace `NAMESPACE` failed (revision 4) (release-failed)
        caused by: an upgrade that reuses values takes those of the last deployed revision: this would be lost
        caused by: Deployment `rel-milvus-proxy` `.spec.template.metadata.annotations.colour` from (none) to (not shown): its pods restart

        hint: repeat the failed upgrade with its values, or `helm rollback rel 3 -n NAMESPACE` (which sets all counts back at once)
        ");
    }
}

#[test]
fn an_operation_that_was_killed_is_told_with_the_way_out() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let (chart, version) = chart(NEWEST);
    let words =
        ["upgrade", "rel", &chart, "--version", &version, "--reuse-values", "--set", "queryNode.replicas=2", "--wait"];
    let mut helm = sandbox.command("helm", &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.until("an upgrade is under way", || sandbox.history("rel").last().unwrap().status == "pending-upgrade");
    helm.kill().unwrap();
    helm.wait().unwrap();

    let told = refused(&sandbox, sandbox.milvus("scale rel datanode=2"));

    insta::assert_snapshot!(told, @"
    error: release `rel` in namespace `NAMESPACE` is `pending-upgrade` (revision 2): another operation is under way, or was killed (release-pending)
    caused by: since TIME: Preparing upgrade

    hint: wait; if you are sure that it was killed: `helm rollback rel 1 -n NAMESPACE` (which sets all counts back at once)
    ");
    let rollback = told.split('`').find(|words| words.starts_with("helm rollback")).unwrap();
    sandbox.helm(&rollback.split(' ').skip(1).collect::<Vec<_>>());
    sandbox.scale("rel datanode=2").exits(0);
}

fn someone_elses_upgrade_is_noticed(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let (chart, version) = chart(NEWEST);
    let theirs = format!(
        "\"$REAL\" upgrade rel {chart} --version {version} --reuse-values --set proxy.replicas=2 \
         --description theirs >>{}",
        sandbox.home().join("theirs").display()
    );

    // Between the proof and the upgrade: nothing is done.
    sandbox.wrap("helm", &format!("case \"$*\" in *history*--max=1*) {theirs};; esac\nexec \"$REAL\" \"$@\""));
    let said = sandbox.scale("rel querynode=2");
    assert_eq!(sandbox.revision("rel"), 2, "{said}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"
        exit 1
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode 1 to 2
        error: release `rel` in namespace `NAMESPACE` is at revision 2, not at 1: someone else changed it (superseded)
        caused by: revision 2 is `deployed`, TIME: theirs

        hint: helm history rel -n NAMESPACE
        ");
    }
    assert_eq!(count(&sandbox, "rel-milvus-querynode"), 1);
    settled(&sandbox);

    // In the moment of the upgrade: both are there, and it is said.
    let theirs = theirs.replace("proxy.replicas=2", "proxy.replicas=3");
    let upgrade = format!("case \"$*\" in *--dry-run*) ;; upgrade*) {theirs};; esac\nexec \"$REAL\" \"$@\"");
    sandbox.wrap("helm", &upgrade);
    let said = sandbox.scale("rel querynode=2");
    sandbox.unwrap("helm");
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"
        exit 3
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode 1 to 2
        error: release `rel` in namespace `NAMESPACE` is at revision 4, not at 3: someone else changed it (superseded)
        caused by: revision 4 is `deployed`, TIME: kubectl milvus scale: queryNode 1 to 2

        hint: helm history rel -n NAMESPACE; then go on with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 -n NAMESPACE`
        ");
        insta::assert_snapshot!(history(&sandbox, "rel"), @"
        1 superseded: Install complete
        2 superseded: theirs
        3 superseded: theirs
        4 deployed: kubectl milvus scale: queryNode 1 to 2
        ");
    }
    let before = evidence(&sandbox);
    let said = sandbox.scale("rel querynode=2 --dry-run");
    unmoved(&sandbox, &before, said.exits(0));
}
