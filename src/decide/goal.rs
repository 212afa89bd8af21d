//! What was asked, as absolute counts, or why that cannot be. Pure.

use super::{Aim, Asked, Count, Goal, PerGroup, Standing, at_rest, running};
use crate::component::{ComponentRef, Role};
use crate::milvus::Version;
use crate::observe::Observed;
use crate::refusal::Refusal;

/// What makes a goal permissible beyond what is observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    /// Whether a component may be stopped altogether.
    pub zero: bool,
}

/// Turns what was asked into absolute counts, or says why that cannot be. In the
/// middle of an operation nothing is what it will be.
pub fn goal(asked: &[Asked], observed: &Observed, consent: Consent) -> Result<Goal, Refusal> {
    at_rest(observed)?;
    let aims = asked
        .iter()
        .map(|one| {
            let component = known(&one.spelling, one.component, observed)?;
            if component.role == Role::Coordinator {
                coordinator(component, one.count, &observed.standby)?;
            }
            aim(component, one.count, observed, consent.zero)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Reduced together, channels and segments move at once and searches lack
    // segments (milvus-io/milvus 50689).
    let shrinks = |key: &str| aims.iter().any(|aim| aim.component.key == key && aim.to < aim.from);
    if shrinks("queryNode") && shrinks("streamingNode") {
        return Err(Refusal::BothNodesIn);
    }
    Ok(Goal(aims))
}

/// The component that a word means, if it runs and its count may change at all.
///
/// # Errors
/// `unknown-component`, `standalone`, `not-running`, `component-fixed`,
/// `gitops-managed`, `indexnode-gone`.
pub fn known(spelling: &str, component: Option<ComponentRef>, observed: &Observed) -> Result<ComponentRef, Refusal> {
    let runs = running(observed);
    let Some(component) = component else {
        return Err(Refusal::UnknownComponent { spelling: spelling.to_owned(), runs });
    };
    if !runs.contains(&component) {
        not_there(component, &runs, observed)?;
    }
    match component.role {
        Role::Worker | Role::Coordinator => {}
        Role::Fixed => return Err(Refusal::Fixed { component, count_key: None }),
        Role::Other { count_key } => return Err(Refusal::Fixed { component, count_key: Some(count_key) }),
    }
    managed(component, observed)?;
    Ok(component)
}

/// Why a component is not there, before anything is said about its count.
/// Those that are no Deployments are never there.
fn not_there(component: ComponentRef, runs: &[ComponentRef], observed: &Observed) -> Result<(), Refusal> {
    if matches!(component.role, Role::Other { .. }) {
        return Ok(());
    }
    if runs.iter().any(|c| c.key == "standalone") {
        return Err(Refusal::Standalone { component });
    }
    let declared = |name: &String| observed.declared.iter().any(|d| d.name == *name && d.component.key != "attu");
    let mut images = observed.deployments.iter().filter(|live| declared(&live.name)).filter_map(|d| d.image.as_ref());
    match images.find(|image| has_no_index_node(image)) {
        Some(image) if component.key == "indexNode" => Err(Refusal::IndexNodeGone { image: image.clone() }),
        _ => Err(Refusal::NotRunning { component }),
    }
}

/// One coordinator always works; a second needs active standby, and a third
/// only waits.
fn coordinator(component: ComponentRef, count: Count, standby: &[ComponentRef]) -> Result<(), Refusal> {
    let standby = standby.contains(&component);
    let fits = match count {
        Count::Exactly(count) => count <= 1 || (count == 2 && standby),
        Count::More(_) | Count::Fewer(_) => false,
    };
    if fits { Ok(()) } else { Err(Refusal::Coordinator { component, standby }) }
}

/// Whether someone else decides about a component, or it cannot work at all.
fn managed(component: ComponentRef, observed: &Observed) -> Result<(), Refusal> {
    let mine = |name: &String| observed.declared.iter().any(|d| d.component == component && d.name == *name);
    for live in observed.deployments.iter().filter(|live| mine(&live.name)) {
        if let Some(by) = live.gitops {
            return Err(Refusal::GitOpsManaged { component, by });
        }
        if component.key == "indexNode"
            && let Some(image) = live.image.as_ref().filter(|image| has_no_index_node(image))
        {
            return Err(Refusal::IndexNodeGone { image: image.clone() });
        }
    }
    Ok(())
}

/// Whether the Milvus of an image has no index node any more.
fn has_no_index_node(image: &str) -> bool {
    Version::of_image(image) >= Some(Version(2, 6, 0))
}

fn aim(component: ComponentRef, count: Count, observed: &Observed, allow_zero: bool) -> Result<Aim, Refusal> {
    let standing = Standing::of(component, observed);
    standing.scalable()?;
    let relative = |sign: &str, by: u32, result: &dyn Fn(u32) -> Option<u32>| {
        let agreed = standing.agreed().ok_or_else(|| Refusal::RelativeDrift {
            component,
            live: standing.live().collect(),
            declared: standing.groups.iter().filter_map(|g| g.declared).max().unwrap_or(0),
        })?;
        result(agreed).ok_or_else(|| Refusal::OutOfRange { component, now: agreed, change: format!("{sign}{by}") })
    };
    let to = match count {
        Count::Exactly(to) => to,
        Count::More(by) => relative("+", by, &|now| now.checked_add(by).filter(|to| *to <= i32::MAX.unsigned_abs()))?,
        Count::Fewer(by) => relative("-", by, &|now| now.checked_sub(by))?,
    };
    let from = standing.largest();
    if to == 0 && from > 0 && !allow_zero {
        return Err(Refusal::Zero { component });
    }
    Ok(Aim { component, from: PerGroup(from), to: PerGroup(to), groups: standing.groups.len() })
}
