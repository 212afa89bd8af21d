//! What a `scale` would refuse at this moment, by the very functions that
//! `scale` decides with. Pure. Of its proof only what was seen anyway is known:
//! Deployments that are gone and other images; the rest takes the chart and
//! seconds.

use super::report::ScaleAnswer;
use super::seen::{Namespace, Recorded};
use crate::component::{self, ComponentRef};
use crate::decide::{self, Asked, Consent, Count, Decision, Pace};
use crate::error::{Failure, plain};
use crate::manifest::{Change, Difference, ObjectId, Objects, Shown};
use crate::objection::{self, Origin};
use crate::observe::{Basis, Observed, Pods};
use crate::prove::Proof;
use crate::reading::Reading;
use crate::refusal::{Place, Refusal};
use crate::workload::Deployment;

/// Everything that `scale` decides from, in the shape it decides from.
pub(super) struct Scalable<'a> {
    observed: Observed,
    place: Place<'a>,
    overwritten: Vec<Difference>,
}

impl<'a> Scalable<'a> {
    /// `None` where the Deployments or the release's counts are not known.
    pub(super) fn of(
        recorded: &'a Recorded,
        basis: &Basis,
        namespace: &'a Namespace,
        objects: &Objects,
    ) -> Option<Self> {
        let Reading::Known(deployments) = &namespace.deployments else { return None };
        let overwritten = overwritten(objects, deployments);
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
                autoscalers: namespace.autoscalers.clone(),
                standby: recorded.record.standby.clone(),
            },
            place: Place {
                release: &release.name,
                namespace: &namespace.name,
                hints: &namespace.hints,
                said: String::new(),
            },
            overwritten,
        })
    }

    /// What would be said of one more and of one fewer than `live`.
    pub(super) fn answer(&self, component: ComponentRef, live: u32) -> ScaleAnswer {
        // Nobody scales `standalone` itself; a worker is what is missed there.
        let meant = match component.key {
            "standalone" => component::find("queryNode").unwrap_or(component),
            _ => component,
        };
        let refused = |to: u32| self.refusal(meant, to).err().map(|failure| (&failure).into());
        ScaleAnswer { up: refused(live.saturating_add(1)), down: (live > 1).then(|| refused(live - 1)).flatten() }
    }

    /// The order of questions is that of a round of `scale`.
    fn refusal(&self, component: ComponentRef, to: u32) -> Result<(), Failure> {
        let asked = Asked { spelling: component.key.to_owned(), component: Some(component), count: Count::Exactly(to) };
        let makes_a_step = self.decided(&asked).map_err(|refusal| refusal.failure(&self.place))?;
        if !makes_a_step || self.overwritten.is_empty() {
            return Ok(());
        }
        let Place { release, hints, .. } = &self.place;
        let command = hints.milvus(&format!("scale {release} {}={to}", component.key));
        let proof = Proof {
            against_release: Vec::new(),
            against_cluster: self.overwritten.clone(),
            objects: Vec::new(),
            moved: None,
            finished_jobs: Vec::new(),
            generations: std::collections::BTreeMap::new(),
        };
        let consent = format!("{command} --allow-other-changes");
        Err(objection::refusal(&proof, Origin::TheChart, &self.place, &consent, &command))
    }

    fn decided(&self, asked: &Asked) -> Result<bool, Refusal> {
        let goal = decide::goal(std::slice::from_ref(asked), &self.observed, Consent::default())?;
        match decide::next(&goal, &self.observed, Pace::Pods(1))? {
            Decision::Step { step, .. } => {
                decide::kept(&step, &self.observed)?;
                decide::autoscaled(&step.changes, &self.observed)?;
                Ok(true)
            }
            Decision::Follow(_) => Ok(false),
        }
    }
}

/// What any upgrade would overwrite, as far as it was seen.
fn overwritten(objects: &Objects, deployments: &[Deployment]) -> Vec<Difference> {
    let declared = objects.iter().filter(|(id, _)| id.kind == "Deployment");
    declared
        .filter_map(|(id, object)| {
            let object_id = ObjectId { namespace: None, ..id.clone() };
            let Some(live) = deployments.iter().find(|live| live.name == id.name) else {
                return Some(Difference { object: object_id, change: Change::Created });
            };
            let container = object.content.pointer("/spec/template/spec/containers/0")?;
            let (name, image) = (container.get("name")?.as_str()?, container.get("image")?.as_str()?);
            let runs = live.image.as_deref().filter(|runs| *runs != image)?;
            let shown = |image: &str| Some(Shown::Text(format!("`{}`", plain(image))));
            Some(Difference {
                object: object_id,
                change: Change::Field {
                    path: format!(".spec.template.spec.containers[{name}].image"),
                    old: shown(runs),
                    new: shown(image),
                },
            })
        })
        .collect()
}
