//! One look at releases: everything at once, one call of helm for each release
//! and three of kubectl for each namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::judge::questionable;
use super::seen::{Namespace, Recorded, Seen};
use crate::component;
use crate::error::Failure;
use crate::exec::{CallFailure, Exec};
use crate::helm::{self, Listed};
use crate::kubectl;
use crate::observe::{self, joined, read_autoscalers, read_pods, read_record, release_failure};
use crate::reading::{Denied, Reading};
use crate::release::Declared;
use crate::request::Which;
use crate::stuck::Event;
use crate::target::Target;
use crate::workload::{Deployment, List};

/// Namespaces and releases that are read at the same time: a screenful, and no
/// more processes than a small machine bears.
const AT_ONCE: usize = 8;

/// Pods whose events are read; more of them have the same trouble mostly.
const QUESTIONED: usize = 10;

const DEPLOYMENTS: Denied = Denied { verb: "list", resource: "deployments.apps" };
const PODS: Denied = Denied { verb: "list", resource: "pods" };

/// What a look came to: the releases, and what keeps the picture from being
/// whole.
pub(super) struct Look {
    pub(super) seen: Vec<Seen>,
    pub(super) failure: Option<Failure>,
}

/// Looks once.
///
/// # Errors
/// Those of `scale`: `not-found`, `not-milvus`, `operator-managed`,
/// `unreachable` and the like.
pub(super) fn look(exec: &Exec, target: &Target, which: &Which) -> Result<Look, Failure> {
    let mut look = match which {
        Which::Named(name) => named(exec, target, name),
        Which::Namespace => all_of(exec, target),
        Which::Everywhere => everywhere(exec, target),
    }?;
    let now = Timestamp::now();
    for seen in &mut look.seen {
        ask_for_events(exec, &target.within(&seen.namespace.name), seen, now);
    }
    Ok(look)
}

fn named(exec: &Exec, target: &Target, name: &str) -> Result<Look, Failure> {
    let (record, namespace) = std::thread::scope(|scope| {
        let namespace = scope.spawn(|| read_namespace(exec, target));
        (read_release(exec, target, name), joined(namespace))
    });
    whole(target, name, record, &namespace)
}

/// A release and its surroundings. Without the right to read Helm's record the
/// Deployments still say whose they are.
fn whole(
    target: &Target,
    name: &str,
    record: Result<Recorded, Failure>,
    namespace: &Arc<Namespace>,
) -> Result<Look, Failure> {
    let mut failure = None;
    let record = match record {
        Ok(recorded) => Reading::Known(recorded),
        Err(denied) if denied.id == Some("forbidden") && instances(namespace).contains(name) => {
            failure = Some(denied);
            Reading::Forbidden(Denied { verb: "list", resource: target.helm_storage().unwrap_or("secrets") })
        }
        Err(failed) => {
            let found = namespace.deployments.known().filter(|_| failed.id == Some("not-found"));
            return Err(found.and_then(|found| observe::without_helm(found, target, name)).unwrap_or(failed));
        }
    };
    failure = failure.or_else(|| not_read(target, namespace));
    let seen = Seen { name: name.to_owned(), namespace: Arc::clone(namespace), record, events: BTreeMap::new() };
    Ok(Look { seen: vec![seen], failure })
}

/// Without these no answer is whole.
fn not_read(target: &Target, namespace: &Namespace) -> Option<Failure> {
    observe::not_read(&namespace.deployments, DEPLOYMENTS, target)
        .or_else(|| observe::not_read(&namespace.pods, PODS, target))
}

fn all_of(exec: &Exec, target: &Target) -> Result<Look, Failure> {
    let (names, namespace) = std::thread::scope(|scope| {
        let namespace = scope.spawn(|| read_namespace(exec, target));
        let listed = exec.read(&helm::list(target), helm::read_list);
        (listed.map_err(|failed| release_failure(&failed, target, "")), joined(namespace))
    });
    let names: BTreeSet<String> = match names {
        Ok(listed) => {
            let of_milvus: BTreeSet<String> = milvus(&listed).map(|listed| listed.name.clone()).collect();
            if of_milvus.is_empty() {
                let found = namespace.deployments.known().and_then(|found| observe::without_helm(found, target, ""));
                return Err(found.unwrap_or_else(|| observe::none_of_milvus(&listed, target)));
            }
            of_milvus
        }
        Err(denied) if denied.id == Some("forbidden") => {
            let names = instances(&namespace);
            if names.is_empty() {
                return Err(denied);
            }
            names
        }
        Err(failed) => return Err(failed),
    };
    let records = at_once(names.iter(), |name| read_release(exec, target, name));
    merged(names.iter().zip(records).map(|(name, record)| whole(target, name, record, &namespace)))
}

fn everywhere(exec: &Exec, target: &Target) -> Result<Look, Failure> {
    let listed = exec.read(&helm::list_everywhere(target), helm::read_list);
    let listed = listed.map_err(|failed| release_failure(&failed, target, ""))?;
    let releases: Vec<&Listed> = milvus(&listed).collect();
    if releases.is_empty() {
        return Err(Failure::new("not-found", "no namespace has a release of the chart `milvus`").hint("helm list -A"));
    }
    let names: BTreeSet<&str> = releases.iter().map(|listed| listed.namespace.as_str()).collect();
    let namespaces = at_once(names.iter(), |name| read_namespace(exec, &target.within(name)));
    let namespaces: BTreeMap<&str, Arc<Namespace>> = names.into_iter().zip(namespaces).collect();
    let looks = at_once(releases.iter(), |listed| {
        let target = target.within(&listed.namespace);
        let record = read_release(exec, &target, &listed.name);
        namespaces.get(listed.namespace.as_str()).map(|namespace| whole(&target, &listed.name, record, namespace))
    });
    merged(looks.into_iter().flatten())
}

/// A release that goes away between two calls is no reason to show none.
fn merged(looks: impl Iterator<Item = Result<Look, Failure>>) -> Result<Look, Failure> {
    let mut all = Look { seen: Vec::new(), failure: None };
    let mut failed = None;
    for look in looks {
        match look {
            Ok(look) => {
                all.seen.extend(look.seen);
                all.failure = all.failure.or(look.failure);
            }
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    match failed {
        Some(failure) if all.seen.is_empty() => Err(failure),
        failed => {
            all.failure = all.failure.or(failed);
            Ok(all)
        }
    }
}

fn milvus(listed: &[Listed]) -> impl Iterator<Item = &Listed> {
    listed.iter().filter(|listed| listed.is_of_chart("milvus"))
}

/// The releases whose Deployments of Milvus components are there.
fn instances(namespace: &Namespace) -> BTreeSet<String> {
    let of = |live: &Deployment| {
        let instance = live.instance.as_deref()?;
        let label = |name: &str| match name {
            crate::release::INSTANCE_LABEL => Some(instance),
            _ => live.component.as_deref(),
        };
        Declared::from_labels(&live.name, instance, label, None)?;
        (!live.operator).then(|| instance.to_owned())
    };
    namespace.deployments.known().into_iter().flatten().filter_map(of).collect()
}

fn read_namespace(exec: &Exec, target: &Target) -> Arc<Namespace> {
    let everything = kubectl::everything();
    let (deployments, pods, autoscalers) = std::thread::scope(|scope| {
        let pods = scope.spawn(|| Reading::of(read_pods(exec, target, &everything).map(|pods| pods.items), PODS));
        let autoscalers = scope.spawn(|| read_autoscalers(exec, target));
        let list: Result<List<Deployment>, CallFailure> =
            observe::pages(exec, |page| kubectl::list_deployments(target, &everything, page));
        (Reading::of(list.map(|list| list.items), DEPLOYMENTS), joined(pods), joined(autoscalers))
    });
    Arc::new(Namespace {
        name: target.namespace.clone(),
        hints: target.hints().clone(),
        deployments,
        pods,
        autoscalers,
    })
}

fn read_release(exec: &Exec, target: &Target, name: &str) -> Result<Recorded, Failure> {
    let record = read_record(exec, target, name, &component::coordinators())?;
    if record.release.chart.name != "milvus" {
        return Err(observe::not_milvus(&record.release, &record.manifest, target));
    }
    let basis = observe::basis(exec, target, &record.release, record.manifest.clone());
    Ok(Recorded { record, basis })
}

fn ask_for_events(exec: &Exec, target: &Target, seen: &mut Seen, now: Timestamp) {
    let mut pods = questionable(seen, now);
    pods.truncate(QUESTIONED);
    let events = at_once(pods.iter(), |pod| -> Vec<Event> {
        exec.read(&kubectl::list_events(target, pod), kubectl::read_events).unwrap_or_default()
    });
    seen.events = pods.into_iter().zip(events).collect();
}

/// Does something with each, several at the same time; the results are in the
/// order of what was given.
fn at_once<T: Send + Sync, R: Send>(items: impl Iterator<Item = T>, each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let items: Vec<T> = items.collect();
    let mut results = Vec::new();
    for some in items.chunks(AT_ONCE) {
        results.extend(std::thread::scope(|scope| {
            let threads: Vec<_> = some.iter().map(|item| scope.spawn(|| each(item))).collect();
            threads.into_iter().map(joined).collect::<Vec<R>>()
        }));
    }
    results
}
