//! The reading round: release, Deployments, pods and autoscalers, all at the same
//! time. Reads only.

use serde::de::DeserializeOwned;

use crate::autoscaler::{self, Autoscaler};
use crate::component::{ComponentRef, Role};
use crate::error::Failure;
use crate::exec::{CallFailure, Exec};
use crate::helm::{self, Listed, Record};
use crate::invocation::Query;
use crate::kubectl::{self, Selector};
use crate::manifest::{self, Change, Difference};
use crate::pod::Pod;
use crate::reading::{Denied, Reading};
use crate::release::{Apply, Declared, Release, Status};
use crate::target::Target;
use crate::workload::{Deployment, GitOps, List};

/// What was seen in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The release's newest revision.
    pub release: Release,
    /// What an upgrade that reuses values starts from: the manifest of this
    /// revision, or of the last deployed one if this one failed. Without hooks;
    /// it holds secrets.
    pub manifest: String,
    /// What a failed revision changed beyond counts: going back to the last
    /// deployed one would lose it.
    pub failed: Vec<Difference>,
    /// The component Deployments that this revision declares.
    pub declared: Vec<Declared>,
    /// The live Deployments of the release.
    pub deployments: Vec<Deployment>,
    /// The pods of the components that were asked about.
    pub pods: Pods,
    /// The autoscalers of the namespace.
    pub autoscalers: Reading<Vec<Autoscaler>>,
    /// Of the coordinators that were asked about, those whose active standby is
    /// on, by the values of the newest revision.
    pub standby: Vec<ComponentRef>,
}

impl Observed {
    /// The autoscalers that were seen; none where they may not be.
    #[must_use]
    pub fn seen_autoscalers(&self) -> &[Autoscaler] {
        self.autoscalers.known().map_or(&[], Vec::as_slice)
    }
}

/// Pods, and the position from which a watch sees every later change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// The pods.
    pub items: Vec<Pod>,
    /// The position.
    pub resource_version: String,
}

/// The release a run is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseWish {
    /// The one of this name.
    Named(String),
    /// The only one of the chart `milvus` in the namespace.
    Only,
}

/// Reads one round.
///
/// # Errors
/// `not-found`, `ambiguous-release`, `not-milvus`, `unreachable`, `forbidden`,
/// or whatever helm and kubectl said.
pub fn observe(
    exec: &Exec,
    target: &Target,
    wanted: &ReleaseWish,
    components: &[ComponentRef],
) -> Result<Observed, Failure> {
    let name = match wanted {
        ReleaseWish::Named(name) => name.clone(),
        ReleaseWish::Only => only_release(exec, target)?,
    };
    let labels: Vec<&str> = components.iter().map(|c| c.label).collect();
    let coordinators: Vec<ComponentRef> = components.iter().copied().filter(|c| c.role == Role::Coordinator).collect();
    let (record, deployments, pods, autoscalers) = std::thread::scope(|scope| {
        let deployments = scope.spawn(|| read_deployments(exec, target, &name));
        let pods = scope.spawn(|| match labels.as_slice() {
            [] => Ok(Pods::default()),
            labels => read_pods(exec, target, &kubectl::pods_of(&name, labels))
                .map_err(|failed| cluster_failure(&failed, "list", "pods", target)),
        });
        let autoscalers = scope.spawn(|| read_autoscalers(exec, target));
        let record = read_record(exec, target, &name, &coordinators);
        (record, joined(deployments), joined(pods), joined(autoscalers))
    });
    let Record { mut release, manifest, standby, .. } = match record {
        Err(failure) if failure.id == Some("not-found") => {
            return Err(not_helms(exec, target, &name).unwrap_or(failure));
        }
        other => other?,
    };
    if release.chart.name != "milvus" {
        return Err(not_milvus(&release, &manifest, target));
    }
    let (deployments, pods) = (deployments?, pods?);
    if release.apply == Apply::Unread {
        release.apply = exec
            .read(&helm::metadata(target, &name, release.revision), helm::read_apply)
            .map_err(|failed| release_failure(&failed, target, &name))?;
    }
    let Basis { manifest, failed, declared } = basis(exec, target, &release, manifest)?;
    Ok(Observed { release, manifest, failed, declared, deployments, pods, autoscalers, standby })
}

/// What Helm has recorded of the newest revision, and of its values whether
/// these coordinators have an active standby.
pub fn read_record(exec: &Exec, target: &Target, name: &str, coordinators: &[ComponentRef]) -> Result<Record, Failure> {
    exec.read(&helm::record(target, name, coordinators), |output| helm::read_record(output, coordinators))
        .map_err(|failed| release_failure(&failed, target, name))
}

/// The right to see who else moves counts.
pub const LIST_AUTOSCALERS: Denied = Denied { verb: "list", resource: "horizontalpodautoscalers.autoscaling" };

/// The autoscalers of the namespace.
#[must_use]
pub fn read_autoscalers(exec: &Exec, target: &Target) -> Reading<Vec<Autoscaler>> {
    Reading::of(exec.read(&kubectl::list_autoscalers(target), autoscaler::read_list), LIST_AUTOSCALERS)
}

/// Why something was not read, for who cannot go on without it. What does not
/// exist has been read.
#[must_use]
pub fn not_read<T>(reading: &Reading<T>, needs: Denied, target: &Target) -> Option<Failure> {
    let Denied { verb, resource } = needs;
    match reading {
        Reading::Known(_) | Reading::Absent => None,
        Reading::Forbidden(_) => Some(may_not(verb, resource, target)),
        Reading::Unclear(reason) => Some(cannot(verb, resource, target).because(reason.clone())),
    }
}

fn may_not(verb: &str, resource: &str, target: &Target) -> Failure {
    Failure::new("forbidden", format!("you may not {verb} `{resource}` in namespace `{}`", target.namespace))
        .hint(format!("kubectl auth can-i {verb} {resource}{}", target.hints().kubectl()))
}

fn cannot(verb: &str, resource: &str, target: &Target) -> Failure {
    Failure::new("kubectl-failed", format!("cannot {verb} `{resource}` in namespace `{}`", target.namespace))
}

/// What an upgrade that reuses values starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis {
    /// The manifest of that revision, without hooks; it holds secrets.
    pub manifest: String,
    /// What a failed revision after it changed beyond counts.
    pub failed: Vec<Difference>,
    /// The component Deployments that it declares.
    pub declared: Vec<Declared>,
}

/// Finds it: the newest revision, whose manifest this is, or the last deployed
/// one if that failed.
///
/// # Errors
/// `release-failed` where no revision was ever deployed.
pub fn basis(exec: &Exec, target: &Target, release: &Release, newest: String) -> Result<Basis, Failure> {
    let name = &release.name;
    let mut manifest = newest;
    let mut failed = Vec::new();
    if release.status == Status::Failed {
        let basis = last_deployed(exec, target, name)?;
        // What failed need not even be Kubernetes objects that make sense.
        let last_good = read_manifest(exec, target, name, basis)?;
        failed = beyond_counts(&last_good, &manifest).map_err(|reason| unreadable(name, target, reason))?;
        manifest = last_good;
    }
    let declared = manifest::declared(&manifest, name).map_err(|reason| unreadable(name, target, reason))?;
    Ok(Basis { manifest, failed, declared })
}

fn read_manifest(exec: &Exec, target: &Target, name: &str, revision: u64) -> Result<String, Failure> {
    exec.read(&helm::manifest(target, name, revision), helm::read_text)
        .map_err(|failed| release_failure(&failed, target, name))
}

fn unreadable(name: &str, target: &Target, reason: String) -> Failure {
    Failure::new(
        "unprovable",
        format!("the manifest of release `{name}` in namespace `{}` is not readable", target.namespace),
    )
    .because(reason)
}

/// The revision whose values an upgrade reuses.
fn last_deployed(exec: &Exec, target: &Target, name: &str) -> Result<u64, Failure> {
    let revisions = exec
        .read(&helm::whole_history(target, name), helm::read_whole_history)
        .map_err(|failed| release_failure(&failed, target, name))?;
    let deployed = revisions.iter().rev().find(|revision| revision.status == "deployed");
    deployed.map(|revision| revision.revision).ok_or_else(|| {
        Failure::new(
            "release-failed",
            format!("release `{name}` in namespace `{}` was never installed well", target.namespace),
        )
        .hint(format!("helm history {name}{}", target.hints().helm()))
    })
}

fn beyond_counts(before: &str, after: &str) -> Result<Vec<Difference>, String> {
    let mut changes = manifest::difference(&manifest::objects(before)?, &manifest::objects(after)?);
    changes.retain(|change| match &change.change {
        Change::Field { path, .. } => !(change.object.kind == "Deployment" && path == ".spec.replicas"),
        // Only an installation renders them.
        Change::Removed => change.object.kind != "Job",
        Change::Created => true,
    });
    Ok(changes)
}

/// The live Deployments of a release.
pub fn read_deployments(exec: &Exec, target: &Target, release: &str) -> Result<Vec<Deployment>, Failure> {
    read_workloads(exec, target, &kubectl::list_deployments, &kubectl::workloads_of(release))
}

/// The live workloads that one kind of list shows: StatefulSets have the same
/// fields as Deployments.
pub fn read_workloads(
    exec: &Exec,
    target: &Target,
    list: &dyn Fn(&Target, &Selector, Option<&str>) -> Query,
    selector: &Selector,
) -> Result<Vec<Deployment>, Failure> {
    pages(exec, |page| list(target, selector, page))
        .map(|list| list.items)
        .map_err(|failed| cluster_failure(&failed, "list", "deployments.apps and statefulsets.apps", target))
}

/// The pods that a selector chooses.
pub fn read_pods(exec: &Exec, target: &Target, selector: &Selector) -> Result<Pods, CallFailure> {
    let list = pages(exec, |page| kubectl::list_pods(target, selector, page))?;
    Ok(Pods { items: list.items, resource_version: list.metadata.resource_version })
}

/// A list, page by page: a child holds one page at a time. All pages are of the
/// position of the first.
pub fn pages<T: DeserializeOwned>(exec: &Exec, query: impl Fn(Option<&str>) -> Query) -> Result<List<T>, CallFailure> {
    let mut whole: List<T> = exec.read(&query(None), kubectl::read_list)?;
    while let Some(token) = whole.metadata.next_page.take().filter(|token| !token.is_empty()) {
        let page: List<T> = exec.read(&query(Some(&token)), kubectl::read_list)?;
        whole.items.extend(page.items);
        whole.metadata = page.metadata;
    }
    Ok(whole)
}

fn only_release(exec: &Exec, target: &Target) -> Result<String, Failure> {
    let namespace = &target.namespace;
    let releases =
        exec.read(&helm::list(target), helm::read_list).map_err(|failed| release_failure(&failed, target, ""))?;
    let mut of_milvus: Vec<String> =
        releases.iter().filter(|listed| listed.is_of_chart("milvus")).map(|listed| listed.name.clone()).collect();
    match of_milvus.len() {
        1 => Ok(of_milvus.remove(0)),
        0 => Err(not_helms(exec, target, "").unwrap_or_else(|| none_of_milvus(&releases, target))),
        count => Err(Failure::new(
            "ambiguous-release",
            format!("namespace `{namespace}` has {count} releases of the chart `milvus`: {}", backticked(&of_milvus)),
        )
        .hint(format!("name one: `{}`", target.hints().milvus(&format!("scale {} ...", of_milvus[0]))))),
    }
}

/// A namespace without a release of Milvus, by all its releases.
#[must_use]
pub fn none_of_milvus(releases: &[Listed], target: &Target) -> Failure {
    let namespace = &target.namespace;
    let failure = Failure::new("not-found", format!("namespace `{namespace}` has no release of the chart `milvus`"));
    let others: Vec<String> = releases.iter().map(|r| format!("`{}` ({})", r.name, r.chart)).collect();
    let failure =
        if others.is_empty() { failure } else { failure.because(format!("its releases are {}", others.join(", "))) };
    failure.hint("helm list -A")
}

fn not_helms(exec: &Exec, target: &Target, name: &str) -> Option<Failure> {
    let found = read_workloads(exec, target, &kubectl::list_deployments, &kubectl::everything()).ok()?;
    without_helm(&found, target, name)
}

/// In the hint of `operator-managed` this stands for the counts of the custom
/// resource; whoever knows what was asked for puts it there.
pub const OPERATORS_COUNTS: &str = "\"COMPONENT\":{\"replicas\":N}";

/// Milvus that is there without being a release of Helm: the Operator's, or one
/// that Argo CD renders itself. An empty name means any.
#[must_use]
pub fn without_helm(found: &[Deployment], target: &Target, name: &str) -> Option<Failure> {
    let namespace = &target.namespace;
    let of_name = |live: &&Deployment| name.is_empty() || live.instance.as_deref() == Some(name);
    if let Some(live) = found.iter().filter(of_name).find(|live| live.operator) {
        let name = live.instance.as_deref().unwrap_or(name);
        return Some(
            Failure::new(
                "operator-managed",
                format!("Milvus `{name}` in namespace `{namespace}` is managed by the Milvus Operator, not by Helm"),
            )
            .because("its counts are those of its custom resource")
            .hint(format!(
                "kubectl patch milvus {name}{} --type=merge -p '{{\"spec\":{{\"components\":{{{OPERATORS_COUNTS}}}}}}}'",
                target.hints().kubectl()
            )),
        );
    }
    let live = found.iter().filter(of_name).find(|live| live.gitops.is_some() && live.component.is_some())?;
    let by = match live.gitops? {
        GitOps::ArgoCd => "Argo CD",
        GitOps::Flux => "Flux",
    };
    Some(
        Failure::new(
            "gitops-managed",
            format!("Deployment `{}` in namespace `{namespace}` is managed by {by}, and no release of Helm", live.name),
        )
        .because(format!("{by} would write the old count back"))
        .hint("commit the count to the repository that it reads"),
    )
}

/// A release of another chart, which may have Milvus inside it.
#[must_use]
pub fn not_milvus(release: &Release, manifest: &str, target: &Target) -> Failure {
    let Release { name, chart, .. } = release;
    if manifest::has_milvus(manifest, name) {
        return Failure::new(
            "not-milvus",
            format!(
                "release `{name}` in namespace `{}` is of chart `{chart}`, which has Milvus inside it",
                target.namespace
            ),
        )
        .because("the counts are values of that chart, under the name of its dependency")
        .hint(format!("helm get values {name} --all{}", target.hints().helm()));
    }
    Failure::new(
        "not-milvus",
        format!(
            "release `{name}` in namespace `{}` is of chart `{chart}`, not of the chart `milvus`",
            target.namespace
        ),
    )
    .hint(format!("helm list{}", target.hints().helm()))
}

/// A failed look at a release.
pub fn release_failure(failed: &CallFailure, target: &Target, name: &str) -> Failure {
    let namespace = &target.namespace;
    let what = if name.is_empty() {
        format!("the releases of namespace `{namespace}`")
    } else {
        format!("release `{name}` in namespace `{namespace}`")
    };
    match helm::meaning(failed) {
        helm::Meaning::NoSuchRelease => Failure::new("not-found", format!("there is no {what}")).hint("helm list -A"),
        helm::Meaning::Unreachable => unreachable(failed),
        helm::Meaning::Forbidden => Failure::new("forbidden", format!("helm may not read {what}"))
            .because_said(failed.stderr())
            .hint("ask for the rights to get and list the Secrets that hold Helm's releases"),
        helm::Meaning::TooOld => Failure::new("tool-too-old", "this helm is too old")
            .because(failed.to_string())
            .because_said(failed.stderr())
            .hint("install Helm 3.13 or newer, or Helm 4"),
        helm::Meaning::Pending => Failure::new("release-pending", format!("someone else is changing {what}"))
            .because_said(failed.stderr())
            .hint("when that is done, run the same command again"),
        helm::Meaning::Unknown => Failure::new("helm-failed", format!("cannot read {what}"))
            .because(failed.to_string())
            .because_said(failed.stderr()),
    }
}

/// A failed look at the cluster with kubectl.
pub fn cluster_failure(failed: &CallFailure, verb: &str, resource: &str, target: &Target) -> Failure {
    match kubectl::meaning(failed) {
        kubectl::Meaning::Forbidden => {
            let named = || (verb.to_owned(), resource.to_owned());
            let (verb, resource) = kubectl::denied(failed.stderr()).unwrap_or_else(named);
            may_not(&verb, &resource, target).because_said(failed.stderr())
        }
        kubectl::Meaning::Unreachable => unreachable(failed),
        _ => cannot(verb, resource, target).because(failed.to_string()).because_said(failed.stderr()),
    }
}

fn unreachable(failed: &CallFailure) -> Failure {
    Failure::new("unreachable", "the cluster cannot be reached")
        .because(failed.to_string())
        .because_said(failed.stderr())
        .hint("kubectl cluster-info")
}

/// Names as a sentence lists them.
#[must_use]
pub fn backticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A scoped thread's result; a panic there goes on here.
pub fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
