//! How much memory a run and the programs that it starts ever had, in KB.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::sandbox::Sandbox;

pub struct Peaks {
    pub own: u64,
    /// The largest of each name.
    pub children: BTreeMap<String, u64>,
}

/// Looks on until the process has ended.
pub fn peaks(pid: u32) -> Peaks {
    let mut peaks = Peaks { own: 0, children: BTreeMap::new() };
    while let Some(own) = peak(pid) {
        peaks.own = own;
        for (child, name) in children_of(pid) {
            if let Some(peak) = peak(child) {
                let known = peaks.children.entry(name).or_insert(0);
                *known = peak.max(*known);
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    peaks
}

/// What the program itself needs while it only looks on. A test build has three
/// times the code of a release, which is what most of this is.
pub fn idle(sandbox: &Sandbox) -> u64 {
    let run = sandbox.milvus("status --watch -o json").start().until_it_prints("releases");
    let idle = peak(run.pid()).unwrap();
    run.signal_and_end("INT");
    idle
}

/// The most that a process ever had; `None` once it has ended.
pub fn peak(pid: u32) -> Option<u64> {
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
            // Between fork and exec a child is still the program itself.
            (parent == pid && name != "kubectl-milvus").then(|| (process, name.to_owned()))
        })
        .collect()
}
