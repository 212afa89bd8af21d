//! What one look at a release saw: facts, not yet judged. Every part of it may
//! be missing by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::autoscaler::Autoscaler;
use crate::error::Failure;
use crate::helm::Record;
use crate::observe::Basis;
use crate::pod::Pod;
use crate::reading::Reading;
use crate::stuck::Event;
use crate::target::Hints;
use crate::workload::Deployment;

/// What was seen of one release.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Its namespace, and what there is in it.
    pub namespace: Arc<Namespace>,
    /// What Helm has recorded of it.
    pub record: Reading<Recorded>,
    /// Events about pods that are not well, by the pods' names.
    pub events: BTreeMap<String, Vec<Event>>,
}

/// What there is in a namespace, whichever release it belongs to.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// The commands of a hint.
    pub hints: Hints,
    /// All Deployments.
    pub deployments: Reading<Vec<Deployment>>,
    /// All pods.
    pub pods: Reading<Vec<Pod>>,
    /// All autoscalers of Deployments.
    pub autoscalers: Reading<Vec<Autoscaler>>,
}

/// What Helm has recorded of a release.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The newest revision.
    pub record: Record,
    /// What an upgrade starts from, or why there is nothing.
    pub basis: Result<Basis, Failure>,
}

impl Recorded {
    /// The manifest that says how things should be: of the newest revision, or
    /// of the last deployed one if that failed.
    #[must_use]
    pub fn manifest(&self) -> &str {
        self.basis.as_ref().map_or(&self.record.manifest, |basis| &basis.manifest)
    }
}
