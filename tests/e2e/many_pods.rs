//! Thousands of pods, and of changes: flat memory, of the program and of what it
//! starts.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::memory;
use crate::sandbox::{Helm, NEWEST, Sandbox};

const PODS: u32 = 2000;

#[test]
fn two_thousand_pods_need_little_memory() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let run = sandbox.milvus(&format!("scale rel querynode={PODS} --timeout 5m")).start();
    let memory::Peaks { own, children } = memory::peaks(run.pid());
    let said = run.end();
    said.exits(0);
    assert!(said.stdout.contains(&format!("queryNode 1 to {PODS}, {PODS} pods ready; verified")), "{said}");
    // With the 5 MB that a release build needs for nothing, that is below 20 MB.
    let idle = memory::idle(&sandbox);
    assert!(own < idle + 14 * 1024, "{own} KB, idle {idle} KB, and {children:?}");
    assert!(children["helm"] < 120 * 1024 && children["kubectl"] < 120 * 1024, "{children:?} KB");

    sandbox.scale(&format!("rel querynode={PODS}")).exits(0);
}

/// Thousands of changes later a wait needs what it needed at its beginning.
#[test]
fn a_long_wait_needs_no_more_memory_than_a_short_one() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.behave("querynode.behaviour=never-ready");
    let run = sandbox.milvus("scale rel querynode=50 --timeout 1h").start().until_it_says("49 starting");
    let pid = run.pid();
    let changes = |from: u32, to: u32| {
        for number in from..to {
            let mark = format!("number={number}");
            sandbox.kubectl(&["annotate", "pods", "-l", "component=querynode", "--overwrite", &mark]);
        }
        memory::peak(pid).unwrap()
    };
    let first = changes(0, 20);
    let last = changes(20, 80);
    run.signal_and_end("INT").exits(130);
    assert!(last < first + 512, "{first} KB after 1000 changes, {last} KB after 4000");
}

/// Helm and kubectl collect their garbage late, and hold little all the same;
/// what the user says of it holds.
#[test]
fn children_use_memory_as_they_are_told() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let log = sandbox.home().join("memory");
    for program in ["helm", "kubectl"] {
        let line = format!("echo \"{program} $GOGC $GOMEMLIMIT\" >>{}", log.display());
        sandbox.wrap(program, &format!("{line}\nexec \"$REAL\" \"$@\""));
    }
    let told = |change: fn(&mut Command) -> &mut Command| {
        sandbox.milvus("scale rel querynode=1").change(change).end().exits(0);
        let told: BTreeSet<String> = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
        fs::remove_file(&log).unwrap();
        told.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(told(|command| command), ["helm 400 64MiB", "kubectl 400 64MiB"]);
    assert_eq!(told(|command| command.env("GOGC", "50")), ["helm 50 ", "kubectl 50 "]);
    assert_eq!(told(|command| command.env("GOMEMLIMIT", "1GiB")), ["helm  1GiB", "kubectl  1GiB"]);
}
