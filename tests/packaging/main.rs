//! What is published is what krew and both Helms take, and says one version
//! everywhere. Needs no cluster.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground gives way")]
#![expect(clippy::disallowed_methods, reason = "tests start programs and read their environment")]
#![expect(unreachable_pub, reason = "no other crate uses this one")]

mod archive;
#[path = "../archives/mod.rs"]
mod archives;
mod helm_plugin;
mod krew;

use std::fs;
use std::process::Command;

use archives::{ROOT, VERSION};

#[test]
fn there_is_one_version() {
    assert_eq!(archives::script("version", &[]), VERSION);
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-milvus")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("kubectl-milvus {VERSION}\n"));
    assert_eq!(helm_plugin::plugin().version, VERSION);
    assert_eq!(krew::manifest().spec.version, format!("v{VERSION}"));
    for archive in archives::archives() {
        let name = archive.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("kubectl-milvus-v{VERSION}-")), "{name}");
    }
    // The template has none of its own to forget.
    let template = fs::read_to_string(format!("{ROOT}/krew-manifest.yaml")).unwrap();
    assert!(!template.contains(VERSION), "{template}");
}
