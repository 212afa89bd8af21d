//! Thousands of pods: flat memory, of the program and of what it starts.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{Helm, NEWEST, Sandbox};

const PODS: u32 = 2000;

#[test]
fn two_thousand_pods_need_little_memory() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let run = sandbox.milvus(&format!("scale rel querynode={PODS} --timeout 5m")).start();
    let pid = run.pid();
    let (mut own, mut children) = (0, BTreeMap::new());
    while let Some(peak) = peak_memory(pid) {
        own = own.max(peak);
        for (child, name) in children_of(pid) {
            if let Some(peak) = peak_memory(child) {
                let known = children.entry(name).or_insert(0);
                *known = peak.max(*known);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    let said = run.end();
    said.exits(0);
    assert!(said.stdout.contains(&format!("queryNode 1 to {PODS}, {PODS} pods ready; verified")), "{said}");
    assert!(own < 20 * 1024, "{own} KB, and {children:?}");
    assert!(children["helm"] < 120 * 1024, "{children:?} KB");
    let idle = idle_kubectl(&sandbox);
    assert!(children["kubectl"] < idle + 60 * 1024, "{children:?} KB, idle {idle} KB");

    let began = Instant::now();
    sandbox.scale(&format!("rel querynode={PODS}")).exits(0);
    assert!(began.elapsed() < Duration::from_secs(15), "to see that nothing is to do: {:?}", began.elapsed());
}

/// What the sandbox's kubectl needs for nothing: it is one program with the
/// whole control plane in it.
fn idle_kubectl(sandbox: &Sandbox) -> u64 {
    let path = format!("/api/v1/namespaces/{}/configmaps?watch=1", sandbox.namespace);
    let mut kubectl = sandbox.command("kubectl", &["get", "--raw", &path]).stdout(Stdio::null()).spawn().unwrap();
    thread::sleep(Duration::from_secs(1));
    let peak = peak_memory(kubectl.id()).unwrap();
    kubectl.kill().unwrap();
    kubectl.wait().unwrap();
    peak
}

/// The most memory a process ever had, in KB.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn children_of(pid: u32) -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter_map(|process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
            let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
            (parent == pid).then(|| (process, name.to_owned()))
        })
        .collect()
}
