//! What a release of Milvus depends on, read from its manifest: workloads that
//! the chart brings along, else what the configuration says of others. Pure.

use serde_json::Value;

use super::report::{DependencyStatus, PartReport, Place, Role};
use crate::error::plain;
use crate::manifest::{self, ObjectId, Objects};
use crate::pod::Pod;
use crate::release::{COMPONENT_LABEL, Declared};

/// The dependencies of a release in the order of their roles; the first three
/// roles are always there. `pods` are those of the namespace, `None` where
/// they could not be read.
#[must_use]
pub fn dependencies(objects: &Objects, release: &str, pods: Option<&[Pod]>) -> Vec<DependencyStatus> {
    let mut found: Vec<DependencyStatus> = Vec::new();
    for (id, object) in objects {
        let Some(part) = Part::of(id, &object.content, release) else { continue };
        let own = pods.map(|pods| pods.iter().filter(|pod| part.owns(pod)).collect::<Vec<_>>());
        let ready = own.as_ref().map(|own| count(own.iter().filter(|pod| pod.ready && pod.is_active()).count()));
        let restarts = own.as_ref().map(|own| own.iter().map(|pod| pod.restarts).sum());
        let same = |known: &&mut DependencyStatus| match part.role {
            // Two others are two dependencies.
            Role::Other => known.kind.as_deref() == Some(part.kind),
            role => known.role == role,
        };
        let report = PartReport { workload: plain(part.name), declared: part.declared, ready };
        if let Some(known) = found.iter_mut().find(same) {
            known.declared = known.declared.map(|sum| sum + part.declared);
            known.ready = known.ready.zip(ready).map(|(sum, ready)| sum + ready);
            known.restarts = known.restarts.zip(restarts).map(|(sum, restarts): (u32, u32)| sum + restarts);
            known.parts.push(report);
            // Kafka comes with a ZooKeeper of its own.
            if known.kind.as_deref() == Some("zookeeper") {
                known.kind = Some(plain(part.kind));
            }
        } else {
            found.push(DependencyStatus {
                role: part.role,
                kind: Some(plain(part.kind)),
                place: Place::Release,
                address: None,
                declared: Some(part.declared),
                ready,
                restarts,
                parts: vec![report],
            });
        }
    }
    let configuration = Configuration::of(objects);
    for role in [Role::Etcd, Role::ObjectStorage, Role::MessageQueue] {
        if !found.iter().any(|known| known.role == role) {
            found.push(configuration.other(role));
        }
    }
    found.sort_by(|a, b| (a.role, &a.kind).cmp(&(b.role, &b.kind)));
    found
}

/// Whether a pod belongs to a dependency of this release.
#[must_use]
pub fn owned(objects: &Objects, release: &str, pod: &Pod) -> bool {
    objects.iter().filter_map(|(id, object)| Part::of(id, &object.content, release)).any(|part| part.owns(pod))
}

/// A workload of the manifest that is no component of Milvus.
struct Part<'a> {
    name: &'a str,
    is_deployment: bool,
    role: Role,
    kind: &'a str,
    declared: u32,
}

impl<'a> Part<'a> {
    fn of(id: &'a ObjectId, object: &'a Value, release: &str) -> Option<Self> {
        let is_deployment = id.kind == "Deployment";
        if !(is_deployment || id.kind == "StatefulSet") {
            return None;
        }
        let labels = object.pointer("/spec/template/metadata/labels");
        let label = |name: &str| labels?.get(name)?.as_str();
        if is_deployment && Declared::from_labels(&id.name, release, label, None).is_some() {
            return None;
        }
        // Woodpecker and older embedding servers are labelled as Milvus' own.
        let kind = match label(COMPONENT_LABEL) {
            Some("woodpecker") => "woodpecker",
            Some("text-embeddings-inference") => "tei",
            _ => label("app.kubernetes.io/name").or_else(|| label("app")).unwrap_or(&id.name),
        };
        let role = match kind {
            "etcd" => Role::Etcd,
            "minio" => Role::ObjectStorage,
            "pulsar" | "pulsarv3" | "kafka" | "zookeeper" | "woodpecker" => Role::MessageQueue,
            _ => Role::Other,
        };
        let declared = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        Some(Self { name: &id.name, is_deployment, role, kind, declared: u32::try_from(declared).unwrap_or(u32::MAX) })
    }

    fn owns(&self, pod: &Pod) -> bool {
        let owner = if self.is_deployment { &pod.deployment } else { &pod.stateful_set };
        owner.as_deref() == Some(self.name)
    }
}

/// Milvus' configuration as the chart renders it. It holds secrets: only
/// addresses and kinds are ever taken from it.
struct Configuration(Vec<Value>);

impl Configuration {
    fn of(objects: &Objects) -> Self {
        let maps = objects.iter().filter(|(id, _)| id.kind == "ConfigMap");
        let data =
            maps.filter_map(|(_, object)| object.content.get("data")).find(|data| data.get("default.yaml").is_some());
        // The user's file is merged over the chart's.
        let texts = ["user.yaml", "default.yaml"].into_iter().filter_map(|file| data?.get(file)?.as_str());
        Self(texts.filter_map(|text| manifest::yaml(text).ok()).collect())
    }

    fn text(&self, pointer: &str) -> Option<String> {
        self.0.iter().find_map(|file| match file.pointer(pointer)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Array(items) => items.first()?.as_str().map(str::to_owned),
            _ => None,
        })
    }

    /// A dependency that the release does not bring.
    fn other(&self, role: Role) -> DependencyStatus {
        let at = |address: &str, port: &str| {
            let address = self.text(address)?;
            Some(match self.text(port).filter(|_| !address.contains(':')) {
                Some(port) => format!("{address}:{port}"),
                None => address,
            })
        };
        let (kind, address) = match role {
            Role::Etcd => (Some("etcd".to_owned()), at("/etcd/endpoints", "")),
            Role::ObjectStorage => (Some("s3".to_owned()), at("/minio/address", "/minio/port")),
            Role::MessageQueue | Role::Other => {
                let kind = self.text("/messageQueue").or_else(|| self.text("/mq/type"));
                let address = match kind.as_deref() {
                    Some("pulsar") => at("/pulsar/address", "/pulsar/port"),
                    Some("kafka") => at("/kafka/brokerList", ""),
                    _ => None,
                };
                (kind, address)
            }
        };
        let embedded = matches!(kind.as_deref(), Some("woodpecker" | "rocksmq" | "natsmq")) || self.embeds_etcd(role);
        let place = match (embedded, &address) {
            (true, _) => Place::Embedded,
            (false, Some(_)) => Place::External,
            (false, None) => Place::Unknown,
        };
        DependencyStatus {
            role,
            kind: kind.map(|kind| plain(&kind)),
            place,
            // A user and password may stand before the host.
            address: address.filter(|_| !embedded).map(|text| plain(text.rsplit('@').next().unwrap_or(&text))),
            declared: None,
            ready: None,
            restarts: None,
            parts: Vec::new(),
        }
    }

    fn embeds_etcd(&self, role: Role) -> bool {
        role == Role::Etcd && self.0.iter().any(|file| file.pointer("/etcd/use/embed") == Some(&Value::Bool(true)))
    }
}

fn count(pods: usize) -> u32 {
    u32::try_from(pods).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(manifest: &str, pods: &[Pod]) -> String {
        let objects = manifest::objects(manifest).unwrap();
        let one = |dependency: &DependencyStatus| {
            let DependencyStatus { role, kind, place, address, declared, ready, parts, .. } = dependency;
            format!("{role:?} {kind:?} {place:?} {address:?} {ready:?} of {declared:?}, {} parts", parts.len())
        };
        dependencies(&objects, "rel", Some(pods)).iter().map(one).collect::<Vec<_>>().join("\n")
    }

    fn workload(kind: &str, name: &str, replicas: u32, labels: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  replicas: {replicas}\n  template:\n    metadata: {{labels: {{{labels}}}}}\n"
        )
    }

    fn pod(stateful_set: &str, ready: bool) -> Pod {
        Pod { stateful_set: Some(stateful_set.into()), ready, ..Pod::default() }
    }

    #[test]
    fn workloads_of_the_release_are_told_by_their_labels() {
        let manifest = [
            workload("StatefulSet", "rel-etcd", 3, "app.kubernetes.io/name: etcd"),
            workload("Deployment", "rel-minio", 1, "app: minio"),
            workload("StatefulSet", "rel-pulsarv3-broker", 2, "app: pulsarv3, component: broker"),
            workload("StatefulSet", "rel-pulsarv3-proxy", 2, "app: pulsarv3, component: proxy"),
            workload("StatefulSet", "rel-tei", 1, "app.kubernetes.io/name: tei"),
            workload("Deployment", "rel-milvus-proxy", 1, "app.kubernetes.io/instance: rel, component: proxy"),
        ]
        .concat();
        let minio = Pod { deployment: Some("rel-minio".into()), ready: true, ..Pod::default() };
        let gone = Pod { terminating: true, ..pod("rel-etcd", true) };
        let pods = [pod("rel-etcd", true), pod("rel-etcd", false), gone, pod("rel-pulsarv3-proxy", true), minio];
        insta::assert_snapshot!(told(&manifest, &pods), @r#"
        Etcd Some("etcd") Release None Some(1) of Some(3), 1 parts
        ObjectStorage Some("minio") Release None Some(1) of Some(1), 1 parts
        MessageQueue Some("pulsarv3") Release None Some(1) of Some(4), 2 parts
        Other Some("tei") Release None Some(0) of Some(1), 1 parts
        "#);
    }

    #[test]
    fn kafka_is_named_after_itself_and_not_after_its_zookeeper() {
        let manifest = [
            workload("StatefulSet", "a-zookeeper", 3, "app.kubernetes.io/name: zookeeper"),
            workload("StatefulSet", "b-kafka", 3, "app.kubernetes.io/name: kafka"),
            workload("StatefulSet", "rel-milvus-woodpecker-x", 4, "app.kubernetes.io/name: other"),
        ]
        .concat();
        assert!(told(&manifest, &[]).contains(r#"MessageQueue Some("kafka") Release None Some(0) of Some(6)"#));
    }

    #[test]
    fn others_are_told_by_the_configuration_without_its_secrets() {
        let configuration = |text: &str| {
            let data = text.replace('\n', "\n    ");
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: rel-milvus}}\ndata:\n  default.yaml: |\n    {data}\n"
            )
        };
        let external = configuration(
            "etcd:\n  endpoints:\n  - root:do-not-show@etcd.example:2379\nminio:\n  address: s3.example\n  port: 443\n  secretAccessKey: do-not-show\nmq:\n  type: kafka\nkafka:\n  brokerList:\n  - kafka.example:9092",
        );
        insta::assert_snapshot!(told(&external, &[]), @r#"
        Etcd Some("etcd") External Some("etcd.example:2379") None of None, 0 parts
        ObjectStorage Some("s3") External Some("s3.example:443") None of None, 0 parts
        MessageQueue Some("kafka") External Some("kafka.example:9092") None of None, 0 parts
        "#);
        insta::assert_snapshot!(told(&configuration("messageQueue: woodpecker"), &[]), @r#"
        Etcd Some("etcd") Unknown None None of None, 0 parts
        ObjectStorage Some("s3") Unknown None None of None, 0 parts
        MessageQueue Some("woodpecker") Embedded None None of None, 0 parts
        "#);
        insta::assert_snapshot!(told("", &[]), @r#"
        Etcd Some("etcd") Unknown None None of None, 0 parts
        ObjectStorage Some("s3") Unknown None None of None, 0 parts
        MessageQueue None Unknown None None of None, 0 parts
        "#);
    }
}
