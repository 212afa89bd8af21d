//! The commands that a hint shows: each program's flags in its own spelling, and
//! this program by the name that it was called by.

use crate::invocation::quoted;

/// Flags for the commands of a hint: the namespace, and of the rest only what
/// the user said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hints {
    called_by_helm: bool,
    helm: String,
    kubectl: String,
}

impl Hints {
    /// No flags but the namespace so far.
    #[must_use]
    pub fn new(namespace: &str, called_by_helm: bool) -> Self {
        let flags = format!(" -n {namespace}");
        Self { called_by_helm, helm: flags.clone(), kubectl: flags }
    }

    /// One more flag, as each of the programs spells it; Helm does not have all
    /// of kubectl's.
    pub(super) fn add(&mut self, helm: Option<&str>, kubectl: &str, value: &str) {
        for (flags, name) in [(&mut self.helm, helm), (&mut self.kubectl, Some(kubectl))] {
            if let Some(name) = name {
                flags.push(' ');
                flags.push_str(&quoted(&format!("{name}={value}")));
            }
        }
    }

    /// A command of this program: `kubectl milvus WORDS`, or `helm milvus WORDS`
    /// with Helm's flags, which Helm takes out of the words of a plugin.
    #[must_use]
    pub fn milvus(&self, words: &str) -> String {
        let (program, flags) = if self.called_by_helm { ("helm", &self.helm) } else { ("kubectl", &self.kubectl) };
        format!("{program} milvus {words}{flags}")
    }

    /// For a command of helm; each flag has a space before it.
    #[must_use]
    pub fn helm(&self) -> &str {
        &self.helm
    }

    /// For a command of kubectl; each flag has a space before it.
    #[must_use]
    pub fn kubectl(&self) -> &str {
        &self.kubectl
    }
}
