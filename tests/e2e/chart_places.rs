//! Several places that say they have the installed chart: the one that renders
//! the release is taken, whatever it is called.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

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
                let name = wanted.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                let (status, body) = match fs::read(folder.join(name)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}
