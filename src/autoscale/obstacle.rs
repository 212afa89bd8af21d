//! The refusals of `autoscale` alone, each with its stable identifier, its
//! sentence and its way out.

use super::requests::Lacking;
use crate::autoscaler::Autoscaler;
use crate::component::ComponentRef;
use crate::error::Failure;
use crate::refusal::{Place, Refusal};

/// Why there is to be no such autoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// One that `scale` has as well.
    Refused(Refusal),
    /// Coordinators are not counted by load.
    Coordinator {
        /// The coordinator.
        component: ComponentRef,
    },
    /// One Deployment for each group, and the chart's autoscaler is for none.
    ResourceGroups {
        /// The component.
        component: ComponentRef,
    },
    /// An autoscaler never leaves zero.
    AtZero {
        /// The component.
        component: ComponentRef,
        /// The smallest count that was asked for.
        min: u32,
    },
    /// The autoscaler would cut the count at once.
    AboveMax {
        /// The component.
        component: ComponentRef,
        /// The live count.
        count: u32,
        /// The largest count that was asked for.
        max: u32,
    },
    /// Fewer query nodes than loaded collections, or the resource groups of
    /// Milvus, need.
    BelowLoadedReplicas {
        /// The component.
        component: ComponentRef,
        /// The smallest count that was asked for.
        min: u32,
        /// How many it takes.
        least: u32,
        /// What needs them, a sentence.
        why: String,
    },
    /// Containers request nothing of what is to be measured.
    NoRequests {
        /// The component.
        component: ComponentRef,
        /// Which ones.
        lacking: Vec<Lacking>,
    },
    /// The Deployment has an autoscaler that is not the chart's.
    OfSomeoneElse {
        /// The component.
        component: ComponentRef,
        /// Which one.
        autoscaler: Box<Autoscaler>,
    },
    /// The chart's own is on, and another is asked for.
    OfChart {
        /// The component.
        component: ComponentRef,
        /// Which one.
        autoscaler: Box<Autoscaler>,
    },
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Obstacle {
    /// The refusal as a failure of a run that has changed nothing.
    #[must_use]
    pub fn failure(&self, place: &Place<'_>) -> Failure {
        let Place { release, namespace, hints, said } = place;
        let at = format!("release `{release}` in namespace `{namespace}`");
        let scale = |component: ComponentRef, count: &str| {
            hints.milvus(&format!("scale {release} {}={count}{said}", component.key))
        };
        let flags = hints.kubectl();
        match self {
            Self::Refused(refusal) => refusal.failure(place),
            Self::Coordinator { component } => Failure::new(
                "coordinator",
                format!("`{}` of {at} is a coordinator, and coordinators do not scale", component.key),
            )
            .because("there is one, or there are two of which one waits"),
            Self::ResourceGroups { component } => Failure::new(
                "resource-groups",
                format!("`{}` of {at} has resource groups, and cannot be autoscaled", component.key),
            )
            .because("each group is a Deployment of its own: the chart's autoscaler would point at none of them")
            .hint(format!("set the count of each group: `{}`", scale(component, "N"))),
            Self::AtZero { component, min } => {
                Failure::new("zero", format!("`{}` of {at} is at 0, and no autoscaler ever leaves that", component.key))
                    .hint(format!("start it first: `{}`", scale(component, &min.to_string())))
            }
            Self::AboveMax { component, count, max } => Failure::new(
                "outside-bounds",
                format!("`{}` of {at} is at {count}, above `--max {max}`", component.key),
            )
            .because(format!("an autoscaler would cut it to {max} at once, and without care"))
            .hint(format!("take them away first: `{}`, or raise `--max`", scale(component, &max.to_string()))),
            Self::BelowLoadedReplicas { component, min, least, why } => Failure::new(
                "below-loaded-replicas",
                format!("`{}` of {at} cannot have `--min {min}`: {why}", component.key),
            )
            .hint(format!("say `--min {least}`, or load the collection with fewer replicas first")),
            Self::NoRequests { component, lacking } => {
                let key = component.key;
                let metric = lacking.first().map_or("cpu", |first| first.metric);
                let failure = Failure::new(
                    "no-requests",
                    format!(
                        "`{key}` of {at} requests too little to be autoscaled: the share of nothing cannot be computed"
                    ),
                );
                let failure = lacking.iter().fold(failure, |failure, one| {
                    failure.because(format!("container `{}` requests no {}", one.container, one.metric))
                });
                failure.hint(format!(
                    "set `{key}.resources.requests.{metric}` in an upgrade of your own, which restarts the pods"
                ))
            }
            Self::OfSomeoneElse { component, autoscaler } => Failure::new(
                "autoscaled",
                format!("`{}` of {at} has an autoscaler that is not the chart's", component.key),
            )
            .because(autoscaler.to_string())
            .hint(if autoscaler.keda {
                format!("it is KEDA's: `kubectl get scaledobjects.keda.sh{flags}`")
            } else {
                format!("delete it first: `kubectl delete hpa {}{flags}`", autoscaler.name)
            }),
            Self::OfChart { component, autoscaler } => Failure::new(
                "autoscaled",
                format!("`{}` of {at} has the chart's autoscaler, and two would fight", component.key),
            )
            .because(autoscaler.to_string())
            .hint(format!(
                "end that one first: `{}`",
                hints.milvus(&format!("autoscale {release} {} --off{said}", component.key))
            )),
        }
    }
}
