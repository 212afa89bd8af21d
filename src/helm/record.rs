//! All that Helm has recorded of a release, by one call: `helm get all` with a
//! template (both majors). Three calls say the same, and each costs as much as
//! this one; they could also be about three revisions.

use std::io::{BufRead, Read};

use super::query;
use crate::component::{self, ComponentRef, Role};
use crate::error::plain;
use crate::invocation::Query;
use crate::release::{Apply, ChartVersion, Release, Status};
use crate::target::Target;

/// The newest revision of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is. How Helm applies it is not read: Helm 3 has no such field.
    pub release: Release,
    /// When it was written, RFC 3339.
    pub updated: String,
    /// What it says of itself. Free of control characters.
    pub description: String,
    /// The coordinators whose active standby is on.
    pub standby: Vec<ComponentRef>,
    /// Its manifest, without hooks; it holds secrets.
    pub manifest: String,
}

/// Foreign plugins make Helm print warnings on standard output (3.18 and
/// newer); what is asked for begins after this.
const BEGINNING: &str = "kubectl-milvus/record";

/// Asks for the newest revision. Values are let out for coordinators' active
/// standby only: they hold secrets.
#[must_use]
pub fn record(target: &Target, release: &str) -> Query {
    let line = |field: &str| format!(r#"{field}{{{{"\n"}}}}"#);
    let mut template = format!(
        r#"{{{{define "standby"}}}}{{{{with .}}}}{{{{with .activeStandby}}}}{{{{.enabled}}}}{{{{end}}}}{{{{end}}}}{{{{end}}}}{}{{{{with .Release}}}}"#,
        line(BEGINNING)
    );
    for field in [
        "{{.Name}}",
        "{{.Version}}",
        "{{.Info.Status}}",
        r#"{{.Info.LastDeployed.Format "2006-01-02T15:04:05Z07:00"}}"#,
        "{{.Chart.Metadata.Name}}",
        "{{.Chart.Metadata.Version}}",
    ] {
        template.push_str(&line(field));
    }
    for coordinator in coordinators() {
        let of = |values: &str| format!(r#"{{{{template "standby" {values}.{}}}}}"#, coordinator.key);
        template.push_str(&line(&format!("{},{}", of(".Config"), of(".Chart.Values"))));
    }
    // It may have several lines: its length in bytes tells where it ends.
    template.push_str(&line("{{len .Info.Description}}"));
    template.push_str("{{.Info.Description}}{{.Manifest}}{{end}}");
    query(target, ["get", "all", release, &format!("--template={template}")])
}

/// Reads [`record`].
pub fn read_record(output: &mut dyn BufRead) -> Result<Record, String> {
    let mut next = || -> Result<String, String> {
        let mut line = String::new();
        match output.read_line(&mut line) {
            Ok(0) => Err("it ends too early".to_owned()),
            Ok(_) => Ok(line.trim_end_matches('\n').to_owned()),
            Err(failed) => Err(failed.to_string()),
        }
    };
    while next()? != BEGINNING {}
    let name = plain(&next()?);
    let revision = next()?.parse().map_err(|_| "its revision is not a number".to_owned())?;
    let status = Status::from(plain(&next()?).as_str());
    let updated = plain(&next()?);
    let chart = ChartVersion { name: plain(&next()?), version: plain(&next()?) };
    let mut standby = Vec::new();
    for coordinator in coordinators() {
        let line = next()?;
        // The user's value goes before the chart's.
        let (own, of_chart) = line.split_once(',').unwrap_or_default();
        if own == "true" || (own != "false" && of_chart == "true") {
            standby.push(coordinator);
        }
    }
    let length: u64 = next()?.parse().map_err(|_| "the length of its description is not a number".to_owned())?;
    let mut description = Vec::new();
    output.take(length).read_to_end(&mut description).map_err(|failed| failed.to_string())?;
    Ok(Record {
        release: Release { name, revision, status, chart, apply: Apply::Unread },
        updated,
        description: plain(&String::from_utf8_lossy(&description)),
        standby,
        manifest: super::read_text(output)?,
    })
}

fn coordinators() -> impl Iterator<Item = ComponentRef> {
    component::COMPONENTS.iter().filter(|component| component.role == Role::Coordinator)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "WARNING: a plugin
kubectl-milvus/record
rel
7
deployed
2026-01-01T00:00:00Z
milvus
5.0.19
<no value>,true
false,true
,
true,false
,false
9
two
lines---
kind: Deployment
";

    #[test]
    fn a_record_is_read_after_foreign_warnings() {
        let record = read_record(&mut PRINTED.as_bytes()).unwrap();
        assert_eq!((record.release.name.as_str(), record.release.revision), ("rel", 7));
        assert_eq!(record.release.chart.to_string(), "milvus-5.0.19");
        assert_eq!(record.description, "two lines");
        assert_eq!(record.manifest, "---\nkind: Deployment\n");
        let standby: Vec<&str> = record.standby.iter().map(|component| component.key).collect();
        assert_eq!(standby, ["mixCoordinator", "dataCoordinator"]);
    }

    #[test]
    fn what_ends_early_or_is_no_record_is_not_understood() {
        for (at, _) in PRINTED.match_indices('\n').take(13) {
            assert!(read_record(&mut &PRINTED.as_bytes()[..at]).is_err(), "{at}");
        }
        assert!(read_record(&mut PRINTED.replace("\n7\n", "\nseven\n").as_bytes()).is_err());
    }
}
