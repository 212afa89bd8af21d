//! What `autoscale` is to do, from what is wanted and what was seen. Pure.

use serde_json::Value;

use super::object;
use super::obstacle::Obstacle;
use super::requests::Lacking;
use crate::autoscaler::{self, Autoscaler};
use crate::component::{ComponentRef, Role};
use crate::decide::{self, CountChange, PerGroup, Step};
use crate::helm::Setting;
use crate::manifest::{ObjectId, Objects};
use crate::milvus::Needs;
use crate::observe::Observed;
use crate::order::Order;
use crate::refusal::Refusal;
use crate::release::{Apply, COMPONENT_LABEL, Declared};

/// What is wanted for a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// No autoscaler.
    Off,
    /// One with these bounds.
    On(Bounds),
}

/// An autoscaler as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest count; at least 1, at most `max`.
    pub min: u32,
    /// The largest count.
    pub max: u32,
    /// Percent of the requested CPU, if said.
    pub cpu: Option<u32>,
    /// Percent of the requested memory, if said.
    pub memory: Option<u32>,
    /// Whether it may only add pods.
    pub grow_only: bool,
}

/// What was seen besides the release, its Deployments and autoscalers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The release's values, the chart's own among them. They hold secrets.
    pub values: Value,
    /// The containers of the component that request too little.
    pub lacking: Vec<Lacking>,
    /// How many query nodes Milvus needs, where that is known.
    pub needed: Option<Needs>,
    /// Why nothing is known of what the pods use, if nothing is.
    pub unmeasured: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Plan {
    /// All is as wanted.
    Nothing(Standing),
    /// An upgrade of the release.
    Upgrade {
        /// What it changes.
        order: Order,
        /// In a few words.
        change: String,
        /// What is to be seen of it.
        standing: Standing,
    },
    /// An object is to be applied, which is not the release's.
    Object {
        /// Why the chart does not make it.
        why: String,
        /// What it is.
        standing: Standing,
    },
}

/// A component's autoscaler, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The live count, of each resource group; of unequal ones the largest.
    pub count: u32,
    /// The autoscaler that is there.
    pub before: Option<Autoscaler>,
    /// The one that is wanted.
    pub wanted: Option<Autoscaler>,
    /// What a person should know, a sentence each.
    pub cautions: Vec<String>,
}

/// The component that was asked for, if it can have an autoscaler at all.
///
/// # Errors
/// The refusals that hold whatever the bounds are.
pub fn eligible(spelling: &str, asked: Option<ComponentRef>, observed: &Observed) -> Result<ComponentRef, Obstacle> {
    let component = decide::known(spelling, asked, observed)?;
    if component.role == Role::Coordinator {
        return Err(Obstacle::Coordinator { component });
    }
    decide::at_rest(observed)?;
    let lives = |declared: &&Declared| observed.deployments.iter().any(|live| live.name == declared.name);
    match of(component, observed).find(|declared| !lives(declared)) {
        Some(gone) => Err(Refusal::DeploymentGone { component, deployment: gone.name.clone() }.into()),
        None => Ok(component),
    }
}

/// Decides.
///
/// # Errors
/// Why it is not to be.
pub fn plan(
    component: ComponentRef,
    wish: Wish,
    observed: &Observed,
    released: &Objects,
    seen: &Seen,
) -> Result<Plan, Obstacle> {
    let around = Around::of(component, observed, released, seen);
    match wish {
        Wish::Off => around.off(),
        Wish::On(bounds) => around.on(bounds),
    }
}

fn of(component: ComponentRef, observed: &Observed) -> impl Iterator<Item = &Declared> {
    observed.declared.iter().filter(move |declared| declared.component == component)
}

/// A component with everything that a decision looks at.
struct Around<'a> {
    component: ComponentRef,
    observed: &'a Observed,
    released: &'a Objects,
    seen: &'a Seen,
    declared: Vec<&'a Declared>,
    live: Vec<u32>,
    /// The release's own autoscaler, as its manifest has it.
    of_chart: Option<(ObjectId, Autoscaler)>,
    /// The others on the component's Deployments.
    others: Vec<&'a Autoscaler>,
}

impl<'a> Around<'a> {
    fn of(component: ComponentRef, observed: &'a Observed, released: &'a Objects, seen: &'a Seen) -> Self {
        let declared: Vec<&Declared> = of(component, observed).collect();
        let live = |name: &str| observed.deployments.iter().find(|live| live.name == name).map(|live| live.wanted);
        // With resource groups its target is none of the Deployments, so that
        // the label tells whose it is.
        let labelled = |object: &Value| {
            object.pointer("/metadata/labels").and_then(|labels| labels.get(COMPONENT_LABEL))
                == Some(&Value::from(component.label))
        };
        let of_chart = released.iter().filter(|(_, object)| labelled(&object.content)).find_map(|(id, object)| {
            Some((ObjectId { namespace: None, ..id.clone() }, autoscaler::of_object(&object.content)?))
        });
        let others = observed
            .seen_autoscalers()
            .iter()
            .filter(|one| declared.iter().any(|declared| declared.name == one.deployment))
            .filter(|one| of_chart.as_ref().is_none_or(|(id, _)| id.name != one.name))
            .collect();
        let live = declared.iter().filter_map(|declared| live(&declared.name)).collect();
        Self { component, observed, released, seen, declared, live, of_chart, others }
    }

    fn count(&self) -> u32 {
        self.live.iter().max().copied().unwrap_or(0)
    }

    /// The step that declares the count as it is.
    fn unchanged(&self) -> Step {
        let count = PerGroup(self.count());
        Step { changes: vec![CountChange { component: self.component, from: count, to: count }] }
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.seen.values.get(self.component.key)?.get("hpa")?.get(key)
    }

    fn key(&self, key: &str) -> String {
        format!("{}.hpa.{key}", self.component.key)
    }

    fn off(&self) -> Result<Plan, Obstacle> {
        let component = self.component;
        let declares = self.declared.iter().all(|declared| declared.replicas.is_some());
        let switched_on = self.value("enabled") == Some(&Value::from(true));
        let before = self.of_chart.as_ref().map(|(_, autoscaler)| autoscaler.clone());
        let mut standing = Standing { count: self.count(), before, wanted: None, cautions: Vec::new() };
        if self.of_chart.is_none()
            && let Some(other) = self.others.first()
        {
            return Err(Obstacle::OfSomeoneElse { component, autoscaler: Box::new((*other).clone()) });
        }
        if self.of_chart.is_none() && !switched_on && declares {
            return Ok(Plan::Nothing(standing));
        }
        standing.cautions.extend(self.others.iter().map(|other| format!("there is another one left: {other}")));
        let equal = self.live.iter().all(|live| *live == self.count());
        // Groups of unequal counts are refused like any that drifted.
        let step = if equal { self.unchanged() } else { Step { changes: Vec::new() } };
        let settings = match &self.of_chart {
            None if !switched_on => Vec::new(),
            _ => vec![Setting::Switch(self.key("enabled"), false)],
        };
        let objects = self.of_chart.iter().map(|(id, _)| id.clone()).collect();
        let change = format!("{} without autoscaler, at {}", component.key, self.count());
        let order = self.order(&step, settings, objects, &change)?;
        Ok(Plan::Upgrade { order, change, standing })
    }

    fn on(&self, bounds: Bounds) -> Result<Plan, Obstacle> {
        let component = self.component;
        let [declared] = self.declared.as_slice() else { return Err(Obstacle::ResourceGroups { component }) };
        if declared.group.is_some() {
            return Err(Obstacle::ResourceGroups { component });
        }
        let count = self.count();
        if count == 0 {
            return Err(Obstacle::AtZero { component, min: bounds.min });
        }
        if count > bounds.max {
            return Err(Obstacle::AboveMax { component, count, max: bounds.max });
        }
        if let Some((needs, why)) = self.seen.needed.and_then(|needs| Some((needs, needs.beyond(bounds.min, 1)?))) {
            let least = needs.in_all.max(needs.of_groups);
            return Err(Obstacle::BelowLoadedReplicas { component, min: bounds.min, least, why });
        }
        match self.not_by_chart(bounds) {
            Some(why) => self.print(bounds, declared, why),
            None => self.by_chart(bounds, declared),
        }
    }

    /// Why the chart's values cannot say what is wanted.
    fn not_by_chart(&self, bounds: Bounds) -> Option<String> {
        let Self { component, observed, .. } = self;
        let (key, chart) = (component.key, &observed.release.chart);
        let major = chart.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        // From 5.0.0 on the index node keeps its values, which nothing reads.
        let ignored = key == "indexNode" && major.is_none_or(|major| major >= 5);
        if bounds.grow_only {
            Some(format!("the autoscaler of chart {chart} always shrinks as well"))
        } else if self.value("enabled").is_none() || ignored {
            Some(format!("chart {chart} of this release has no autoscaler for `{key}`"))
        } else if bounds.memory.is_some() && key != "queryNode" {
            Some(format!("the autoscaler of chart {chart} for `{key}` knows cpu alone"))
        } else {
            None
        }
    }

    fn by_chart(&self, bounds: Bounds, declared: &Declared) -> Result<Plan, Obstacle> {
        let component = self.component;
        if let Some(other) = self.others.first() {
            return Err(Obstacle::OfSomeoneElse { component, autoscaler: Box::new((*other).clone()) });
        }
        let id = self.of_chart.as_ref().map_or_else(|| object::id_of_chart(&declared.name), |(id, _)| id.clone());
        // What nobody asked for stays; the template has these where the value
        // is empty.
        let percent = |key| self.value(key).and_then(Value::as_u64).and_then(|percent| u32::try_from(percent).ok());
        let kept = |said: Option<u32>, key| said.or_else(|| percent(key)).unwrap_or(40);
        let wanted = Autoscaler {
            name: id.name.clone(),
            deployment: declared.name.clone(),
            min: bounds.min,
            max: bounds.max,
            cpu: Some(kept(bounds.cpu, "cpuUtilization")),
            memory: (component.key == "queryNode").then(|| kept(bounds.memory, "memoryUtilization")),
            ..Autoscaler::default()
        };
        self.computable(&wanted)?;
        let live = self.observed.seen_autoscalers().iter().find(|one| one.name == id.name);
        let is_so = |one: Option<&Autoscaler>| one.is_some_and(|one| same(one, &wanted));
        let before = live.cloned();
        let recorded = declared.replicas.map(|_| self.count());
        let cautions = self.cautions(&wanted, recorded);
        let standing = Standing { count: self.count(), before, wanted: Some(wanted.clone()), cautions };
        if is_so(live) && is_so(self.of_chart.as_ref().map(|(_, autoscaler)| autoscaler)) {
            return Ok(Plan::Nothing(standing));
        }
        let mut settings = vec![
            Setting::Switch(self.key("enabled"), true),
            Setting::Count(self.key("minReplicas"), bounds.min),
            Setting::Count(self.key("maxReplicas"), bounds.max),
        ];
        settings.extend(bounds.cpu.map(|percent| Setting::Count(self.key("cpuUtilization"), percent)));
        settings.extend(bounds.memory.map(|percent| Setting::Count(self.key("memoryUtilization"), percent)));
        // A count that the release leaves out is nobody's but the autoscaler's.
        let step = if declared.replicas.is_some() { self.unchanged() } else { Step { changes: Vec::new() } };
        let change = format!("{} autoscaled {}", component.key, wanted.described());
        let order = self.order(&step, settings, vec![id], &change)?;
        Ok(Plan::Upgrade { order, change, standing })
    }

    fn print(&self, bounds: Bounds, declared: &Declared, why: String) -> Result<Plan, Obstacle> {
        let component = self.component;
        let name = autoscaler::printed_name(&declared.name);
        if let Some((_, autoscaler)) = &self.of_chart {
            return Err(Obstacle::OfChart { component, autoscaler: Box::new(autoscaler.clone()) });
        }
        // The one that was printed before is printed anew.
        if let Some(other) = self.others.iter().find(|other| other.name != name) {
            return Err(Obstacle::OfSomeoneElse { component, autoscaler: Box::new((*other).clone()) });
        }
        let before = self.others.first().map(|one| (*one).clone());
        let wanted = Autoscaler {
            name,
            deployment: declared.name.clone(),
            min: bounds.min,
            max: bounds.max,
            cpu: bounds.cpu.or_else(|| bounds.memory.is_none().then_some(object::USUAL_TARGET)),
            memory: bounds.memory,
            grow_only: bounds.grow_only,
            ..Autoscaler::default()
        };
        self.computable(&wanted)?;
        let cautions = self.cautions(&wanted, declared.replicas);
        let standing = Standing { count: self.count(), before, wanted: Some(wanted), cautions };
        Ok(Plan::Object { why, standing })
    }

    /// Utilization is a share of what is requested.
    fn computable(&self, wanted: &Autoscaler) -> Result<(), Obstacle> {
        let metrics = [("cpu", wanted.cpu), ("memory", wanted.memory)];
        let asked =
            |lacking: &&Lacking| metrics.iter().any(|(name, target)| target.is_some() && *name == lacking.metric);
        let lacking: Vec<Lacking> = self.seen.lacking.iter().filter(asked).cloned().collect();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(Obstacle::NoRequests { component: self.component, lacking })
    }

    fn order(
        &self,
        step: &Step,
        settings: Vec<Setting>,
        objects: Vec<ObjectId>,
        change: &str,
    ) -> Result<Order, Obstacle> {
        let description = format!("kubectl milvus autoscale: {change}");
        Ok(Order::with(step, settings, objects, self.observed, self.released, description)?)
    }

    /// `declares` is the count that the release declares from then on.
    fn cautions(&self, wanted: &Autoscaler, declares: Option<u32>) -> Vec<String> {
        let key = self.component.key;
        let count = self.count();
        let grows = (count < wanted.min)
            .then(|| format!("the autoscaler grows `{key}` from {count} to {} as soon as it is there", wanted.min));
        let unmeasured = self
            .seen
            .unmeasured
            .as_ref()
            .map(|why| format!("the autoscaler has nothing to compute with, and only its bounds act: {why}"));
        let shrinks = (!wanted.grow_only && holds_something(self.component)).then(|| {
            format!(
                "this autoscaler removes pods of `{key}` with the chart's 30 s and without looking whether the service \
                 is available, which can fail searches; with `--grow-only` it only adds, and `scale` removes"
            )
        });
        let resets = declares.map(|count| {
            let whats = match self.observed.release.apply {
                Apply::ClientSide | Apply::Unread => {
                    format!("sets `{key}` back to {count}, which the release declares")
                }
                Apply::ServerSide => format!(
                    "ends in a conflict over the count once the autoscaler has moved it, and with `--force-conflicts` \
                     sets `{key}` back to {count}, which the release declares"
                ),
            };
            format!(
                "a later `helm upgrade` of yours {whats}; `scale` and `autoscale` pass the count of the moment along"
            )
        });
        [grows, unmeasured, shrinks, resets].into_iter().flatten().collect()
    }
}

/// Whether a pod of it takes data or work along when it goes.
fn holds_something(component: ComponentRef) -> bool {
    matches!(component.key, "queryNode" | "dataNode" | "streamingNode")
}

/// What is not as the upgrade left it, among the autoscalers that are there
/// afterwards; with one, the count is its own.
#[must_use]
pub fn different(key: &str, standing: &Standing, autoscalers: &[Autoscaler], count: u32) -> Option<String> {
    let named = |name: &str| autoscalers.iter().find(|one| one.name == name);
    if let Some(wanted) = &standing.wanted {
        let object = format!("HorizontalPodAutoscaler `{}`", wanted.name);
        return match named(&wanted.name) {
            Some(found) if same(found, wanted) => None,
            Some(found) => Some(format!("{object} is {}", found.described())),
            None => Some(format!("{object} is not there")),
        };
    }
    match standing.before.as_ref().filter(|old| named(&old.name).is_some()) {
        Some(old) => Some(format!("HorizontalPodAutoscaler `{}` is still there", old.name)),
        None if count != standing.count => Some(format!("`{key}` was set from {} to {count}", standing.count)),
        None => None,
    }
}

fn same(one: &Autoscaler, wanted: &Autoscaler) -> bool {
    let key = |it: &Autoscaler| (it.deployment.clone(), it.min, it.max, it.cpu, it.memory, it.grow_only);
    key(one) == key(wanted)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
