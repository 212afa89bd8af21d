//! What a `scale` would refuse at this moment, by the very functions that
//! `scale` decides with. Pure. What only a proof can find (side effects, a
//! chart that is not there) is not asked: that takes the chart and seconds.

use super::report::ScaleAnswer;
use super::seen::{Namespace, Recorded};
use crate::autoscaler::Autoscaler;
use crate::component::{self, ComponentRef};
use crate::decide::{self, Asked, Consent, Count, Decision, Pace};
use crate::observe::{Basis, Observed, Pods};
use crate::reading::Reading;
use crate::refusal::{Place, Refusal};

/// Everything that `scale` decides from, in the shape it decides from.
pub(super) struct Scalable<'a> {
    observed: Observed,
    autoscalers: &'a [Autoscaler],
    consent: Consent,
    place: Place<'a>,
}

impl<'a> Scalable<'a> {
    /// `None` where the Deployments or the release's counts are not known.
    pub(super) fn of(recorded: &'a Recorded, basis: &Basis, namespace: &'a Namespace) -> Option<Self> {
        let Reading::Known(deployments) = &namespace.deployments else { return None };
        let release = &recorded.record.release;
        let mine = |name: &str| basis.declared.iter().any(|declared| declared.name == name);
        let deployments = deployments.iter().filter(|live| mine(&live.name)).cloned().collect();
        let pods = namespace.pods.known().into_iter().flatten();
        let pods = pods.filter(|pod| pod.deployment.as_deref().is_some_and(mine)).cloned().collect();
        let Basis { manifest, failed, declared } = basis.clone();
        Some(Self {
            observed: Observed {
                release: release.clone(),
                manifest,
                failed,
                declared,
                deployments,
                pods: Pods { items: pods, resource_version: String::new() },
            },
            // Unread, they hinder `scale` no more than this.
            autoscalers: namespace.autoscalers.known().map_or(&[], Vec::as_slice),
            consent: Consent { zero: false, standby: recorded.record.standby.clone() },
            place: Place {
                release: &release.name,
                namespace: &namespace.name,
                hints: &namespace.hints,
                said: String::new(),
            },
        })
    }

    /// What would be said of one more and of one fewer than `live`.
    pub(super) fn answer(&self, component: ComponentRef, live: u32) -> ScaleAnswer {
        // Nobody scales `standalone` itself; a worker is what is missed there.
        let meant = match component.key {
            "standalone" => component::find("queryNode").unwrap_or(component),
            _ => component,
        };
        let refused = |to: u32| self.refusal(meant, to).err().map(|refusal| (&refusal.failure(&self.place)).into());
        ScaleAnswer { up: refused(live.saturating_add(1)), down: (live > 1).then(|| refused(live - 1)).flatten() }
    }

    /// The order of questions is that of a round of `scale`.
    fn refusal(&self, component: ComponentRef, to: u32) -> Result<(), Refusal> {
        let asked = Asked { spelling: component.key.to_owned(), component: Some(component), count: Count::Exactly(to) };
        let goal = decide::goal(&[asked], &self.observed, &self.consent)?;
        match decide::next(&goal, &self.observed, Pace::Pods(1))? {
            Decision::Step { step, .. } => {
                decide::kept(&step, &self.observed)?;
                decide::autoscaled(&step, &self.observed, self.autoscalers)
            }
            Decision::Follow(_) => Ok(()),
        }
    }
}
