//! The arguments of `autoscale`.

use clap::Args;

/// Arguments of `autoscale`.
#[derive(Debug, Args)]
pub struct Autoscale {
    /// The release, and the component
    ///
    /// COMPONENT is queryNode, dataNode, indexNode, streamingNode or proxy, in
    /// any usual spelling (querynode, query-node, qn). Without RELEASE, the
    /// only Milvus release of the namespace is used.
    #[arg(value_name = "RELEASE|COMPONENT", required = true, num_args = 1..=2)]
    pub words: Vec<String>,

    /// The smallest count
    #[arg(long, value_name = "N", required_unless_present = "off")]
    pub min: Option<u32>,

    /// The largest count
    #[arg(long, value_name = "N", required_unless_present = "off")]
    pub max: Option<u32>,

    /// The share of the requested CPU to aim at, in percent
    ///
    /// Without it the release's own value stays (40 in the chart); in a printed
    /// object 60, as the Milvus documentation has it, unless `--memory` is given.
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub cpu: Option<u32>,

    /// The share of the requested memory to aim at, in percent
    ///
    /// The chart has it for query nodes alone (60); for others an object is
    /// printed.
    #[arg(long, value_name = "PCT", value_parser = percent)]
    pub memory: Option<u32>,

    /// Print an autoscaler that only adds: `kubectl milvus scale` removes, with care
    ///
    /// The chart's autoscaler removes nodes with the chart's 30 s and without
    /// looking whether the service is available. This one never does; `scale`
    /// may shrink the component down to `--min`.
    #[arg(long)]
    pub grow_only: bool,

    /// Take the chart's autoscaler away; the count stays, and the release records it
    #[arg(long, conflicts_with_all = ["min", "max", "cpu", "memory", "grow_only"])]
    pub off: bool,

    /// Where the installed chart is: a name such as milvus/milvus, a folder, a .tgz, oci://...
    ///
    /// Without it, every chart of the installed name in your Helm repositories
    /// that has the installed version, then the official Milvus repository.
    #[arg(long, value_name = "CHART")]
    pub chart: Option<String>,

    /// The address of the repository to take the chart from
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,

    /// Print what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Percent of what is requested; more than 100 is less than a container's limit
/// may be.
fn percent(text: &str) -> Result<u32, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent @ 1..=1000) => Ok(percent),
        _ => Err("it is not a percentage of at least 1, such as 60".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_of_what_is_requested() {
        assert_eq!((percent("60"), percent("150%")), (Ok(60), Ok(150)));
        for text in ["0", "-1", "60.5", "", "%", "1001"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }
}
