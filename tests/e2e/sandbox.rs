//! What a test needs of the sandbox: a namespace and a home of its own, one
//! Helm, a release that is ready, and the truth as kubectl and helm tell it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use insta::internals::SettingsBindDropGuard;
use serde::Deserialize;
use tempfile::TempDir;

use crate::said::{self, Run, Said};

/// The version that tests install where they do not say another.
pub const NEWEST: &str = "5.0.19";

/// Dependencies cost time and matter to few tests.
pub const SLIM: &str = "minio.enabled=false,pulsarv3.enabled=false,etcd.replicaCount=1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    V3,
    V4,
}

/// One test's part of the sandbox. Dropping it deletes the namespace.
pub struct Sandbox {
    pub namespace: String,
    pub helm: Helm,
    home: TempDir,
    began: Instant,
    _filters: SettingsBindDropGuard,
}

/// Makes a test for each Helm from a function that takes one.
#[macro_export]
macro_rules! with_each_helm {
    ($($test:ident),+ $(,)?) => {
        mod helm3 { $( #[test] fn $test() { super::$test($crate::sandbox::Helm::V3) } )+ }
        mod helm4 { $( #[test] fn $test() { super::$test($crate::sandbox::Helm::V4) } )+ }
    };
}

impl Sandbox {
    /// `None`, and a word about it, outside the sandbox.
    pub fn with(helm: Helm) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let Some(dir) = env::var_os("SANDBOX_DIR").map(PathBuf::from) else {
            // Not by a macro: the test harness would keep it to itself.
            let _ = writeln!(std::io::stderr(), "skipped: needs the sandbox (make test)");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let namespace = format!("t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let filters = said::filters(&namespace, home.path()).bind_to_scope();
        let sandbox = Self { namespace, helm, home, began: Instant::now(), _filters: filters };
        let bin = sandbox.bin();
        fs::create_dir(&bin).unwrap();
        symlink(sandbox.tool("helm"), bin.join("helm")).unwrap();
        symlink(sandbox.tool("kubectl"), bin.join("kubectl")).unwrap();
        // A copy of its own: tests add repositories and take charts away.
        let copied = Command::new("cp").arg("-R").arg(dir.join("helm")).arg(sandbox.home().join("helm")).status();
        assert!(copied.unwrap().success());
        let config = fs::read_to_string(dir.join("kubeconfig")).unwrap();
        let own = config.replace("namespace: default", &format!("namespace: {}", sandbox.namespace));
        assert_ne!(config, own, "the sandbox's kubeconfig names its namespace otherwise");
        fs::write(sandbox.kubeconfig(), own).unwrap();
        sandbox.kubectl(&["create", "namespace", &sandbox.namespace]);
        Some(sandbox)
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn bin(&self) -> PathBuf {
        self.home().join("bin")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.home().join("kubeconfig")
    }

    /// The real `helm` or `kubectl`.
    pub fn tool(&self, name: &str) -> PathBuf {
        let name = match (name, self.helm) {
            ("helm", Helm::V3) => "helm3",
            ("helm", Helm::V4) => "helm4",
            (other, _) => other,
        };
        PathBuf::from(env::var_os("SANDBOX_BIN").expect("the sandbox names its programs")).join(name)
    }

    /// Puts a script in the place of `helm` or `kubectl`; in it, `$REAL` is the
    /// program itself.
    pub fn wrap(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::remove_file(&path).unwrap();
        let text = format!("#!/bin/sh\nREAL='{}'\nPATH=$PATH:/usr/bin:/bin\n{script}\n", self.tool(name).display());
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script before every `helm upgrade` that is not a dry run, and for
    /// the rest is Helm itself.
    pub fn before_upgrade(&self, script: &str) {
        let case = format!("case \" $* \" in *dry-run*) ;; ' upgrade '*) {script};; esac");
        self.wrap("helm", &format!("{case}\nexec \"$REAL\" \"$@\""));
    }

    /// Puts the program itself back.
    pub fn unwrap(&self, name: &str) {
        let path = self.bin().join(name);
        fs::remove_file(&path).unwrap();
        symlink(self.tool(name), path).unwrap();
    }

    /// Nothing of the caller's environment reaches the program; its PATH has
    /// helm and kubectl on it, and nothing else.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let helm = self.home().join("helm");
        [
            ("PATH", self.bin()),
            ("HOME", self.home().to_owned()),
            ("KUBECONFIG", self.kubeconfig()),
            ("HELM_CACHE_HOME", helm.join("cache")),
            ("HELM_CONFIG_HOME", helm.join("config")),
            ("HELM_DATA_HOME", helm.join("data")),
            ("KUBECACHEDIR", PathBuf::from(env::var_os("SANDBOX_DIR").unwrap_or_default()).join("kube-cache")),
            // The official repository is out of reach; loopback is exempt.
            ("HTTPS_PROXY", PathBuf::from("http://127.0.0.1:1")),
            ("COLUMNS", PathBuf::from("120")),
            // The gate between steps down: 30 s for people, as long as a test
            // that is about something else can spare here.
            ("KUBECTL_MILVUS_SETTLE", PathBuf::from("0s")),
            ("LANG", PathBuf::from("C.UTF-8")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.display().to_string()))
        .collect()
    }

    /// `kubectl milvus WORDS`, ready to be changed and run.
    pub fn milvus(&self, words: &str) -> Run {
        Run::new(self, words)
    }

    /// `kubectl milvus scale WORDS`, run to its end.
    pub fn scale(&self, words: &str) -> Said {
        self.milvus(&format!("scale {words}")).end()
    }

    /// Installs the chart as a cluster with few dependencies, and waits.
    pub fn install(&self, release: &str, version: &str, set: &str) {
        self.install_whole(release, version, [SLIM, set].join(",").trim_end_matches(','));
    }

    /// Installs the chart as it is, but for `set`, and waits.
    pub fn install_whole(&self, release: &str, version: &str, set: &str) {
        let (chart, version) = chart(version);
        self.helm(&["install", release, &chart, "--version", &version, "--set", set, "--wait"]);
    }

    /// Waits until the Jobs of an installation are done, which Helm does not:
    /// that an upgrade removes one which still runs is refused.
    pub fn jobs_end(&self) {
        self.kubectl(&["wait", "jobs", "--all", "--for=condition=Complete", "--timeout=60s"]);
    }

    /// Gives the pods of a component a behaviour of the sandbox, such as
    /// `querynode.behaviour=never-ready`; `querynode.behaviour-` takes it back.
    pub fn behave(&self, what: &str) {
        self.kubectl(&["annotate", "--overwrite", "namespace", &self.namespace, &format!("sandbox.milvus.io/{what}")]);
    }

    /// Gives the pods that a component has now a behaviour of their own.
    pub fn behave_now(&self, component: &str, behaviour: &str) {
        let annotation = format!("sandbox.milvus.io/behaviour={behaviour}");
        self.kubectl(&["annotate", "--overwrite", "pods", "-l", &format!("component={component}"), &annotation]);
    }

    /// Sets the finalizers of the pods that a component has now, as JSON.
    pub fn finalizers(&self, component: &str, value: &str) {
        let patch = format!(r#"{{"metadata":{{"finalizers":{value}}}}}"#);
        for pod in self.pods(&format!("component={component}")) {
            self.kubectl(&["patch", "pod", &pod.name, "--type=merge", "-p", &patch]);
        }
    }

    pub fn kubectl(&self, words: &[&str]) -> String {
        self.told("kubectl", words)
    }

    pub fn helm(&self, words: &[&str]) -> String {
        self.told("helm", words)
    }

    fn told(&self, tool: &str, words: &[&str]) -> String {
        let output = self.command(tool, words).output().unwrap();
        assert!(output.status.success(), "{tool} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The real tool in the test's environment, whatever [`Self::wrap`] did.
    pub fn command(&self, tool: &str, words: &[&str]) -> Command {
        let mut command = Command::new(self.tool(tool));
        command.args(words).env_clear().envs(self.environment());
        command
    }

    pub fn history(&self, release: &str) -> Vec<Revision> {
        serde_json::from_str(&self.helm(&["history", release, "--output", "json"])).unwrap()
    }

    pub fn revision(&self, release: &str) -> u64 {
        self.history(release).last().unwrap().revision
    }

    /// Every pod of the namespace that a selector chooses, by name.
    pub fn pods(&self, selector: &str) -> Vec<Pod> {
        let text = self.kubectl(&["get", "pods", "-l", selector, "--output", "json"]);
        let mut pods: Vec<Pod> = list(&text).iter().map(Pod::from).collect();
        pods.sort();
        pods
    }

    /// Names, counts and generations of the namespace's Deployments.
    pub fn deployments(&self) -> BTreeMap<String, Deployment> {
        let text = self.kubectl(&["get", "deployments", "--output", "json"]);
        list(&text)
            .iter()
            .map(|object| {
                let number = |pointer| object.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap();
                let name = object.pointer("/metadata/name").unwrap().as_str().unwrap().to_owned();
                (name, Deployment { replicas: number("/spec/replicas"), generation: number("/metadata/generation") })
            })
            .collect()
    }

    /// All that a run could change: revisions of every release, and specs of
    /// every Deployment.
    pub fn state(&self) -> State {
        let releases = self.kubectl(&["get", "secrets", "-l", "owner=helm", "--output", "name"]);
        State { revisions: releases.lines().map(str::to_owned).collect(), deployments: self.deployments() }
    }

    /// Waits for something that takes place without the test.
    pub fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while !is() {
            assert!(Instant::now() < deadline, "{}: still waiting until {what}", self.namespace);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let words = ["delete", "namespace", &self.namespace, "--wait=false"];
        let _ = self.command("kubectl", &words).output();
        // `tests/slowest` prints these at the end.
        if let Some(file) = env::var_os("TEST_DURATIONS") {
            let name = thread::current().name().unwrap_or("?").to_owned();
            if let Ok(mut file) = fs::OpenOptions::new().append(true).create(true).open(file) {
                let _ = writeln!(file, "{:7.1} s  {name}", self.began.elapsed().as_secs_f32());
            }
        }
    }
}

/// Where a version of the chart is. `CHART` replaces the newest by any other
/// chart of that shape, the real one included.
pub fn chart(version: &str) -> (String, String) {
    match env::var("CHART") {
        Ok(path) if version == NEWEST => {
            let version = said::version_of(&path);
            (path, version)
        }
        _ => ("milvus/milvus".to_owned(), version.to_owned()),
    }
}

fn list(text: &str) -> Vec<serde_json::Value> {
    let mut list: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::from_value(list["items"].take()).unwrap()
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_field_names, reason = "Helm's own word")]
pub struct Revision {
    pub revision: u64,
    pub status: String,
    pub chart: String,
    pub description: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    revisions: Vec<String>,
    deployments: BTreeMap<String, Deployment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    pub replicas: u64,
    pub generation: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub component: String,
    pub ready: bool,
    pub terminating: bool,
}

impl From<&serde_json::Value> for Pod {
    fn from(object: &serde_json::Value) -> Self {
        let text = |pointer| object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let conditions = object.pointer("/status/conditions").and_then(serde_json::Value::as_array);
        Self {
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            component: text("/metadata/labels/component"),
            ready: conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")),
            terminating: object.pointer("/metadata/deletionTimestamp").is_some(),
        }
    }
}
