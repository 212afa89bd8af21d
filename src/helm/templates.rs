//! The templates of a chart: as Helm stored them with a release, and as a dry
//! run has them. Whether two charts of one name and version are the same is told
//! by them alone: defaults do not reach a release whose values are reused.

use std::collections::BTreeMap;
use std::io::BufRead;

use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;

use super::{json, query, read_text};
use crate::invocation::Query;
use crate::target::Target;

/// Names and contents. Those of dependencies are not among them: Helm does not
/// store them with the release.
pub type Templates = BTreeMap<String, Vec<u8>>;

/// Begins each line, since foreign plugins make Helm print warnings.
const MARK: &str = "template ";

/// The templates that are stored with a revision (`helm get all --template`,
/// both majors).
#[must_use]
pub fn stored(target: &Target, release: &str, revision: u64) -> Query {
    let template = format!(
        r#"{{{{range .Release.Chart.Templates}}}}{MARK}{{{{printf "%x" .Data}}}} {{{{.Name}}}}{{{{"\n"}}}}{{{{end}}}}"#
    );
    let words = [format!("--revision={revision}"), format!("--template={template}")];
    query(target, ["get", "all", release].into_iter().chain(words.iter().map(String::as_str)))
}

/// Reads [`stored`].
pub fn read_stored(output: &mut dyn BufRead) -> Result<Templates, String> {
    let text = read_text(output)?;
    let lines = text.lines().filter_map(|line| line.strip_prefix(MARK)?.split_once(' '));
    lines
        .map(|(data, name)| {
            Ok((name.to_owned(), HEXLOWER.decode(data.as_bytes()).map_err(|failed| failed.to_string())?))
        })
        .collect()
}

/// Reads the templates out of the answer of a dry run.
pub fn read_rendered(output: &mut dyn BufRead) -> Result<Templates, String> {
    #[derive(Deserialize)]
    struct Release {
        chart: Chart,
    }
    #[derive(Deserialize)]
    struct Chart {
        templates: Vec<Template>,
    }
    #[derive(Deserialize)]
    struct Template {
        name: String,
        #[serde(default)]
        data: String,
    }
    let read: Release = json(output)?;
    let templates = read.chart.templates.into_iter();
    templates
        .map(|one| Ok((one.name, BASE64.decode(one.data.as_bytes()).map_err(|failed| failed.to_string())?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_answers_say_the_same_of_the_same_templates() {
        let stored = "WARNING: a plugin\ntemplate 6b3a20310a templates/a.yaml\ntemplate  templates/empty.yaml\n";
        let rendered = r#"{"chart":{"templates":[{"name":"templates/empty.yaml","data":""},{"name":"templates/a.yaml","data":"azogMQo="}]}}"#;
        let stored = read_stored(&mut stored.as_bytes()).unwrap();
        assert_eq!(stored, read_rendered(&mut rendered.as_bytes()).unwrap());
        assert_eq!(stored["templates/a.yaml"], b"k: 1\n");
    }
}
