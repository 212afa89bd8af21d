//! The archives that tests look at and install: those of `make dist` where the
//! variable DIST names their folder, else made of this build by the same scripts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-milvus");

/// Every system there is an archive for.
pub const TARGETS: [&str; 5] = [
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-gnu",
];

/// The folder of the archives and of krew's manifest, `milvus.yaml`.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(dist) = released() {
            return dist;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        // Most of a build for tests is what a debugger wants.
        let stripped = folder.join("stripped");
        let strip = Command::new("strip").arg("-o").args([stripped.as_path(), Path::new(PROGRAM)]).status();
        assert!(strip.unwrap().success());
        for target in TARGETS {
            // Programs for other systems cannot be run here, and packing does
            // not look into them: a small file stands in.
            let program = if target == native() { &stripped } else { &Path::new(ROOT).join("LICENSE") };
            script("package", &[target, program.to_str().unwrap(), folder.to_str().unwrap()]);
        }
        fs::remove_file(stripped).unwrap();
        script("krew-manifest", &[folder.to_str().unwrap()]);
        folder
    })
}

/// The folder that `make dist` made, if that is what is tested.
pub fn released() -> Option<PathBuf> {
    env::var_os("DIST").map(|dist| fs::canonicalize(dist).unwrap())
}

/// The system of this machine.
fn native() -> &'static str {
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-musl" } else { "x86_64-unknown-linux-musl" }
}

pub fn archives() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_str().unwrap().ends_with(".tar.gz"));
    found.sort();
    found
}

/// Runs one of `scripts/`, and gives its standard output.
pub fn script(name: &str, words: &[&str]) -> String {
    let output = Command::new(format!("{ROOT}/scripts/{name}")).args(words).output().unwrap();
    assert!(output.status.success(), "{name} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
