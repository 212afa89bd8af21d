//! The refusals of `decide`, each with its stable identifier, its sentence and
//! its way out. `docs/refusals.md` has a section for each.

use crate::autoscaler::{self, Autoscaler, Conflict};
use crate::component::{self, ComponentRef};
use crate::error::Failure;
use crate::observe::backticked;
use crate::target::Hints;
use crate::workload::GitOps;

/// Why a goal or a step is not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The word is no component of Milvus.
    UnknownComponent {
        /// As typed.
        spelling: String,
        /// What this release runs.
        runs: Vec<ComponentRef>,
    },
    /// The release has no Deployment of it.
    NotRunning {
        /// The component.
        component: ComponentRef,
    },
    /// Standalone Milvus is one pod; its chart writes a literal 1.
    Standalone {
        /// The component that was asked for.
        component: ComponentRef,
    },
    /// More than one coordinator needs active standby.
    Coordinator {
        /// The coordinator.
        component: ComponentRef,
        /// Whether its active standby is on.
        standby: bool,
    },
    /// The chart writes its count as a literal, or it has a key of its own.
    Fixed {
        /// The component.
        component: ComponentRef,
        /// The values key that holds its count, if there is one.
        count_key: Option<&'static str>,
    },
    /// The release's value is negative: the chart leaves the count out.
    LeftToAutoscaler {
        /// The component.
        component: ComponentRef,
    },
    /// Release and cluster disagree, so that `+1` has no base.
    RelativeDrift {
        /// The component.
        component: ComponentRef,
        /// The live counts, one for each group.
        live: Vec<u32>,
        /// The release's count.
        declared: u32,
    },
    /// The groups have different counts, and the wanted one lies between.
    UnequalGroups {
        /// The component.
        component: ComponentRef,
        /// The live counts.
        live: Vec<u32>,
    },
    /// Another component's live count differs from the release, and cannot be
    /// passed along.
    OtherDrift {
        /// The component.
        component: ComponentRef,
        /// The live counts, one for each group.
        live: Vec<u32>,
        /// The release's count.
        declared: u32,
    },
    /// An autoscaler moves the count.
    Autoscaled {
        /// The component.
        component: ComponentRef,
        /// Which one, and between which counts.
        autoscaler: Box<Autoscaler>,
        /// Whether it is the release's, and so `autoscale`'s to change.
        of_chart: bool,
        /// What is in the way of the count.
        conflict: Conflict,
        /// The count.
        to: u32,
    },
    /// A GitOps controller writes the object's state again and again.
    GitOpsManaged {
        /// The component.
        component: ComponentRef,
        /// The controller.
        by: GitOps,
    },
    /// The running image is Milvus 2.6 or newer, which has no index node.
    IndexNodeGone {
        /// The image of its pods.
        image: String,
    },
    /// A Deployment of the release is not in the cluster.
    DeploymentGone {
        /// The component.
        component: ComponentRef,
        /// The Deployment's name.
        deployment: String,
    },
    /// A relative count leads below zero or beyond what Kubernetes takes.
    OutOfRange {
        /// The component.
        component: ComponentRef,
        /// The count now.
        now: u32,
        /// `-5`.
        change: String,
    },
    /// Zero without `--allow-zero`.
    Zero {
        /// The component.
        component: ComponentRef,
    },
    /// Query and streaming node would shrink in one call.
    BothNodesIn,
    /// An operation on the release is under way, or was killed.
    ReleasePending {
        /// The revision in that status.
        revision: u64,
        /// As Helm names it.
        status: String,
    },
    /// The newest revision failed: `--reuse-values` would go back to the values
    /// of the one before it.
    ReleaseFailed {
        /// The failed revision.
        revision: u64,
        /// What it changed beyond counts.
        lost: Vec<String>,
    },
}

/// In the hint of `release-failed` this stands for the number of a revision,
/// which a look at the history tells.
pub const LAST_DEPLOYED: &str = "REVISION";

/// Where the refused release is, for the sentence and the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// The release's name.
    pub release: &'a str,
    /// The namespace.
    pub namespace: &'a str,
    /// The commands of a hint.
    pub hints: &'a Hints,
    /// What was said of the way to the goal, as flags with a space before each.
    pub said: String,
}

impl Refusal {
    /// The refusal as a failure of a run that has changed nothing.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one arm for each refusal, side by side")]
    pub fn failure(&self, place: &Place<'_>) -> Failure {
        let Place { release, namespace, hints, said } = place;
        let at = format!("release `{release}` in namespace `{namespace}`");
        let scale = |component: ComponentRef, count: &str| {
            hints.milvus(&format!("scale {release} {}={count}{said}", component.key))
        };
        match self {
            Self::UnknownComponent { spelling, runs } => {
                let failure = Failure::new("unknown-component", format!("`{spelling}` is not a component of Milvus"))
                    .because(format!("{at} runs {}", keys(runs)));
                match component::nearest(spelling) {
                    Some(near) => failure.hint(format!("did you mean `{}`?", near.key)),
                    None => failure,
                }
            }
            Self::NotRunning { component } => {
                Failure::new("component-disabled", format!("{at} does not run `{}`", component.key))
            }
            Self::Standalone { component } => Failure::new(
                "standalone",
                format!("{at} is standalone Milvus: it is one pod and has no `{}` to scale", component.key),
            )
            .because("its chart ignores the counts of components where `cluster.enabled` is false")
            .hint("install a release with `cluster.enabled=true` and move the data, for instance with milvus-backup"),
            Self::Coordinator { component, standby } => Failure::new(
                "coordinator",
                format!("`{}` of {at} is a coordinator, and coordinators do not scale", component.key),
            )
            .because(if *standby {
                "its active standby is on: there can be 1, or 2 of which one waits; say which"
            } else {
                "its active standby is off: a second one would crash in a loop"
            })
            .hint(format!("scale the workers: {}", scale_words())),
            Self::Fixed { component, count_key: None } => Failure::new(
                "component-fixed",
                format!("the count of `{}` of {at} cannot be changed: there is always one", component.key),
            ),
            Self::Fixed { component, count_key: Some(key) } => Failure::new(
                "component-fixed",
                format!("`{}` of {at} is a dependency of Milvus, not a worker", component.key),
            )
            .because(format!("its count is the value `{key}`, and a change of it restarts other pods")),
            Self::LeftToAutoscaler { component } => {
                Failure::new("autoscaled", format!("the count of `{}` of {at} is left to an autoscaler", component.key))
                    .because(format!(
                        "its value `{}` is negative, so the release declares no count",
                        component.replicas_key()
                    ))
                    .hint(format!(
                        "`{}` declares the live count, so that it can be scaled",
                        hints.milvus(&format!("autoscale {release} {} --off", component.key))
                    ))
            }
            Self::RelativeDrift { component, live, declared } => Failure::new(
                "drift",
                format!(
                    "a relative count of `{}` of {at} has no base: {} in the cluster, {declared} in the release",
                    component.key,
                    numbers(live)
                ),
            )
            .hint(format!(
                "say the count you want: `{}`",
                scale(component, &live.iter().max().unwrap_or(declared).to_string())
            )),
            Self::UnequalGroups { component, live } => Failure::new(
                "drift",
                format!("the resource groups of `{}` of {at} have different counts: {}", component.key, numbers(live)),
            )
            .because("one step would make one group smaller and another larger")
            .hint(format!(
                "make them equal first: `{}`",
                scale(component, &live.iter().max().unwrap_or(&0).to_string())
            )),
            Self::OtherDrift { component, live, declared } => Failure::new(
                "drift",
                format!(
                    "`{}` of {at} has {} in the cluster and {declared} in the release",
                    component.key,
                    numbers(live)
                ),
            )
            .because("an upgrade would take it back to the release's count, and this one cannot be passed along")
            .hint(match live.iter().max() {
                Some(largest) if *largest > 0 => {
                    format!("say which count it is to have: `{}`", scale(component, &largest.to_string()))
                }
                _ => format!(
                    "say which count it is to have: `{}`, or `{} --allow-zero` if it is to stay stopped",
                    scale(component, &declared.to_string()),
                    scale(component, "0")
                ),
            }),
            Self::Autoscaled { component, autoscaler, of_chart, conflict, to } => {
                let key = component.key;
                let autoscale = |words: &str| hints.milvus(&format!("autoscale {release} {key} {words}"));
                let (min, max) = (autoscaler.min.min(*to).max(1), autoscaler.max.max(*to));
                match conflict {
                    Conflict::Owned => {
                        let failure = Failure::new(
                            "autoscaled",
                            format!("the count of `{key}` of {at} belongs to an autoscaler"),
                        )
                        .because(autoscaler.to_string());
                        if *of_chart {
                            failure.hint(format!(
                                "`{}` changes its bounds, `{}` ends it",
                                autoscale(&format!("--min {min} --max {max}")),
                                autoscale("--off")
                            ))
                        } else {
                            failure.hint(format!(
                                "change its bounds, or delete it first: `kubectl get hpa {}{}`",
                                autoscaler.name,
                                hints.kubectl()
                            ))
                        }
                    }
                    Conflict::OutsideBounds => Failure::new(
                        "outside-bounds",
                        format!("`{key}={to}` of {at} is outside the bounds of its autoscaler"),
                    )
                    .because(format!("{autoscaler}, and would set it back at once"))
                    .hint(if autoscaler.name == autoscaler::printed_name(&autoscaler.deployment) {
                        format!(
                            "change its bounds first: `{} | kubectl apply -f -{}`",
                            autoscale(&format!("--min {min} --max {max} --grow-only")),
                            hints.kubectl()
                        )
                    } else {
                        format!("change its bounds first: `kubectl edit hpa {}{}`", autoscaler.name, hints.kubectl())
                    }),
                    Conflict::GrowsBack(back) => {
                        Failure::new("autoscaled", format!("the autoscaler of `{key}` of {at} would take {to} back"))
                            .because(format!("{autoscaler}, and by what the pods use now it would grow it to {back}"))
                            .hint(format!(
                                "wait until less is used, or raise what it aims at ({}): `kubectl describe hpa {}{}`",
                                autoscaler.targets(),
                                autoscaler.name,
                                hints.kubectl()
                            ))
                    }
                }
            }
            Self::GitOpsManaged { component, by } => {
                let (who, what) = match by {
                    GitOps::ArgoCd => ("Argo CD", "the Application's Helm values"),
                    GitOps::Flux => ("Flux", "the values of the HelmRelease"),
                };
                Failure::new("gitops-managed", format!("`{}` of {at} is managed by {who}", component.key))
                    .because(format!("{who} would write the old count back"))
                    .hint(format!("commit `{}` to {what} instead", component.replicas_key()))
            }
            Self::IndexNodeGone { image } => Failure::new(
                "indexnode-gone",
                format!("`indexNode` of {at} runs `{}`, and Milvus 2.6 has no index node", crate::error::plain(image)),
            )
            .because("its work moved to the data node; an index node of 2.6 ends with `Unknown server type`")
            .hint(format!(
                "scale the data node instead, for instance `{}`",
                hints.milvus(&format!("scale {release} dataNode=+1{said}"))
            )),
            Self::DeploymentGone { component, deployment } => Failure::new(
                "drift",
                format!("Deployment `{deployment}` of `{}` of {at} is not in the cluster", component.key),
            )
            .because("an upgrade would create it anew")
            .hint(format!("helm get manifest {release}{}", hints.helm())),
            Self::OutOfRange { component, now, change } => {
                Failure::usage(format!("`{}={change}` leads nowhere: {at} has {now}", component.key))
            }
            Self::Zero { component } => {
                Failure::new("zero", format!("`{}=0` would stop every `{}` of {at}", component.key, component.key))
                    .hint(format!("if that is what you want: `{} --allow-zero`", scale(component, "0")))
            }
            Self::BothNodesIn => Failure::new(
                "both-nodes-in",
                format!("`queryNode` and `streamingNode` of {at} must not shrink in one call"),
            )
            .because("channels and segments would move at the same time, and searches would lack segments")
            .hint("shrink one of them, and the other when that is done"),
            Self::ReleasePending { revision, status } => Failure::new(
                "release-pending",
                format!("{at} is `{status}` (revision {revision}): another operation is under way, or was killed"),
            )
            .hint(format!("look at `helm history {release}{}` and wait", hints.helm())),
            Self::ReleaseFailed { revision, lost } => {
                let failure = Failure::new(
                    "release-failed",
                    format!("the last operation on {at} failed (revision {revision})"),
                )
                .because("an upgrade that reuses values takes those of the last deployed revision: this would be lost");
                lost.iter().take(20).fold(failure, Failure::because).hint(format!(
                    "repeat the failed upgrade with its values, or `helm rollback {release} {LAST_DEPLOYED}{}` (which sets all counts back at once)",
                    hints.helm()
                ))
            }
        }
    }
}

fn keys(components: &[ComponentRef]) -> String {
    backticked(&components.iter().map(|c| c.key.to_owned()).collect::<Vec<_>>())
}

fn scale_words() -> String {
    let workers = component::COMPONENTS.iter().filter(|c| c.role == component::Role::Worker);
    workers.map(|c| format!("`{}`", c.key)).collect::<Vec<_>>().join(", ")
}

fn numbers(counts: &[u32]) -> String {
    counts.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ")
}
