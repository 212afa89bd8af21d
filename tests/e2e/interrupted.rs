//! Signals, to the program alone and to all of its terminal, and what stays.

use std::os::unix::process::CommandExt as _;

use crate::said::signal;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(
    ctrl_c_lets_a_running_upgrade_finish,
    ctrl_c_under_helm_ends_with_the_report,
    ctrl_c_while_reading_changes_nothing,
);

#[test]
fn a_signal_while_waiting_ends_with_a_report() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let run = sandbox.milvus("scale rel querynode=2").start();
    let said = run.until_it_says("1 of 2 ready").signal_and_end("INT");
    insta::assert_snapshot!(said, @"
    exit 130
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 2
    error: interrupted after 1 of 1 steps, in release `rel` in namespace `NAMESPACE` (interrupted)
    caused by: queryNode: SOME of 2 ready

    hint: go on with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 -n NAMESPACE`
    ");
    let run = sandbox.milvus("scale rel querynode=2").start();
    let said = run.until_it_says("1 of 2 ready").signal_and_end("TERM");
    insta::assert_snapshot!(said, @"
    exit 143
    ----- stderr
    error: interrupted before anything was changed, in release `rel` in namespace `NAMESPACE` (interrupted)
    caused by: queryNode: SOME of 2 ready

    hint: go on with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`
    ");
    assert_eq!(sandbox.revision("rel"), 2);
}

/// Ctrl-C reaches every process of the terminal at once.
fn ctrl_c_lets_a_running_upgrade_finish(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let begun = sandbox.home().join("begun");
    // Slow, so that it is hit.
    sandbox.before_upgrade(&format!(": >{}; sleep 1", begun.display()));
    let run = sandbox.milvus("scale rel querynode=2").change(|command| command.process_group(0)).start();
    sandbox.until("the upgrade has begun", || begun.exists());
    signal("INT", &format!("-{}", run.pid()));
    let said = run.end();
    insta::allow_duplicates! { insta::assert_snapshot!(said, @"
    exit 130
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 2
    error: interrupted after 1 of 1 steps, in release `rel` in namespace `NAMESPACE` (interrupted)
    caused by: queryNode: SOME of 2 ready

    hint: go on with `kubectl milvus scale rel queryNode=2 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 -n NAMESPACE`
    "); }
    let history = sandbox.history("rel");
    assert_eq!(history.iter().map(|revision| revision.status.as_str()).collect::<Vec<_>>(), ["superseded", "deployed"]);
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 2);
}

/// The programs that only read are hit as well, and that is no failure.
fn ctrl_c_while_reading_changes_nothing(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let before = sandbox.state();
    let begun = sandbox.home().join("begun");
    for when in ["get all", "--dry-run=server", "history"] {
        let _ = std::fs::remove_file(&begun);
        let script = format!("case \" $* \" in *' {when} '*) : >{}; sleep 5;; esac", begun.display());
        sandbox.wrap("helm", &format!("{script}\nexec \"$REAL\" \"$@\""));
        let run = sandbox.milvus("scale rel querynode=2").change(|command| command.process_group(0)).start();
        sandbox.until("it reads", || begun.exists());
        signal("INT", &format!("-{}", run.pid()));
        let said = run.end();
        assert_eq!(said.code, Some(130), "{when}: {said}");
        let error = "error: interrupted before anything was changed";
        assert!(said.stderr.lines().any(|line| line.starts_with(error)), "{when}: {said}");
        assert_eq!(sandbox.state(), before, "{when}");
    }
}

/// Wherever the first run was, also between a pod's deletion and the upgrade,
/// the two together remove as many pods as were asked for.
#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.behave("querynode.terminates-after=10s");
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let before = sandbox.pods("component=querynode");
    let going = || sandbox.pods("component=querynode").iter().any(|pod| pod.terminating);
    let two = || sandbox.deployments()["rel-milvus-querynode"].replicas == 2;
    // Helm does not get to begin.
    let pid = sandbox.home().join("pid");
    sandbox.before_upgrade(&format!("echo $$ >{0}.part; mv {0}.part {0}; exec sleep 1000", pid.display()));
    let run = sandbox.milvus("scale rel querynode=1").start();
    sandbox.until("a pod goes and Helm is about to begin", || going() && pid.exists());
    assert_eq!(run.signal_and_end("KILL").code, None);
    signal("KILL", std::fs::read_to_string(&pid).unwrap().trim());
    sandbox.unwrap("helm");
    let run = sandbox.milvus("scale rel querynode=1").start();
    sandbox.until("the count is 2", two);
    assert_eq!(run.signal_and_end("KILL").code, None);
    // Helm finishes without us.
    sandbox.until("revision 2 is deployed", || {
        sandbox.history("rel").last().is_some_and(|last| last.revision == 2 && last.status == "deployed")
    });
    sandbox.scale("rel querynode=1").exits(0);
    let after = sandbox.pods("component=querynode");
    assert!(after.len() == 1 && before.contains(&after[0]), "{after:#?} of {before:#?}");
    assert_eq!(sandbox.revision("rel"), 3);
}

#[test]
fn ctrl_c_works_while_a_program_hangs() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let before = sandbox.state();
    for (program, when) in [("helm", "\"$2\" = all"), ("kubectl", "\"$2\" = --raw")] {
        let pids = sandbox.home().join(format!("{program}.pids"));
        let script =
            format!("[ {when} ] && {{ echo $$ >>{0}; exec sleep 1000; }}\nexec \"$REAL\" \"$@\"", pids.display());
        sandbox.wrap(program, &script);
        let run = sandbox.milvus("scale rel querynode=2").start();
        sandbox.until("it hangs", || std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')));
        let said = run.signal_and_end("INT");
        insta::allow_duplicates! { insta::assert_snapshot!(said, @"
        exit 130
        ----- stderr
        error: interrupted before anything was changed, in namespace `NAMESPACE` (interrupted)
        "); }
        let hung = std::fs::read_to_string(&pids).unwrap();
        let is_there = |pid: &str| std::path::Path::new("/proc").join(pid).exists();
        sandbox.until("nothing is left", || !hung.lines().any(is_there));
        sandbox.unwrap(program);
    }
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_termination_is_passed_on_to_an_upgrade_that_hangs() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!(": >{}; exec sleep 1000", begun.display()));
    let before = sandbox.state();
    let run = sandbox.milvus("scale rel querynode=2").start();
    sandbox.until("the upgrade has begun", || begun.exists());
    let said = run.signal_and_end("TERM");
    said.exits(143);
    assert!(said.stderr.contains("error: interrupted before anything was changed"), "{said}");
    assert_eq!(sandbox.state(), before);
}

/// A terminal that is closed reaches all that runs in it; an upgrade that has
/// begun is let finish.
#[test]
fn a_closed_terminal_lets_a_running_upgrade_finish() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let begun = sandbox.home().join("begun");
    sandbox.before_upgrade(&format!(": >{}; sleep 1", begun.display()));
    let run = sandbox.milvus("scale rel querynode=2").change(|command| command.process_group(0)).start();
    sandbox.until("the upgrade has begun", || begun.exists());
    signal("HUP", &format!("-{}", run.pid()));
    let said = run.end();
    said.exits(143);
    assert!(said.stderr.contains("error: interrupted after 1 of 1 steps"), "{said}");
    let history = sandbox.history("rel");
    assert_eq!(history.iter().map(|revision| revision.status.as_str()).collect::<Vec<_>>(), ["superseded", "deployed"]);
}

/// Under Helm the parent ends at once; the report still comes, and spells its
/// commands as they were typed.
fn ctrl_c_under_helm_ends_with_the_report(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let plugin = sandbox.home().join("plugins/milvus");
    std::fs::create_dir_all(plugin.join("bin")).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.yaml"), plugin.join("plugin.yaml")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kubectl-milvus"), plugin.join("bin/kubectl-milvus")).unwrap();
    let run = sandbox
        .milvus("milvus scale rel querynode=2")
        .program(sandbox.tool("helm"))
        .env("HELM_PLUGINS", plugin.parent().unwrap().to_str().unwrap())
        .change(|command| command.process_group(0))
        .start()
        .until_it_says("1 of 2 ready");
    signal("INT", &format!("-{}", run.pid()));
    // Both streams end when the last of the two has ended.
    let said = run.end();
    assert!(said.stderr.contains("error: interrupted after 1 of 1 steps"), "{said}");
    assert!(said.stderr.contains("go on with `helm milvus scale rel queryNode=2"), "{said}");
    assert_eq!(sandbox.revision("rel"), 2);
}
