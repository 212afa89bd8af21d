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

use crate::evidence::{evidence, refused, unmoved};
use crate::sandbox::{Helm, Sandbox};

const INSTALLED: &str = "5.0.17";

#[test]
fn of_several_charts_the_one_that_renders_the_release_is_taken() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", INSTALLED, "");
    let other = changed_copy(&sandbox);
    let refuse = |chart: &Path| {
        refused(&sandbox, sandbox.milvus("scale rel querynode=2").word(&format!("--chart={}", chart.display())))
    };
    insta::assert_snapshot!(refuse(&other), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.17 (HOME/changed)
    error: the chart is not the one that release `rel` in namespace `NAMESPACE` was installed from (chart-differs)
    caused by: it has the same version and renders other objects
    caused by: ConfigMap `more` is created

    hint: name the right one with `--chart`; to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=2 -n NAMESPACE --chart=HOME/changed --allow-other-changes`
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
    error: an upgrade of release `rel` in namespace `NAMESPACE` would change more than the count (side-effects)
    caused by: ConfigMap `more` is created

    hint: to make these changes first, at unchanged counts: `kubectl milvus scale rel queryNode=4 -n NAMESPACE --allow-other-changes`
    ");
}

/// The installed version with one object more.
fn changed_copy(sandbox: &Sandbox) -> PathBuf {
    let original = PathBuf::from(std::env::var_os("SANDBOX_CHARTS").unwrap()).join("milvus-5.0.17");
    let copy = sandbox.home().join("changed");
    assert!(Command::new("cp").arg("-R").arg(original).arg(&copy).status().unwrap().success());
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: more\n  namespace: {{ .Release.Namespace }}\n";
    fs::write(copy.join("templates/more.yaml"), object).unwrap();
    copy
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
