//! What Milvus says of itself over HTTP: which source answers in which version,
//! and what its answers mean. Only paths that read; older versions act on some
//! GET requests, so none is ever guessed. Pure, but for the type of a question.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A version of Milvus, by the tag of a running image: the chart's version does
/// not tell, since the image is a value like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The version of an image such as `milvusdb/milvus:v2.6.15-gpu`; `None`
    /// where the tag is none.
    #[must_use]
    pub fn of_image(image: &str) -> Option<Self> {
        let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
        let mut numbers = tag.trim_start_matches('v').split(['.', '-']).map(str::parse::<u32>);
        let mut next = || numbers.next()?.ok();
        Some(Self(next()?, next()?, next().unwrap_or(0)))
    }
}

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The active coordinator that knows the query nodes: `mixcoord`, or
    /// `querycoord` of older charts.
    Coordinator,
    /// Any proxy.
    Proxy,
}

/// A source of the gate: what it reads, and since when it exists. A new version
/// of Milvus is a new entry.
#[derive(Debug)]
pub struct Source {
    /// As the report names it.
    pub name: &'static str,
    /// The first version that has it.
    pub since: Version,
    /// Who is asked.
    pub asked: Asked,
    /// The paths that are read, all of them; `{db}` stands for each database.
    pub paths: &'static [&'static str],
    /// What the answers mean, by path; the first argument is what was seen when
    /// the run began.
    pub judge: fn(&Answers, &Answers) -> Option<Health>,
}

/// The answers of a source: path and body.
pub type Answers = BTreeMap<String, String>;

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The service is available and nothing moves.
    Well,
    /// It is not, or not yet; the reason.
    Unwell(String),
}

/// The source that asks a proxy, which knows the collections.
pub const OF_COLLECTIONS: &str = "availability of loaded collections";

/// Every source, best first.
pub static SOURCES: [Source; 3] = [
    Source {
        name: "load-configuration compliance",
        since: Version(2, 6, 16),
        asked: Asked::Coordinator,
        paths: &["/management/replica/loadconfig/compliance"],
        judge: compliance,
    },
    Source {
        name: OF_COLLECTIONS,
        since: Version(2, 5, 0),
        asked: Asked::Proxy,
        paths: &["/api/v1/_collection/list?db_name={db}", REPLICAS],
        judge: availability,
    },
    Source {
        name: "coordinator metrics",
        since: Version(2, 0, 0),
        asked: Asked::Coordinator,
        paths: &["/metrics"],
        judge: metrics,
    },
];

/// The path that lists databases, for sources that ask of each.
pub const DATABASES: &str = "/api/v1/_db/list";

/// The path that only an active coordinator answers with 200; since about
/// 2.4.5.
#[must_use]
pub fn active_path(role: &str) -> String {
    format!("/management/check/ready?role={role}")
}

/// The name by which a coordinator's pod is asked whether it is the active one:
/// the mixed coordinator of versions before 2.6 is four in one process, and the
/// one that knows the query nodes is asked.
#[must_use]
pub fn role(component: &str, version: Option<Version>) -> &str {
    match component {
        "mixcoord" if version.is_some_and(|version| version < Version(2, 6, 0)) => "querycoord",
        other => other,
    }
}

/// The names of the databases, from [`DATABASES`].
#[must_use]
pub fn databases(body: &str) -> Option<Vec<String>> {
    #[derive(Deserialize)]
    struct List {
        #[serde(alias = "db_names")]
        database_names: Vec<String>,
    }
    serde_json::from_str::<List>(body)
        .map(|list| list.database_names)
        .or_else(|_| serde_json::from_str::<Vec<String>>(body))
        .ok()
        .map(|mut names| {
            if names.is_empty() {
                names.push("default".to_owned());
            }
            names
        })
}

fn compliance(_: &Answers, now: &Answers) -> Option<Health> {
    #[derive(Deserialize)]
    struct Compliance {
        state: String,
        #[serde(default)]
        reason: String,
    }
    let read: Compliance = serde_json::from_str(now.values().next()?).ok()?;
    match read.state.as_str() {
        "Ready" => Some(Health::Well),
        "NotReady" => Some(Health::Unwell(crate::error::plain(&read.reason))),
        _ => None,
    }
}

/// Every collection that was available when the run began still is, and no
/// replica has a node that is being emptied.
fn availability(before: &Answers, now: &Answers) -> Option<Health> {
    let lost: Vec<String> = {
        let now = collections(now)?;
        let before = if before.is_empty() { now.clone() } else { collections(before)? };
        // At the beginning every loaded collection has to be available.
        let at_first = before == now;
        before
            .into_iter()
            .filter(|(_, was)| *was || at_first)
            .filter(|(name, _)| now.get(name).is_some_and(|available| !available))
            .map(|(name, _)| crate::error::plain(&name))
            .collect()
    };
    if !lost.is_empty() {
        return Some(Health::Unwell(format!("not available: {}", lost.join(", "))));
    }
    let replicas: Option<Vec<Replica>> = serde_json::from_str(now.get(REPLICAS)?).ok()?;
    let replicas = replicas.unwrap_or_default();
    let emptied =
        replicas.iter().filter(|replica| replica.ro_nodes.as_ref().is_some_and(|nodes| !nodes.is_empty())).count();
    Some(if emptied == 0 {
        Health::Well
    } else {
        Health::Unwell(format!("replicas with a node that is being emptied: {emptied}"))
    })
}

#[derive(Deserialize)]
struct Replica {
    #[serde(alias = "collectionID")]
    collection: Option<Value>,
    #[serde(default)]
    ro_nodes: Option<Vec<Value>>,
    #[serde(default)]
    resource_group: String,
}

/// The path that lists the replicas of loaded collections; proxy, 2.5 and newer.
pub const REPLICAS: &str = "/api/v1/_qc/replica";

/// The path that lists Milvus' resource groups; proxy, 2.5 and newer.
pub const RESOURCE_GROUPS: &str = "/api/v1/_qc/resource_group";

/// How many query nodes it takes: each replica of a loaded collection has nodes
/// of its own, and a resource group of Milvus may ask for some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The most replicas of a loaded collection in one resource group.
    pub in_one_group: u32,
    /// The most replicas of a loaded collection in all of them.
    pub in_all: u32,
    /// The nodes that all resource groups ask for together.
    pub of_groups: u32,
}

impl Needs {
    /// Why so many query nodes in each of so many Deployments are too few.
    #[must_use]
    pub fn beyond(&self, to: u32, deployments: u32) -> Option<String> {
        let nodes = to.saturating_mul(deployments);
        let Self { in_one_group, in_all, of_groups } = self;
        if nodes < *in_all {
            Some(format!("a loaded collection has {in_all} replicas, and each needs a query node of its own"))
        } else if deployments > 1 && to < *in_one_group {
            Some(format!(
                "a loaded collection has {in_one_group} replicas in one resource group, and each needs a query node of its own"
            ))
        } else if nodes < *of_groups {
            Some(format!("the resource groups of Milvus ask for {of_groups} query nodes"))
        } else {
            None
        }
    }
}

/// Reads [`RESOURCE_GROUPS`]: the query nodes that all of them ask for.
#[must_use]
pub fn asked_by_groups(body: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct Group {
        #[serde(default)]
        cfg: Option<Configuration>,
    }
    #[derive(Deserialize)]
    struct Configuration {
        #[serde(default)]
        requests: Option<Nodes>,
    }
    #[derive(Deserialize)]
    struct Nodes {
        #[serde(default)]
        node_num: u32,
    }
    let groups: Option<Vec<Group>> = serde_json::from_str(body).ok()?;
    let asked = groups.unwrap_or_default().into_iter().filter_map(|group| Some(group.cfg?.requests?.node_num));
    Some(asked.fold(0, u32::saturating_add))
}

/// Reads [`REPLICAS`].
#[must_use]
pub fn most_replicas(body: &str) -> Option<Needs> {
    // Without a loaded collection it is `null`.
    let replicas: Option<Vec<Replica>> = serde_json::from_str(body).ok()?;
    let replicas = replicas.unwrap_or_default();
    let mut counts: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for replica in replicas {
        let collection = replica.collection.map(|id| id.to_string()).unwrap_or_default();
        *counts.entry(collection).or_default().entry(replica.resource_group).or_default() += 1;
    }
    Some(Needs {
        of_groups: 0,
        in_one_group: counts.values().flat_map(BTreeMap::values).max().copied().unwrap_or(0),
        in_all: counts.values().map(|groups| groups.values().sum()).max().unwrap_or(0),
    })
}

/// The loaded collections of all databases: whether each can be searched.
fn collections(answers: &Answers) -> Option<BTreeMap<String, bool>> {
    #[derive(Deserialize)]
    struct List {
        collection_names: Option<Vec<String>>,
        #[serde(rename = "inMemory_percentages", alias = "in_memory_percentages")]
        in_memory: Option<Vec<Value>>,
        query_service_available: Option<Vec<bool>>,
    }
    let mut found = BTreeMap::new();
    for (path, body) in answers.iter().filter(|(path, _)| path.starts_with("/api/v1/_collection/list")) {
        let list: List = serde_json::from_str(body).ok()?;
        let names = list.collection_names.unwrap_or_default();
        let loaded = list.in_memory.unwrap_or_default();
        let available = list.query_service_available.unwrap_or_default();
        if names.len() != loaded.len() || names.len() != available.len() {
            return None;
        }
        let database = path.rsplit_once('=').map_or("", |(_, database)| database);
        for ((name, loaded), available) in names.into_iter().zip(loaded).zip(available) {
            // `unknown`, or -1, is a collection that is not loaded.
            let text = loaded.as_str().map_or_else(|| loaded.to_string(), str::to_owned);
            if text.parse::<f64>().is_ok_and(|percent| percent >= 0.0) {
                found.insert(format!("{database}.{name}"), available);
            }
        }
    }
    Some(found)
}

/// No query node is being emptied, and nothing moves.
fn metrics(_: &Answers, now: &Answers) -> Option<Health> {
    let text = now.values().next()?;
    // Without this one it is not a coordinator's answer.
    sum(text, "milvus_querycoord_querynode_num", "")?;
    let emptied = sum(text, "milvus_querycoord_replica_ro_node_total", "").unwrap_or(0.0);
    let moving = ["segment_move", "channel_move"]
        .iter()
        .filter_map(|kind| sum(text, "milvus_querycoord_task_num", &format!("querycoord_task_type=\"{kind}\"")))
        .sum::<f64>();
    Some(if emptied > 0.0 {
        Health::Unwell(format!("nodes that are being emptied: {emptied}"))
    } else if moving > 0.0 {
        Health::Unwell(format!("moves of segments or channels under way: {moving}"))
    } else {
        Health::Well
    })
}

/// The sum of a metric's samples whose labels contain `label`; `None` where
/// there is no sample at all.
fn sum(text: &str, metric: &str, label: &str) -> Option<f64> {
    let mut found = None;
    for line in text.lines().filter_map(|line| line.strip_prefix(metric)) {
        let (labels, value) = match line.strip_prefix('{') {
            Some(rest) => rest.rsplit_once('}')?,
            None if line.starts_with(char::is_whitespace) => ("", line),
            // A metric whose name only begins alike.
            None => continue,
        };
        if labels.contains(label) {
            let value: f64 = value.split_whitespace().next()?.parse().ok()?;
            *found.get_or_insert(0.0) += value;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pairs: &[(&str, &str)]) -> Answers {
        pairs.iter().map(|(path, body)| ((*path).to_owned(), (*body).to_owned())).collect()
    }

    #[test]
    fn a_version_is_read_from_the_image() {
        assert_eq!(Version::of_image("milvusdb/milvus:v2.6.15"), Some(Version(2, 6, 15)));
        assert_eq!(Version::of_image("host:5000/m:2.5.0-beta@sha256:00"), Some(Version(2, 5, 0)));
        assert_eq!(Version::of_image("milvusdb/milvus:v2.4-latest"), Some(Version(2, 4, 0)));
        assert_eq!(Version::of_image("milvusdb/milvus:master"), None);
        assert_eq!(Version::of_image("milvusdb/milvus"), None);
    }

    #[test]
    fn compliance_is_ready_not_ready_or_not_understood() {
        let ask = |body: &str| compliance(&Answers::new(), &answers(&[("p", body)]));
        assert_eq!(ask(r#"{"state":"Ready"}"#), Some(Health::Well));
        assert_eq!(ask(r#"{"state":"NotReady","reason":"leaked"}"#), Some(Health::Unwell("leaked".into())));
        for garbage in ["", "OK", "[]", r#"{"state":"Maybe"}"#] {
            assert_eq!(ask(garbage), None, "{garbage}");
        }
    }

    fn service(lists: &str, replicas: &str) -> Answers {
        answers(&[("/api/v1/_collection/list?db_name=default", lists), ("/api/v1/_qc/replica", replicas)])
    }

    #[test]
    fn every_collection_that_was_available_has_to_be() {
        let list = |a: bool, b: bool| {
            format!(
                r#"{{"collection_names":["a","b","cold"],"inMemory_percentages":["100","100","unknown"],"query_service_available":[{a},{b},false]}}"#
            )
        };
        let idle = r#"[{"collectionID":1,"rw_nodes":[1],"ro_nodes":[]}]"#;
        let well = service(&list(true, true), idle);
        assert_eq!(availability(&Answers::new(), &well), Some(Health::Well));
        let without_b = service(&list(true, false), idle);
        assert_eq!(availability(&well, &without_b), Some(Health::Unwell("not available: default.b".into())));
        assert_eq!(availability(&Answers::new(), &without_b), Some(Health::Unwell("not available: default.b".into())));
        let emptied = service(&list(true, true), r#"[{"collectionID":1,"ro_nodes":[7]}]"#);
        assert!(matches!(availability(&well, &emptied), Some(Health::Unwell(_))));
        assert_eq!(availability(&well, &service("{}", "garbage")), None);
        let torn = r#"{"collection_names":["a"],"inMemory_percentages":[],"query_service_available":[true]}"#;
        assert_eq!(availability(&well, &service(torn, idle)), None);
    }

    #[test]
    fn the_collection_with_the_most_replicas_sets_the_smallest_count() {
        let body = r#"[{"collectionID":1,"resource_group":"a"},{"collectionID":1,"resource_group":"a"},{"collectionID":1,"resource_group":"b"},{"collectionID":2,"resource_group":"a"}]"#;
        assert_eq!(most_replicas(body), Some(Needs { in_one_group: 2, in_all: 3, of_groups: 0 }));
        assert_eq!(most_replicas("[]"), Some(Needs::default()));
        assert_eq!(most_replicas("null"), Some(Needs::default()));
        assert_eq!(most_replicas("OK"), None);
    }

    #[test]
    fn resource_groups_ask_for_nodes() {
        let body = r#"[{"name":"__default_resource_group","nodes":[1],"cfg":{"requests":{},"limits":{"node_num":1000000}}},
            {"name":"a","nodes":[2],"cfg":{"requests":{"node_num":2}}},{"name":"b","cfg":{"requests":{"node_num":1}}}]"#;
        assert_eq!(asked_by_groups(body), Some(3));
        assert_eq!(asked_by_groups("null"), Some(0));
        assert_eq!(asked_by_groups("<html>"), None);
    }

    #[test]
    fn too_few_query_nodes_are_said_with_what_needs_them() {
        let needs = Needs { in_one_group: 2, in_all: 3, of_groups: 4 };
        assert!(needs.beyond(2, 1).unwrap().contains("3 replicas, "));
        assert!(needs.beyond(1, 4).unwrap().contains("2 replicas in one resource group"));
        assert!(needs.beyond(3, 1).unwrap().contains("ask for 4"));
        assert_eq!(needs.beyond(4, 1), None);
        assert_eq!(needs.beyond(2, 2), None);
    }

    #[test]
    fn metrics_say_whether_anything_moves() {
        let ask = |text: &str| metrics(&Answers::new(), &answers(&[("/metrics", text)]));
        let nodes = "# HELP x\nmilvus_querycoord_querynode_num{node_id=\"1\"} 3\n";
        assert_eq!(ask(nodes), Some(Health::Well));
        assert!(matches!(
            ask(&format!("{nodes}milvus_querycoord_replica_ro_node_total{{a=\"b\"}} 1\n")),
            Some(Health::Unwell(_))
        ));
        let task = |kind: &str| format!("{nodes}milvus_querycoord_task_num{{querycoord_task_type=\"{kind}\"}} 2\n");
        assert!(matches!(ask(&task("segment_move")), Some(Health::Unwell(_))));
        assert_eq!(ask(&task("segment_grow")), Some(Health::Well));
        assert_eq!(ask("OK"), None);
    }

    #[test]
    fn an_old_mixed_coordinator_is_asked_for_the_part_that_knows() {
        assert_eq!(role("mixcoord", Some(Version(2, 5, 16))), "querycoord");
        assert_eq!(role("mixcoord", Some(Version(2, 6, 0))), "mixcoord");
        assert_eq!(role("mixcoord", None), "mixcoord");
        assert_eq!(role("querycoord", Some(Version(2, 4, 0))), "querycoord");
    }

    #[test]
    fn databases_are_listed_or_not_understood() {
        assert_eq!(databases(r#"{"db_names":["default","x"]}"#).unwrap(), ["default", "x"]);
        assert_eq!(databases("[]").unwrap(), ["default"]);
        assert_eq!(databases("<html>"), None);
    }
}
