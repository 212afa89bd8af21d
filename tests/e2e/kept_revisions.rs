//! The revisions that a user could go back to: plain helm drops the oldest of
//! them at each upgrade, this program none, and says that there are more than
//! helm keeps.

use crate::sandbox::{Helm, NEWEST, Sandbox, chart};
use crate::with_each_helm;

with_each_helm!(no_revision_is_lost_to_a_scale);

fn no_revision_is_lost_to_a_scale(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let (chart, version) = chart(NEWEST);
    let upgrade = |release: &str, more: &[&str]| {
        let words = ["upgrade", release, &chart, "--version", &version, "--reuse-values"];
        sandbox.helm(&[&words, more].concat());
    };
    // A pipeline that keeps more than helm does by itself.
    for release in ["plain", "rel"] {
        sandbox.install(release, NEWEST, "");
        for _ in 2..=5 {
            upgrade(release, &["--history-max=50"]);
        }
        assert_eq!(oldest(&sandbox, release), 1);
    }
    upgrade("plain", &["--set", "queryNode.replicas=2", "--history-max=3"]);
    assert_eq!(oldest(&sandbox, "plain"), 4, "plain helm drops none");

    let scale = |words: &str| sandbox.milvus(&format!("scale rel {words}")).env("HELM_MAX_HISTORY", "3").end();
    let planned = scale("querynode=2 --dry-run");
    assert!(planned.exits(0).stdout.contains("\n  helm keeps 3 revisions and there are 5: "), "{planned}");
    let said = scale("querynode=2");
    assert_eq!(oldest(&sandbox, "rel"), 1, "{said}");
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode 1 to 2, 2 pods ready; verified (revision 6)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 5, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode 1 to 2
          helm keeps 3 revisions and there are 5: this run keeps all (`--history-max=6`), your next `helm upgrade` drops the oldest
        ");
    }
    let document = scale("querynode=3 -o json").json();
    assert_eq!(document["cautions"].as_array().unwrap().len(), 1, "{document}");
}

/// Three steps, and helm keeps three revisions.
#[test]
fn a_way_down_of_many_steps_leaves_the_revision_before_it() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "proxy.replicas=4");
    let run = sandbox.milvus("scale rel proxy=1 --gate none").env("HELM_MAX_HISTORY", "3");
    run.end().exits(0);
    assert_eq!(oldest(&sandbox, "rel"), 1);
    assert_eq!(sandbox.revision("rel"), 4);
    // And 0 keeps all of them, without a word from here.
    let said = sandbox.milvus("scale rel proxy=2 -v").env("HELM_MAX_HISTORY", "0").end();
    assert!(!said.exits(0).stderr.contains("history-max"), "{said}");
}

fn oldest(sandbox: &Sandbox, release: &str) -> u64 {
    sandbox.history(release).first().unwrap().revision
}
