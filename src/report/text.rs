//! A report as people read it: tables like kubectl's, and one sentence.

use jiff::Timestamp;

use super::{ComponentReport, CountReport, Outcome, PodReport, ReleaseReport, ScaleReport, StepReport};

impl ScaleReport {
    /// What a person sees on standard output; empty after a failure, which is
    /// told on standard error.
    #[must_use]
    pub fn text(&self, now: Timestamp) -> String {
        let Some(release) = &self.release else { return String::new() };
        let place = format!("release `{}` in namespace `{}`", release.name, self.namespace);
        match self.outcome {
            Outcome::Verified => {
                format!("{}\n{place}: {}\n", pod_table(&self.pods, now), self.changes("verified"))
            }
            Outcome::Unchanged => {
                format!("{}\n{place}: {}\n", pod_table(&self.pods, now), self.changes("nothing to change, verified"))
            }
            Outcome::Applied => format!("{place}: {}\n", self.changes("applied, pods not looked at")),
            Outcome::Planned => self.plan(release, &place),
            Outcome::Failed | Outcome::TimedOut | Outcome::Stuck | Outcome::GateShut | Outcome::Interrupted => {
                String::new()
            }
        }
    }

    /// Such as `queryNode 1 to 3, 3 pods ready; verified (revision 2)`.
    fn changes(&self, ending: &str) -> String {
        let parts: Vec<String> = self
            .components
            .iter()
            .map(|c| {
                let ComponentReport { component, from, to, .. } = c;
                let change =
                    if from == to { format!("{component} at {to}") } else { format!("{component} {from} to {to}") };
                match c.pods {
                    Some(pods) => format!("{change}, {}{} ready", groups(c, pods.ready), plural(pods.ready, "pod")),
                    None => change,
                }
            })
            .collect();
        let revision = self.release.as_ref().map_or(0, |release| release.revision);
        format!("{}; {ending} (revision {revision})", parts.join("; "))
    }

    fn proof_text(&self) -> String {
        let Some(proof) = &self.proof else { return String::new() };
        let mut text = if proof.clean {
            "\nproof: these change, and nothing else\n".to_owned()
        } else {
            "\nproof: these change\n".to_owned()
        };
        for CountReport { deployment, from, to } in proof.counts.iter().filter(|count| count.from != Some(count.to)) {
            let from = from.map_or("(none)".to_owned(), |from| from.to_string());
            text.push_str(&format!("  Deployment `{deployment}` `.spec.replicas` from {from} to {to}\n"));
        }
        if !proof.clean {
            text.push_str("and, before that and at unchanged counts, with your consent\n");
        }
        for change in &proof.other_changes {
            text.push_str(&format!("  {change}\n"));
        }
        let notes = self.proof_notes();
        if !notes.is_empty() {
            text.push_str("notes\n");
            for note in notes {
                text.push_str(&format!("  {note}\n"));
            }
        }
        text
    }

    fn plan(&self, release: &ReleaseReport, place: &str) -> String {
        let mut rows = vec![["COMPONENT", "NOW", "WANTED", "PODS"].map(str::to_owned).to_vec()];
        for c in &self.components {
            let pods = u64::from(c.to) * u64::try_from(c.groups).unwrap_or(1);
            rows.push(vec![
                c.component.to_owned(),
                c.from.to_string(),
                c.to.to_string(),
                format!("{}{pods}", groups(c, pods)),
            ]);
        }
        let mut text = format!("{place}: chart {}, revision {}\n\n{}", release.chart, release.revision, table(&rows));
        for (i, StepReport { change, commands_before, command, .. }) in self.steps.iter().enumerate() {
            text.push_str(&format!("\nstep {} of {}: {change}\n", i + 1, self.steps_total));
            for command in commands_before.iter().chain([command]) {
                text.push_str(&format!("  {command}\n"));
            }
        }
        if self.steps.is_empty() {
            text.push_str("\nnothing to change\n");
        } else {
            text.push_str(&self.proof_text());
            text.push_str("\nnothing was changed\n");
        }
        text
    }
}

/// `3 × 2 groups = ` where a count stands for several Deployments.
fn groups(component: &ComponentReport, pods: u64) -> String {
    match u64::try_from(component.groups) {
        Ok(groups) if groups > 1 && pods == groups * u64::from(component.to) => {
            format!("{} × {groups} groups = ", component.to)
        }
        _ => String::new(),
    }
}

pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

/// As many pods as fit on a screen are listed; JSON has them all.
pub(crate) const LISTED: usize = 20;

fn pod_table(pods: &[PodReport], now: Timestamp) -> String {
    if pods.is_empty() {
        return String::new();
    }
    let mut rows = vec![["NAME", "READY", "STATUS", "RESTARTS", "AGE"].map(str::to_owned).to_vec()];
    rows.extend(pods.iter().take(LISTED).map(|pod| {
        vec![
            pod.name.clone(),
            pod.containers.clone(),
            pod.status.clone(),
            pod.restarts.to_string(),
            age(&pod.created, now),
        ]
    }));
    let mut text = table(&rows);
    if let Some(more) = pods.len().checked_sub(LISTED).filter(|more| *more > 0) {
        text.push_str(&format!("... and {more} more\n"));
    }
    text
}

/// Columns as kubectl sets them: three spaces between, no lines.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.add_rows(rows.iter().cloned());
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The time since a creation as kubectl shows it: two units while they matter.
pub(crate) fn age(created: &str, now: Timestamp) -> String {
    let Ok(created) = created.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let seconds = now.as_second().saturating_sub(created.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |whole: i64, unit: char, rest: i64, small: char| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, 'y', days % 365, 'd'),
    }
}
