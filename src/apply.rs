//! One step: the upgrade, between two looks at the revision.

use crate::chart::ChartSource;
use crate::decide::Step;
use crate::error::{Exit, Failure};
use crate::exec::Exec;
use crate::helm;
use crate::invocation::Change;
use crate::observe::release_failure;
use crate::release::Release;
use crate::target::Target;

/// The upgrade that carries out a step.
#[must_use]
pub fn upgrade(
    target: &Target,
    release: &Release,
    source: &ChartSource,
    step: &Step,
    history_max: Option<u64>,
) -> Change {
    let set: Vec<(String, u32)> =
        step.changes.iter().map(|change| (change.component.replicas_key(), change.to.0)).collect();
    helm::upgrade(
        target,
        &helm::Upgrade {
            release: &release.name,
            source,
            version: &release.chart.version,
            set: &set,
            description: &format!("kubectl milvus scale: {step}"),
            history_max,
        },
    )
}

/// Runs the upgrade and returns the revision it made.
///
/// # Errors
/// `superseded` where the release's revision is not the one that was observed,
/// or someone else's revision came at the same time; Helm's own failure, with
/// exit 3 where it left a revision behind.
pub fn apply(exec: &Exec, target: &Target, observed: &Release, upgrade: &Change) -> Result<u64, Failure> {
    let name = &observed.name;
    let newest = || {
        exec.read(&helm::history(target, name), helm::read_history)
            .map_err(|failed| release_failure(&failed, target, name))
    };
    let before = newest()?;
    if before.revision != observed.revision {
        return Err(superseded(target, name, observed.revision, &before));
    }
    let ran = exec.change(upgrade);
    let after = newest().map_err(Failure::after_a_change);
    if let Err(failed) = ran {
        let failure =
            Failure::new("helm-failed", format!("cannot upgrade release `{name}` in namespace `{}`", target.namespace))
                .because(failed.to_string())
                .because_said(failed.stderr());
        return Err(match after {
            Ok(after) if after.revision == observed.revision => failure,
            Ok(after) => {
                let said = format!(
                    "revision {} is `{}`; what it changed before it failed stays",
                    after.revision, after.status
                );
                failure.because(said).hint(format!("helm history {name}{}", target.hint_flags())).after_a_change()
            }
            Err(unknown) => failure.because(unknown.message).after_a_change(),
        });
    }
    let after = after?;
    if after.revision != observed.revision + 1 || after.status != "deployed" {
        return Err(superseded(target, name, observed.revision + 1, &after).after_a_change());
    }
    Ok(after.revision)
}

fn superseded(target: &Target, name: &str, expected: u64, found: &helm::Revision) -> Failure {
    let helm::Revision { revision, status, updated, description } = found;
    Failure {
        exit: Exit::Unchanged,
        ..Failure::new(
            "superseded",
            format!(
                "release `{name}` in namespace `{}` is at revision {revision}, not at {expected}: someone else changed it",
                target.namespace
            ),
        )
        .because(format!("revision {revision} is `{status}`, {updated}: {}", crate::error::plain(description)))
        .hint(format!("helm history {name}{}", target.hint_flags()))
    }
}
