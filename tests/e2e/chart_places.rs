//! Several places that say they have the installed chart: the one that renders
//! the release is taken, whatever it is called.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::json;

use crate::evidence::{evidence, refused, unmoved};
use crate::own_charts;
use crate::sandbox::{Helm, Sandbox};

const INSTALLED: &str = "5.0.17";

#[test]
fn of_several_charts_the_one_that_renders_the_release_is_taken() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", INSTALLED, "");
    let other = own_charts::with_template(&sandbox, INSTALLED, "changed", MORE);
    let refuse = |chart: &Path| {
        refused(&sandbox, sandbox.milvus("scale rel querynode=2").word(&format!("--chart={}", chart.display())))
    };
    insta::assert_snapshot!(refuse(&other), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.17 (HOME/changed)
    error: the chart is not the one that release `rel` in namespace `NAMESPACE` was installed from (chart-differs)
    caused by: it has the same version and other templates
    caused by: ConfigMap `more` is created

    hint: name the right one: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --chart ...`
    ");

    // Helm lists this one first.
    let folder = sandbox.home().join("another");
    fs::create_dir(&folder).unwrap();
    sandbox.helm(&["package", &other.display().to_string(), "--destination", &folder.display().to_string()]);
    let repository = Repository::of(&folder);
    sandbox.helm(&["repo", "index", &folder.display().to_string(), "--url", &repository.url]);
    sandbox.helm(&["repo", "add", "another", &repository.url]);
    let said = sandbox.scale("rel querynode=2");
    assert!(said.exits(0).stderr.contains("chart milvus-5.0.17 (milvus/milvus)"), "{said}");
    assert!(repository.requests() > 1, "the other chart was not looked at");

    // A chart at hand needs no network.
    let asked = repository.requests();
    let archive = PathBuf::from(std::env::var_os("SANDBOX_CHARTS").unwrap()).join("milvus-5.0.17.tgz");
    let run = |word: &str| sandbox.milvus(word).word(&format!("--chart={}", archive.display())).end();
    run("scale rel querynode=3").exits(0);
    assert_eq!(repository.requests(), asked);

    sandbox.helm(&["repo", "remove", "milvus"]);
    let before = evidence(&sandbox);
    let said = sandbox.scale("rel querynode=4");
    unmoved(&sandbox, &before, said.exits(1));
    insta::assert_snapshot!(said.stderr, @"
    release `rel` in namespace `NAMESPACE`: revision 3, chart milvus-5.0.17 (another/milvus)
    error: the chart is not the one that release `rel` in namespace `NAMESPACE` was installed from (chart-differs)
    caused by: it has the same version and other templates
    caused by: ConfigMap `more` is created

    hint: name the right one: `kubectl milvus scale rel queryNode=4 -n NAMESPACE --chart ...`
    ");
}

/// One object more.
const MORE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\n  namespace: {{ .Release.Namespace }}\n";

/// A place that cannot be read does not speak for the others.
#[test]
fn a_repository_that_is_out_of_reach_is_passed_over() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", INSTALLED, "");
    let folder = sandbox.home().join("gone");
    fs::create_dir(&folder).unwrap();
    let archive = folder.join("milvus-5.0.17.tgz");
    fs::copy(own_charts::charts().join("milvus-5.0.17.tgz"), &archive).unwrap();
    let repository = Repository::of(&folder);
    sandbox.helm(&["repo", "index", &folder.display().to_string(), "--url", &repository.url]);
    // Helm lists it first.
    sandbox.helm(&["repo", "add", "gone", &repository.url]);
    fs::remove_file(archive).unwrap();
    let said = sandbox.scale("rel querynode=2");
    assert!(said.exits(0).stderr.contains("chart milvus-5.0.17 (milvus/milvus)"), "{said}");
    assert!(repository.requests() > 1, "the other place was not asked");
}

/// Several places with the very chart that was installed: what it changes is a
/// side effect, and no sign of another chart.
#[test]
fn a_side_effect_is_one_wherever_the_chart_is_found() {
    for helm in [Helm::V3, Helm::V4] {
        let Some(sandbox) = Sandbox::with(helm) else { return };
        sandbox.install("rel", INSTALLED, "sample.revisionAnnotation=true");
        let url = std::env::var("SANDBOX_REPOSITORY").unwrap();
        sandbox.helm(&["repo", "add", "alias", &url]);
        let archive = own_charts::charts().join("milvus-5.0.17.tgz");
        for run in [
            sandbox.milvus("scale rel querynode=2"),
            sandbox.milvus("scale rel querynode=2").word(&own_charts::flag(&archive)),
        ] {
            let said = refused(&sandbox, run);
            assert!(said.contains("(side-effects)"), "{said}");
        }
    }
}

/// A registry has the chart as any artifact: a manifest by its version, and what
/// that names by digests. Helm 4 asks registries by TLS alone.
#[test]
fn a_chart_in_a_registry_is_found() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", INSTALLED, "");
    let folder = sandbox.home().join("registry");
    let repository = folder.join("v2/charts/milvus");
    let (blobs, manifests) = (repository.join("blobs"), repository.join("manifests"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&manifests).unwrap();
    let blob = |content: &[u8], kind: &str| {
        let file = blobs.join("new");
        fs::write(&file, content).unwrap();
        let digest = digest(&file);
        fs::rename(file, blobs.join(&digest)).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": content.len()})
    };
    let chart = fs::read(own_charts::charts().join(format!("milvus-{INSTALLED}.tgz"))).unwrap();
    let about = json!({"name": "milvus", "version": INSTALLED, "apiVersion": "v2"}).to_string();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(about.as_bytes(), "application/vnd.cncf.helm.config.v1+json"),
        "layers": [blob(&chart, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
    });
    let file = manifests.join(INSTALLED);
    fs::write(&file, manifest.to_string()).unwrap();
    fs::copy(&file, manifests.join(digest(&file))).unwrap();
    let registry = Repository::of(&folder);
    let address = registry.url.replace("http://", "oci://");
    sandbox.helm(&["repo", "remove", "milvus"]);

    let said = sandbox.scale(&format!("rel querynode=2 --chart={address}/charts/milvus"));
    let source = format!("chart milvus-{INSTALLED} ({address}/charts/milvus)");
    assert!(said.exits(0).stderr.contains(&source), "{said}");
    assert!(registry.requests() > 0);
    let before = evidence(&sandbox);
    let said = sandbox.scale(&format!("rel querynode=3 --chart={address}/charts/other"));
    assert!(said.exits(1).stderr.contains("(chart-not-found)"), "{said}");
    unmoved(&sandbox, &before, &said);
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn digest(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", text.split(' ').next().unwrap())
}

/// A folder of charts served by HTTP, for as long as the test lives.
struct Repository {
    url: String,
    requests: Arc<AtomicU32>,
}

impl Repository {
    fn of(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let (counted, folder) = (Arc::clone(&requests), folder.to_owned());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let wanted = lines.next().unwrap_or_default();
                let _ = lines.find(String::is_empty);
                let mut words = wanted.split(' ');
                let only_head = words.next() == Some("HEAD");
                let file = folder.join(words.next().unwrap_or_default().trim_start_matches('/'));
                let (status, body) = match fs::read(&file) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let more = if wanted.contains("/manifests/") && !body.is_empty() {
                    format!("Content-Type: {MANIFEST}\r\nDocker-Content-Digest: {}\r\n", digest(&file))
                } else {
                    String::new()
                };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n");
                let body = if only_head { Vec::new() } else { body };
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}
