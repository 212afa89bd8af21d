//! Where the installed chart is: the place whose render holds, or else the one
//! that has the templates of the release.

use super::{Proof, prove, unstable};
use crate::chart::{self, ChartSource};
use crate::error::Failure;
use crate::exec::Exec;
use crate::helm::Upgrade;
use crate::objection::Origin;
use crate::observe::Observed;
use crate::order::Order;
use crate::release::Release;
use crate::rights::Right;
use crate::target::Target;

/// Proves an upgrade with every place where the chart may be: the first whose
/// render holds is where the chart is. Where none does, it is the place that has
/// the templates of the release, or else the first that could be rendered.
///
/// # Errors
/// Those of [`prove`], where no place could be rendered; `chart-not-found` where
/// there is no place at all.
pub fn with_each(
    exec: &Exec,
    target: &Target,
    observed: &Observed,
    order: &Order,
    places: Vec<ChartSource>,
    history: Option<u64>,
    also_needed: &[Right],
) -> Result<(ChartSource, Proof), Failure> {
    let release = &observed.release;
    let mut others: Vec<(ChartSource, Proof)> = Vec::new();
    let mut failed: Option<Failure> = None;
    for source in places {
        let upgrade = order.upgrade(release, &source, history);
        match prove(exec, target, observed, &upgrade, &order.permitted, also_needed) {
            Ok(proof) if proof.against_release.is_empty() => return Ok((source, proof)),
            Ok(proof) => others.push((source, proof)),
            // These would come back at every place.
            Err(failure)
                if exec.is_interrupted()
                    || matches!(failure.id, Some("forbidden" | "unreachable" | "release-pending" | "tool-too-old")) =>
            {
                return Err(failure);
            }
            // One place that is out of reach does not speak for the others.
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    if others.len() > 1 {
        let installed = others.iter().position(|(source, _)| {
            let upgrade = order.upgrade(release, source, history);
            chart::is_the_installed(exec, target, release, &upgrade) == Some(true)
        });
        if let Some(at) = installed {
            return Ok(others.swap_remove(at));
        }
    }
    let nowhere = || Failure::new("chart-not-found", format!("no place has the chart `{}`", release.chart));
    others.into_iter().next().ok_or_else(|| failed.unwrap_or_else(nowhere))
}

/// Why the render of an upgrade differs from the release. `said` is whether the
/// user named the place of the chart.
///
/// # Errors
/// Those of rendering.
pub fn origin(
    exec: &Exec,
    target: &Target,
    release: &Release,
    upgrade: &Upgrade<'_>,
    said: bool,
) -> Result<Origin, Failure> {
    if !unstable(exec, target, upgrade)?.is_empty() {
        return Ok(Origin::Unstable);
    }
    Ok(match chart::is_the_installed(exec, target, release, upgrade) {
        Some(false) => Origin::AnotherChart,
        None if said => Origin::AnotherChart,
        Some(true) | None => Origin::TheChart,
    })
}
