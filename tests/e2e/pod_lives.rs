//! What becomes of a component's pods, by UID, as the API server tells it in a
//! watch: the truth that no output of the program can colour.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The lives of all pods of one component from [`PodLives::follow`] on.
pub struct PodLives {
    lives: Arc<Mutex<BTreeMap<String, Life>>>,
    watch: Child,
}

#[derive(Debug, Clone)]
pub struct Life {
    pub uid: String,
    pub name: String,
    pub group: String,
    /// It was there when the test began to look.
    pub from_the_start: bool,
    pub created: String,
    pub ready: bool,
    /// When it was asked to leave, and how many seconds it was given.
    pub asked_to_leave: Option<(SystemTime, u64)>,
    pub gone: Option<SystemTime>,
}

impl PodLives {
    pub fn follow(sandbox: &Sandbox, component: &str) -> Self {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=component%3D{component}", sandbox.namespace);
        let at_first: Value = serde_json::from_str(&sandbox.kubectl(&["get", "--raw", &path])).unwrap();
        let mut first = BTreeMap::new();
        for pod in at_first["items"].as_array().unwrap() {
            learn(&mut first, pod, "ADDED", true);
        }
        let lives = Arc::new(Mutex::new(first));
        let path = format!("{path}&watch=1&resourceVersion={}", text(&at_first, "/metadata/resourceVersion"));
        let mut watch = sandbox.command("kubectl", &["get", "--raw", &path]).stdout(Stdio::piped()).spawn().unwrap();
        let watched = BufReader::new(watch.stdout.take().unwrap()).lines();
        let shared = Arc::clone(&lives);
        thread::spawn(move || {
            for line in watched.map_while(Result::ok) {
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                learn(&mut shared.lock().unwrap(), &event["object"], &text(&event, "/type"), false);
            }
        });
        Self { lives, watch }
    }

    /// All lives so far, in the order in which the pods were asked to leave;
    /// who stays comes last.
    pub fn so_far(&self) -> Vec<Life> {
        // The last event may still be on its way.
        thread::sleep(Duration::from_millis(300));
        let mut all: Vec<Life> = self.lives.lock().unwrap().values().cloned().collect();
        let order = |life: &Life| (life.asked_to_leave.is_none(), life.asked_to_leave, life.created.clone());
        all.sort_by_key(order);
        all
    }

    /// Waits until the watch has told of something.
    #[track_caller]
    pub fn until(&self, what: &str, is: impl Fn(&[Life]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is(&self.so_far()) {
            assert!(Instant::now() < deadline, "still waiting until {what}: {:#?}", self.so_far());
        }
    }

    /// The pods that were there at first and were asked to leave, in order.
    pub fn left(&self) -> Vec<Life> {
        self.so_far().into_iter().filter(|life| life.from_the_start && life.asked_to_leave.is_some()).collect()
    }

    /// The pods that came later.
    pub fn newcomers(&self) -> Vec<Life> {
        self.so_far().into_iter().filter(|life| !life.from_the_start).collect()
    }
}

impl Drop for PodLives {
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

fn learn(lives: &mut BTreeMap<String, Life>, pod: &Value, kind: &str, from_the_start: bool) {
    let uid = text(pod, "/metadata/uid");
    let life = lives.entry(uid.clone()).or_insert_with(|| Life {
        uid,
        name: text(pod, "/metadata/name"),
        group: text(pod, "/metadata/labels/milvus.io~1resource-group"),
        from_the_start,
        created: text(pod, "/metadata/creationTimestamp"),
        ready: false,
        asked_to_leave: None,
        gone: None,
    });
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    life.ready = conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"));
    let grace = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_u64);
    if let (Some(grace), None) = (grace, life.asked_to_leave) {
        life.asked_to_leave = Some((SystemTime::now(), grace));
    }
    if kind == "DELETED" {
        life.gone = Some(SystemTime::now());
    }
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}
