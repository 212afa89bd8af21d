//! Arguments and help texts. Nothing past `request` sees these types.

mod autoscale;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum, ValueHint};

pub use self::autoscale::Autoscale;
use crate::decide::Pace;
use crate::handover::Grace;

pub mod called_by_helm;
mod grammar;
mod help;

pub use grammar::{Choice, Flag, Grammar, Values, Words, connection, grammar};
pub use help::{command, complaint};

/// Scale Milvus clusters that Helm installed, and verify the pods
#[derive(Debug, Parser)]
#[command(name = "kubectl-milvus", version, propagate_version = true, max_term_width = 120)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Which cluster; before or after the subcommand.
    #[command(flatten)]
    pub connection: Connection,
    /// How to print.
    #[command(flatten)]
    pub printing: Printing,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Change replica counts and wait until the pods are there
    ///
    /// Changes the count of Milvus components with `helm upgrade`, at the
    /// installed chart version and with every other value kept. What grows goes
    /// first and in one upgrade; what shrinks follows, one pod per step. It comes
    /// back when the pods are Ready and none is terminating, or says why not.
    Scale(Scale),
    /// Show what is running, whether it is as declared, and what can be scaled
    ///
    /// One screen for a release: revision and last change, a row for each
    /// component (the release's count, the live count, Ready pods, autoscaler, who
    /// else changed the count, whether `scale` would refuse), what Milvus depends
    /// on, and the pods that are not well with the reason. Reads only.
    Status(Status),
    /// Let an autoscaler choose a component's count between two bounds
    ///
    /// Through the chart's own `hpa` values (chart 4.2.42 and newer: proxy,
    /// queryNode, dataNode), by the same proven `helm upgrade` as `scale`: nothing
    /// but the HorizontalPodAutoscaler changes, and the count stays as it is at
    /// that moment. Where the chart has no such values, and with `--grow-only`, the
    /// object to apply is printed, and nothing is changed.
    Autoscale(Autoscale),
    /// Print the file that lets kubectl complete `kubectl milvus`
    ///
    /// kubectl asks the program `kubectl_complete-milvus` of your PATH, for
    /// every shell that it completes in. Helm needs no such file: its plugin
    /// brings one.
    Completion,
    /// Print the version
    Version,
}

/// Arguments of `scale`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line; `request` makes enums of them")]
pub struct Scale {
    /// The release, and targets: COMPONENT=COUNT
    ///
    /// COMPONENT is queryNode, dataNode, indexNode, streamingNode or proxy, in
    /// any usual spelling (querynode, query-node, qn). COUNT is 3, +2 or -1;
    /// with resource groups it is the count of each group. Without RELEASE, the
    /// only Milvus release of the namespace is used.
    #[arg(value_name = "RELEASE|COMPONENT=COUNT")]
    pub words: Vec<String>,

    /// Where the installed chart is: a name such as milvus/milvus, a folder, a .tgz, oci://...
    ///
    /// Without it, every chart of the installed name in your Helm repositories
    /// that has the installed version, then the official Milvus repository.
    #[arg(long, value_name = "CHART", value_hint = ValueHint::AnyPath)]
    pub chart: Option<String>,

    /// The address of the repository to take the chart from
    #[arg(long, value_name = "URL")]
    pub repo: Option<String>,

    /// Print what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Come back when the upgrade is done, without looking at the pods
    #[arg(long)]
    pub no_wait: bool,

    /// Make everything else that the upgrade would change first, at unchanged counts
    ///
    /// What that is, a refusal or `--dry-run` lists: exactly that list is
    /// accepted, made in an upgrade of its own, and waited for.
    #[arg(long)]
    pub allow_other_changes: bool,

    /// How many pods of a component (of each resource group) go in one step down, or `all`
    #[arg(long, value_name = "N", default_value = "1", value_parser = pace)]
    pub step: Pace,

    /// How long a leaving pod may take to hand over what it holds, such as 10m, or `chart`
    ///
    /// 30m for query, data and streaming nodes, which is Milvus' own stop
    /// timeout; the chart's grace for the others. With `chart` every pod gets
    /// the chart's (30s), and Kubernetes chooses which ones leave.
    #[arg(long, value_name = "DURATION", value_parser = grace)]
    pub grace: Option<Grace>,

    /// What is asked between two steps down whether the service is available
    ///
    /// `auto` asks the best source that can be read: Milvus' load-configuration
    /// compliance (2.6.16), the availability of every loaded collection (2.5),
    /// the coordinator's metrics, or pods alone.
    #[arg(long, value_enum, default_value_t = GateSources::Auto, value_name = "SOURCES")]
    pub gate: GateSources,

    /// How long the gate must stay open before the next step
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = any_duration, env = "KUBECTL_MILVUS_SETTLE")]
    pub settle: Duration,

    /// How long one step may take, such as 90s or 1h30m [default: 10m, and the grace on the way down]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,

    /// Let a component go to 0
    #[arg(long)]
    pub allow_zero: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The release; without it, every Milvus release of the namespace
    #[arg(value_name = "RELEASE", conflicts_with = "all_namespaces")]
    pub release: Option<String>,

    /// Every Milvus release of the cluster
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,

    /// Go on, and show every change; Ctrl-C ends it
    ///
    /// On a terminal the screen is drawn anew. Elsewhere a line tells each
    /// change; with `-o json` a document in one line does.
    #[arg(short, long)]
    pub watch: bool,
}

/// Which cluster: kubectl's flags. `-h` shows the usual ones, `--help` all that
/// work; those that cannot are known, so that they are refused with a way out.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// The namespace of the release
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME", visible_alias = "kube-context")]
    pub context: Option<String>,
    /// The kubeconfig file
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// The user to act as
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// A group to act as; can be given several times
    #[arg(long = "as-group", global = true, value_name = "GROUP", hide_short_help = true)]
    pub as_group: Vec<String>,
    /// How long one request of kubectl may take, such as 30s
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true)]
    pub request_timeout: Option<String>,
    /// The address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub server: Option<String>,
    /// The file with the certificate of the API server's authority
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, hide_short_help = true)]
    pub certificate_authority: Option<PathBuf>,
    /// The name that the API server's certificate is checked for
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,
    /// Do not check the API server's certificate
    #[arg(
        long,
        global = true,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub insecure_skip_tls_verify: Option<bool>,
    /// kubectl's flags that Helm has none for.
    #[command(flatten)]
    pub unsupported: Unsupported,
}

/// Flags of kubectl that Helm does not have: the two would act on different
/// clusters, or as different users.
#[derive(Debug, Args)]
pub struct Unsupported {
    /// The cluster of the kubeconfig.
    #[arg(long, global = true, hide = true)]
    pub cluster: Option<String>,
    /// The user of the kubeconfig.
    #[arg(long, global = true, hide = true)]
    pub user: Option<String>,
    /// A bearer token. Helm has a flag for it, that shows it to everyone.
    #[arg(long, global = true, hide = true, alias = "kube-token")]
    pub token: Option<String>,
    /// A certificate of the user.
    #[arg(long, global = true, hide = true)]
    pub client_certificate: Option<String>,
    /// Its key.
    #[arg(long, global = true, hide = true)]
    pub client_key: Option<String>,
    /// The number of the user to act as.
    #[arg(long, global = true, hide = true)]
    pub as_uid: Option<String>,
}

impl From<&Connection> for crate::target::Connection {
    fn from(arguments: &Connection) -> Self {
        let Connection {
            namespace,
            context,
            kubeconfig,
            as_user,
            as_group,
            request_timeout,
            server,
            certificate_authority,
            tls_server_name,
            insecure_skip_tls_verify,
            unsupported: Unsupported { cluster, user, token, client_certificate, client_key, as_uid },
        } = arguments;
        // Their values are secrets, or lead to some.
        let credentials = [
            ("--token", token),
            ("--client-certificate", client_certificate),
            ("--client-key", client_key),
            ("--as-uid", as_uid),
        ];
        Self {
            namespace: namespace.clone(),
            context: context.clone(),
            kubeconfig: kubeconfig.clone(),
            as_user: as_user.clone(),
            as_groups: as_group.clone(),
            request_timeout: request_timeout.clone(),
            server: server.clone(),
            certificate_authority: certificate_authority.clone(),
            tls_server_name: tls_server_name.clone(),
            insecure_skip_tls_verify: insecure_skip_tls_verify.unwrap_or(false),
            cluster: cluster.clone(),
            user: user.clone(),
            credentials: credentials.into_iter().find(|(_, value)| value.is_some()).map(|(flag, _)| flag),
        }
    }
}

/// How to print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Printing {
    /// What to print on standard output
    #[arg(short, long, global = true, value_parser = formats(&["text", "json"]), default_value = "text", value_name = "FORMAT")]
    pub output: Output,
    /// Print the result and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every command as it is run
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// When to use colour
    #[arg(long, global = true, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// For people, with more columns; `status` alone has it.
    Wide,
    /// One JSON document.
    Json,
}

/// What a command can print.
/// The formats of `status`; other commands have no wide one.
const WIDE: [&str; 3] = ["text", "wide", "json"];

fn formats(names: &'static [&'static str]) -> impl TypedValueParser<Value = Output> {
    let formats = names.iter().map(|name| {
        PossibleValue::new(*name).help(match *name {
            "json" => "One JSON document",
            "wide" => "For people, with more columns",
            _ => "For people",
        })
    });
    PossibleValuesParser::new(formats).map(|name| match name.as_str() {
        "json" => Output::Json,
        "wide" => Output::Wide,
        _ => Output::Text,
    })
}

/// What is asked at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateSources {
    /// The best source that can be read.
    Auto,
    /// Pods alone.
    Pods,
    /// Nothing.
    None,
}

fn any_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "a duration is a number with its unit, such as 90s, 10m or 1h30m".to_owned())
}

fn grace(text: &str) -> Result<Grace, String> {
    if text == "chart" { Ok(Grace::Chart) } else { duration(text).map(Grace::Given) }
}

/// Durations as kubectl and Helm take them.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = any_duration(text)?;
    if parsed.is_zero() { Err("it must be more than 0".to_owned()) } else { Ok(parsed) }
}

fn pace(text: &str) -> Result<Pace, String> {
    match text.parse::<u32>() {
        Ok(pods) if pods > 0 => Ok(Pace::Pods(pods)),
        _ if text == "all" => Ok(Pace::All),
        _ => Err("it is neither a count of pods, at least 1, nor `all`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;

    #[test]
    fn wide_is_a_format_of_status_alone() {
        let output = |words: &str| {
            let words = ["kubectl-milvus"].into_iter().chain(words.split_whitespace());
            let matches = command("kubectl milvus").try_get_matches_from(words).map_err(|error| error.to_string())?;
            Arguments::from_arg_matches(&matches).map(|read| read.printing.output).map_err(|error| error.to_string())
        };
        assert_eq!(output("status -o wide"), Ok(Output::Wide));
        assert_eq!(output("status"), Ok(Output::Text));
        assert_eq!(output("-o json status"), Ok(Output::Json));
        assert_eq!(output("status -o json"), Ok(Output::Json));
        assert_eq!(output("scale qn=1 -o json"), Ok(Output::Json));
        let refused = output("scale qn=1 -o wide").unwrap_err();
        assert!(
            refused.contains("invalid value 'wide'") && refused.contains("[possible values: text, json]"),
            "{refused}"
        );
    }

    #[test]
    fn durations_are_read_as_kubectl_users_write_them() {
        for (text, seconds) in [("90s", 90), ("5m0s", 300), ("1h30m", 5400), ("10m", 600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["0s", "soon", "-1m", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
