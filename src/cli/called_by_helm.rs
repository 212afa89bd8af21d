//! Flags of Helm that it passes on to a plugin, though it has read them itself.

use clap::{Arg, Command};

/// Takes the flags of Helm that stand among the words of a plugin: `helm
/// --burst-limit 5 milvus scale`, or anywhere after. Helm hands over what they
/// say as variables, which its next call inherits; so here they mean nothing.
#[must_use]
pub fn with_flags_of_helm(command: Command) -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).global(true).hide(true);
    // Helm takes `--debug` away, but not `--debug=true`.
    let debug = flag("debug").num_args(0..=1).require_equals(true).default_missing_value("true");
    command.arg(debug).args(["burst-limit", "qps", "content-cache"].map(flag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn flags_of_helm_are_taken_wherever_they_stand() {
        let command = || with_flags_of_helm(cli::command("helm milvus"));
        command().debug_assert();
        for words in ["--burst-limit 5 scale rel qn=3", "scale rel --debug=true qn=3 --qps=1.5", "--debug scale qn=3"] {
            let words = std::iter::once("kubectl-milvus").chain(words.split(' '));
            assert!(command().try_get_matches_from(words.clone()).is_ok());
            assert!(cli::command("kubectl milvus").try_get_matches_from(words).is_err());
        }
    }
}
