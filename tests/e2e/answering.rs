//! The Milvus that answers in the sandbox: which one it is, how it feels, and
//! what it was asked.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Helm, NEWEST, Sandbox};

/// A request that reached a pod of this namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Comparable as text.
    pub at: String,
    pub pod: String,
    pub path: String,
}

/// A release whose pods run and answer as this version of Milvus, in a
/// sandbox of its own; four query nodes unless `set` says otherwise.
pub fn milvus(version: &str, set: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::with(Helm::V4)?;
    answers(&sandbox, version);
    sandbox.install("rel", NEWEST, &format!("image.all.tag=v{version},queryNode.replicas=4,{set}"));
    Some(sandbox)
}

pub fn answers(sandbox: &Sandbox, version: &str) {
    sandbox.behave(&format!("milvus={version}"));
}

/// The state of the simulated Milvus, such as `rebalancing:2s`.
pub fn feels(sandbox: &Sandbox, state: &str) {
    sandbox.behave(&format!("milvus-state={state}"));
}

/// Everything that the pods of this namespace were asked. That nothing but
/// reading was asked is part of it.
pub fn requests(sandbox: &Sandbox) -> Vec<Request> {
    let dir = PathBuf::from(env::var_os("SANDBOX_DIR").expect("the sandbox names its folder"));
    let log = fs::read_to_string(dir.join("logs/milvus.log")).unwrap();
    let mut requests = Vec::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [at, kind, namespace, pod, _, path] = words[..] else { panic!("{line}") };
        if namespace != sandbox.namespace || kind == "refused" {
            continue;
        }
        assert_eq!(kind, "reads", "Milvus was asked for more than an answer: {line}");
        let path = path.split("?timeout=").next().unwrap().split("&timeout=").next().unwrap().to_owned();
        requests.push(Request { at: at.to_owned(), pod: pod.to_owned(), path });
    }
    requests
}
