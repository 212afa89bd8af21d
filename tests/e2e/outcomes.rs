//! The JSON of runs that did not get there; `output` has the others. All
//! documents of all tests are held against the schema where they are read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn a_run_that_does_not_get_there_says_in_json_how_it_ended() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3,image.all.tag=v2.6.17");
    let told = |said: &Said, code: i32| {
        let document = said.exits(code).json();
        assert_eq!(document["exitCode"], code);
        let told = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(!told("/error/message").is_empty() && told("/error/hint").contains("kubectl milvus scale rel"));
        (told("/outcome"), told("/error/id"))
    };
    let pair = |outcome: &str, id: &str| (outcome.to_owned(), id.to_owned());

    sandbox.behave("milvus=2.6.17");
    sandbox.behave("milvus-state=rebalancing:1h");
    let shut = sandbox.scale("rel querynode=2 -o json --timeout 10s --grace 1s");
    assert_eq!(told(&shut, 3), pair("gate-shut", "gate-shut"));

    sandbox.behave("datanode.behaviour=image-pull");
    let stuck = sandbox.scale("rel datanode=2 -o json");
    assert_eq!(told(&stuck, 3), pair("stuck", "image-pull"));

    sandbox.behave("proxy.behaviour=never-ready");
    let run = sandbox.milvus("scale rel proxy=2 -o json").start();
    let interrupted = run.until_it_says("1 of 2 ready").signal_and_end("INT");
    assert_eq!(told(&interrupted, 130), pair("interrupted", "interrupted"));
}

/// Each outcome that the schema knows is the outcome of some test's document.
#[test]
fn every_outcome_of_the_schema_is_met_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(root.join("docs/schema/scale.json")).unwrap()).unwrap();
    let outcome = &schema["$defs"]["Outcome"];
    let ways = outcome["oneOf"].as_array().or(outcome["enum"].as_array()).unwrap();
    let names: BTreeSet<&str> = ways.iter().filter_map(|way| way["const"].as_str().or(way.as_str())).collect();
    assert!(names.len() > 5, "{outcome}");
    let tests = ["output.rs", "outcomes.rs"].map(|file| fs::read_to_string(root.join("tests/e2e").join(file)).unwrap());
    for name in names {
        let met = [format!("outcome: \"{name}\""), format!("pair(\"{name}\"")];
        assert!(tests.iter().any(|text| met.iter().any(|met| text.contains(met))), "no test meets `{name}`");
    }
}
