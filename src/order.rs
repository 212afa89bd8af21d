//! What an upgrade is to set: the step's counts, the counts of others that it
//! passes along, and the values that keep known side effects away. Pure.

use std::collections::BTreeMap;

use crate::avoidance::{AVOIDANCES, Avoidance};
use crate::chart::ChartSource;
use crate::decide::{self, Kept, Step};
use crate::helm::{Setting, Upgrade};
use crate::manifest::{ObjectId, Objects};
use crate::observe::Observed;
use crate::refusal::Refusal;
use crate::release::Release;

/// One upgrade, before it is known where the chart is.
#[derive(Debug, Clone)]
pub struct Order {
    /// Values keys and what they are set to.
    pub set: Vec<Setting>,
    /// Counts of other components that differ from the release.
    pub kept: Vec<Kept>,
    /// Known side effects that it keeps away.
    pub avoided: Vec<&'static Avoidance>,
    /// What it may change.
    pub permitted: Permitted,
    /// The text that `helm history` will show.
    pub description: String,
}

/// What an upgrade may change; the proof refuses everything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permitted {
    /// The Deployments whose `.spec.replicas` it may set, and to what.
    pub counts: BTreeMap<String, u32>,
    /// Objects that it may create, change or remove; without a namespace.
    pub objects: Vec<ObjectId>,
}

impl Order {
    /// The upgrade of a step.
    ///
    /// # Errors
    /// `drift` where another component's live count cannot be passed along.
    pub fn of(step: &Step, observed: &Observed, released: &Objects) -> Result<Self, Refusal> {
        let description = format!("kubectl milvus scale: {step}");
        Self::with(step, Vec::new(), Vec::new(), observed, released, description)
    }

    /// An upgrade that makes these settings besides those of the step, and may
    /// change these objects besides counts.
    ///
    /// # Errors
    /// `drift` where another component's live count cannot be passed along.
    pub fn with(
        step: &Step,
        settings: Vec<Setting>,
        objects: Vec<ObjectId>,
        observed: &Observed,
        released: &Objects,
        description: String,
    ) -> Result<Self, Refusal> {
        let kept = decide::kept(step, observed)?;
        let avoided: Vec<&'static Avoidance> = AVOIDANCES.iter().filter(|known| (known.needed)(released)).collect();
        let counts = step.changes.iter().map(|change| (change.component, change.to.0));
        let counts = counts.chain(kept.iter().map(|kept| (kept.component, kept.count)));
        let set = settings
            .into_iter()
            .chain(counts.map(|(component, count)| Setting::Count(component.replicas_key(), count)))
            .chain(avoided.iter().map(|known| Setting::Word(known.key, known.value)))
            .collect();
        let permitted = Permitted { counts: decide::permitted(step, &kept, observed), objects };
        Ok(Self { set, kept, avoided, permitted, description })
    }

    /// The same order, described as one step of several.
    #[must_use]
    pub fn numbered(mut self, position: usize, of: usize) -> Self {
        if of > 1 {
            self.description.push_str(&format!(" (step {position} of {of})"));
        }
        self
    }

    /// The same order, for the upgrade that makes other changes first.
    #[must_use]
    pub fn of_other_changes(self) -> Self {
        Self { description: "kubectl milvus scale: other changes, at unchanged counts".to_owned(), ..self }
    }

    /// The upgrade, now that it is known where the chart is.
    #[must_use]
    pub fn upgrade<'a>(
        &'a self,
        release: &'a Release,
        source: &'a ChartSource,
        history_max: Option<u64>,
    ) -> Upgrade<'a> {
        Upgrade {
            release: &release.name,
            source,
            version: &release.chart.version,
            set: &self.set,
            description: &self.description,
            history_max,
            apply: release.apply,
        }
    }

    /// What a person should know before it is made, a line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let kept = self.kept.iter().map(|kept| {
            let Kept { component, count, declared, by } = kept;
            let by = by.as_ref().map_or(String::new(), |by| format!(", set {by}"));
            format!(
                "{} stays at {count}: the release says {declared}{by}; in your values file: {}: {count}",
                component.key,
                component.replicas_key()
            )
        });
        let avoided = self.avoided.iter().map(|known| {
            let Avoidance { key, value, effect, lift, .. } = known;
            format!("{key}={value} is set: {effect} (to lift it later, in a maintenance window: `{lift}`)")
        });
        kept.chain(avoided).collect()
    }
}
