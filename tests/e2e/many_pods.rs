//! Thousands of pods: flat memory, of the program and of what it starts.

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
    assert!(own < 20 * 1024, "{own} KB, and {children:?}");
    assert!(children["helm"] < 120 * 1024, "{children:?} KB");
    let idle = memory::idle_kubectl(&sandbox);
    assert!(children["kubectl"] < idle + 60 * 1024, "{children:?} KB, idle {idle} KB");

    sandbox.scale(&format!("rel querynode={PODS}")).exits(0);
}
