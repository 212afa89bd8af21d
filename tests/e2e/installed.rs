//! Installed as users install it, from the archives: by krew, and as a plugin of
//! both Helms, each into a home that has nothing else in it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::archives;
use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(helm_installs_a_folder_and_scales, helm_installs_what_an_address_serves);

#[test]
fn krew_installs_it_and_kubectl_scales() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let root = sandbox.home().join("krew");
    let manifest = archives::folder().join("milvus.yaml");
    let mut krew = sandbox.command("kubectl-krew", &["install"]);
    krew.arg("--manifest").arg(&manifest).arg("--archive").arg(archive());
    let output = krew.env("KREW_ROOT", &root).env("KREW_NO_UPGRADE_CHECK", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // What else is needed is said where it is installed.
    assert!(told.contains("Needs helm on the PATH"), "{told}");

    let path = format!("{}:{}", root.join("bin").display(), sandbox.bin().display());
    let kubectl = |words: &str| sandbox.milvus(words).program(sandbox.tool("kubectl")).env("PATH", &path).end();
    let listed = kubectl("plugin list --name-only");
    insta::assert_snapshot!(listed, @"
    exit 0
    ----- stdout
    The following compatible plugins are available:

    kubectl-milvus
    ");
    let usage = kubectl("milvus scale --help");
    assert!(usage.exits(0).stdout.contains("\n  kubectl milvus scale [RELEASE] "), "{usage}");
    kubectl("milvus scale rel querynode=2").exits(0);
    assert_eq!(sandbox.pods("component=querynode").len(), 2);
    // kubectl becomes the plugin, so that its exit codes are those of the plugin.
    kubectl("milvus scale rel attu=2").exits(1);
    kubectl("milvus scale rel").exits(2);
}

/// The program that krew's reviewers run: it fetches and installs every one.
#[test]
fn the_validator_of_krew_takes_every_archive() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    let manifest = fs::read_to_string(archives::folder().join("milvus.yaml")).unwrap();
    let address = serve(archives::folder());
    let release = format!("/releases/download/v{}/", archives::VERSION);
    let served: Vec<String> = manifest
        .lines()
        .map(|line| match line.split_once(&release) {
            Some((_, name)) => format!("      uri: {address}/{name}"),
            None => line.to_owned(),
        })
        .collect();
    // It runs `kubectl krew`.
    symlink(sandbox.tool("kubectl-krew"), sandbox.bin().join("kubectl-krew")).unwrap();
    let file = sandbox.home().join("milvus.yaml");
    fs::write(&file, served.join("\n")).unwrap();
    let output = sandbox.command("validate-krew-manifest", &["-manifest", file.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    for archive in archives::archives() {
        let name = archive.file_name().unwrap().to_str().unwrap();
        assert!(served.iter().any(|line| line.ends_with(name)), "{name} is not in the manifest");
    }
}

fn helm_installs_a_folder_and_scales(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    install(&sandbox);
    let listed = sandbox.helm(&["plugin", "list"]);
    assert!(listed.contains("milvus") && listed.contains(archives::VERSION), "{listed}");
    let usage = helm_milvus(&sandbox, "milvus scale --help");
    assert!(usage.exits(0).stdout.contains("\n  helm milvus scale [RELEASE] "), "{usage}");
    insta::allow_duplicates! { insta::assert_snapshot!(helm_milvus(&sandbox, "milvus scale rel querynode=3"), @"
    exit 0
    ----- stdout
    NAME   READY   STATUS    RESTARTS   AGE
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME
    rel-milvus-querynode-POD   1/1     Running   0   TIME

    release `rel` in namespace `NAMESPACE`: queryNode 1 to 3, 3 pods ready; verified (revision 2)
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    "); }
    assert_eq!(sandbox.pods("component=querynode").len(), 3);
    // The command of a hint is for Helm as well, and leads to the same cluster.
    insta::allow_duplicates! { insta::assert_snapshot!(helm_milvus(&sandbox, "milvus scale rel querynode=0"), @r#"
    exit 1
    ----- stderr
    error: `queryNode=0` would stop every `queryNode` of release `rel` in namespace `NAMESPACE` (zero)

    hint: if that is what you want: `helm milvus scale rel queryNode=0 -n NAMESPACE --kubeconfig=HOME/kubeconfig --allow-zero`
    Error: plugin "milvus" exited with error
    "#); }
    sandbox.helm(&["plugin", "uninstall", "milvus"]);
    assert!(!sandbox.helm(&["plugin", "list"]).contains("milvus"));
}

fn helm_installs_what_an_address_serves(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let address = format!("{}/{}", serve(archives::folder()), archive().file_name().unwrap().to_str().unwrap());
    match helm {
        Helm::V3 => sandbox.helm(&["plugin", "install", &address]),
        // Helm 4 wants a signature beside it, and there is none.
        Helm::V4 => sandbox.helm(&["plugin", "install", "--verify=false", &address]),
    };
    let version = helm_milvus(&sandbox, "milvus --version");
    assert_eq!(version.exits(0).stdout, format!("kubectl-milvus {}\n", archives::VERSION));
}

/// Unpacks the archive into a folder, with a space on its way, and installs that.
pub fn install(sandbox: &Sandbox) {
    let folder = sandbox.home().join("a folder").join("milvus");
    fs::create_dir_all(&folder).unwrap();
    let unpacked = Command::new("tar").arg("-xzf").arg(archive()).arg("-C").arg(&folder).status();
    assert!(unpacked.unwrap().success());
    sandbox.helm(&["plugin", "install", folder.to_str().unwrap()]);
}

/// `helm WORDS`, run to its end.
pub fn helm_milvus(sandbox: &Sandbox, words: &str) -> Said {
    sandbox.milvus(words).program(sandbox.tool("helm")).end()
}

/// The archive for this machine.
fn archive() -> PathBuf {
    let system = format!("{}-unknown-linux-", std::env::consts::ARCH);
    archives::archives().into_iter().find(|path| path.to_str().unwrap().contains(&system)).unwrap()
}

/// Serves the files of a folder until the tests end; its address.
fn serve(folder: &'static Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || answer(connection.unwrap(), folder));
        }
    });
    address
}

fn answer(mut connection: TcpStream, folder: &Path) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut words = request.split([' ', '\r']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let content = fs::read(folder.join(path.trim_start_matches('/')));
    let status = if content.is_ok() { "200 OK" } else { "404 Not Found" };
    let content = content.unwrap_or_default();
    // Helm 3 goes by the type whether it is an archive.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    // Who asked may have gone.
    let _ = connection.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = connection.write_all(&content);
    }
}
