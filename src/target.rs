//! Which cluster and namespace: found once, then given to both children as
//! flags on every call, so that they can never act on two different clusters.
//! Nothing outside this file knows how a context or namespace is spelled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Failure;

mod called_by_helm;
mod hints;

pub use called_by_helm::{as_typed, is_verbose, nothing_swallowed};
pub use hints::Hints;

/// What the user said about the connection; kubectl's flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// `-n`, `--namespace`.
    pub namespace: Option<String>,
    /// `--context`.
    pub context: Option<String>,
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-group`, as often as given.
    pub as_groups: Vec<String>,
    /// `--request-timeout`, for kubectl; Helm has no such flag.
    pub request_timeout: Option<String>,
    /// `-s`, `--server`.
    pub server: Option<String>,
    /// `--certificate-authority`.
    pub certificate_authority: Option<PathBuf>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--cluster`, for which Helm has no flag: refused.
    pub cluster: Option<String>,
    /// `--user`, likewise.
    pub user: Option<String>,
    /// The first flag that names credentials, if one was given; refused, and
    /// its value is not kept.
    pub credentials: Option<&'static str>,
}

impl Connection {
    /// Refuses what only one of the two programs could be told.
    fn serves_both(&self) -> Result<(), Failure> {
        let kubeconfig = "put it into a kubeconfig, and name that with `--kubeconfig` or `--context`";
        match self.credentials {
            Some("--token") => {
                return Err(Failure::usage("`--token` would show the token in the list of processes").hint(kubeconfig));
            }
            Some(flag) => {
                return Err(
                    Failure::usage(format!("`{flag}` cannot be passed on: Helm has no such flag")).hint(kubeconfig)
                );
            }
            None => {}
        }
        let named = [("--cluster", &self.cluster), ("--user", &self.user)];
        let Some((flag, _)) = named.iter().find(|(_, name)| name.is_some()) else { return Ok(()) };
        let named = |name: &Option<String>, otherwise: &str| {
            name.as_deref().map_or_else(|| otherwise.to_owned(), crate::invocation::quoted)
        };
        Err(Failure::usage(format!("`{flag}` cannot be passed on: Helm has no such flag")).hint(format!(
            "kubectl config set-context milvus --cluster={} --user={}, and then `--context milvus` instead",
            named(&self.cluster, "CLUSTER"),
            named(&self.user, "USER"),
        )))
    }
}

/// The process environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// A variable that is set and not empty: Helm hands its plugins empty
    /// strings for flags that were not given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Whether Helm called: only then do its variables mean this run. A stray
    /// `HELM_NAMESPACE` of the user's shell must not choose the namespace.
    #[must_use]
    pub fn is_helm_plugin(&self) -> bool {
        self.get("HELM_PLUGIN_NAME").is_some() && self.get("HELM_PLUGIN_DIR").is_some()
    }
}

/// The cluster and namespace of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The namespace, always known.
    pub namespace: String,
    helm: Vec<String>,
    kubectl: Vec<String>,
    hints: Hints,
    storage: Option<&'static str>,
    history: u64,
}

impl Target {
    /// Finds the target: argument, then Helm's environment where Helm called,
    /// then the kubeconfig's current context, then the pod's own service
    /// account. The context is pinned by name: `kubectl config use-context` in
    /// another terminal must not move a run that lasts half an hour.
    pub fn resolve(connection: &Connection, environment: &Environment) -> Result<Self, Failure> {
        connection.serves_both()?;
        called_by_helm::check(connection, environment)?;
        let helm_said = |name: &str| called_by_helm::said(environment, name);
        let kubeconfig = Kubeconfig::load(connection.kubeconfig.as_deref(), environment)?;
        let context =
            connection.context.clone().or_else(|| helm_said("HELM_KUBECONTEXT")).or_else(|| kubeconfig.current.clone());
        if let Some(name) = &context
            && !kubeconfig.contexts.contains_key(name)
        {
            return Err(Failure::new("unreachable", format!("the kubeconfig has no context `{name}`"))
                .hint("kubectl config get-contexts"));
        }
        let namespace = connection
            .namespace
            .clone()
            .or_else(|| helm_said("HELM_NAMESPACE"))
            .or_else(|| context.as_ref().and_then(|c| kubeconfig.contexts.get(c).cloned().flatten()))
            .or_else(|| kubeconfig.contexts.is_empty().then(service_account_namespace).flatten())
            .unwrap_or_else(|| "default".to_owned());
        if !is_label(&namespace) {
            return Err(Failure::usage(format!("`{namespace}` is not the name of a namespace")));
        }

        let mut target = Self {
            hints: Hints::new(&namespace, environment.is_helm_plugin()),
            namespace,
            helm: Vec::new(),
            kubectl: Vec::new(),
            storage: storage(environment),
            history: history(environment),
        };
        let groups = if connection.as_groups.is_empty() {
            // Helm repeats the list inside itself: `g1,g2,g1,g2`.
            let mut groups: Vec<String> = Vec::new();
            for group in helm_said("HELM_KUBEASGROUPS").iter().flat_map(|list| list.split(',')) {
                if !groups.iter().any(|g| g == group) {
                    groups.push(group.to_owned());
                }
            }
            groups
        } else {
            connection.as_groups.clone()
        };
        let path = connection.kubeconfig.as_ref().map(|p| p.display().to_string());
        let named = connection.context.clone().or_else(|| helm_said("HELM_KUBECONTEXT"));
        target.add("--kube-context", "--context", context.as_deref(), named.as_deref());
        target.add("--kubeconfig", "--kubeconfig", path.as_deref(), path.as_deref());
        if let Some(path) = called_by_helm::kubeconfig(environment) {
            // Both programs take it from the environment; a pasted hint cannot.
            target.hints.add(Some("--kubeconfig"), "--kubeconfig", path);
        }
        let user = connection.as_user.clone().or_else(|| helm_said("HELM_KUBEASUSER"));
        target.add("--kube-as-user", "--as", user.as_deref(), user.as_deref());
        for group in &groups {
            target.add("--kube-as-group", "--as-group", Some(group), Some(group));
        }
        let authority = connection.certificate_authority.as_ref().map(|path| path.display().to_string());
        for (argument, variable, helm, kubectl) in [
            (&connection.server, "HELM_KUBEAPISERVER", "--kube-apiserver", "--server"),
            (&authority, "HELM_KUBECAFILE", "--kube-ca-file", "--certificate-authority"),
            (&connection.tls_server_name, "HELM_KUBETLS_SERVER_NAME", "--kube-tls-server-name", "--tls-server-name"),
        ] {
            let value = argument.clone().or_else(|| helm_said(variable));
            target.add(helm, kubectl, value.as_deref(), value.as_deref());
        }
        if connection.insecure_skip_tls_verify {
            target.add("--kube-insecure-skip-tls-verify", "--insecure-skip-tls-verify", Some("true"), Some("true"));
        }
        if let Some(timeout) = &connection.request_timeout {
            target.kubectl.push(format!("--request-timeout={timeout}"));
            target.hints.add(None, "--request-timeout", timeout);
        }
        Ok(target)
    }

    /// Flag and value are one word, so that a value that begins with `-` can
    /// never be read as a flag.
    fn add(&mut self, helm: &str, kubectl: &str, value: Option<&str>, typed: Option<&str>) {
        if let Some(value) = value {
            self.helm.push(format!("{helm}={value}"));
            self.kubectl.push(format!("{kubectl}={value}"));
        }
        if let Some(typed) = typed {
            self.hints.add(Some(helm), kubectl, typed);
        }
    }

    /// The same cluster, in another namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self.clone() }
    }

    /// Flags for a call of helm about all namespaces.
    #[must_use]
    pub fn helm_flags_everywhere(&self) -> Vec<String> {
        let mut flags = vec!["--all-namespaces".to_owned()];
        flags.extend(self.helm.iter().cloned());
        flags
    }

    /// The resource that holds Helm's releases, where it is one of the cluster's.
    #[must_use]
    pub fn helm_storage(&self) -> Option<&'static str> {
        self.storage
    }

    /// How many revisions Helm keeps; 0 means all of them.
    #[must_use]
    pub fn helm_history(&self) -> u64 {
        self.history
    }

    /// Flags for helm, the namespace among them.
    #[must_use]
    pub fn helm_flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--namespace={}", self.namespace)];
        flags.extend(self.helm.iter().cloned());
        flags
    }

    /// Flags for a kubectl call that names its namespace in a path.
    #[must_use]
    pub fn kubectl_flags(&self) -> Vec<String> {
        self.kubectl.clone()
    }

    /// Flags for a kubectl call that acts in the namespace.
    #[must_use]
    pub fn kubectl_flags_in_namespace(&self) -> Vec<String> {
        let mut flags = vec![format!("--namespace={}", self.namespace)];
        flags.extend(self.kubectl.iter().cloned());
        flags
    }

    /// The commands of a hint.
    #[must_use]
    pub fn hints(&self) -> &Hints {
        &self.hints
    }
}

/// The contexts that could be named.
pub fn contexts(connection: &Connection, environment: &Environment) -> Result<Vec<String>, Failure> {
    let kubeconfig = Kubeconfig::load(connection.kubeconfig.as_deref(), environment)?;
    Ok(kubeconfig.contexts.into_keys().collect())
}

/// What of a kubeconfig decides the target: the current context, and each
/// context's namespace.
#[derive(Debug, Default)]
struct Kubeconfig {
    current: Option<String>,
    contexts: BTreeMap<String, Option<String>>,
}

impl Kubeconfig {
    /// Reads as client-go does: `--kubeconfig` alone and it must exist; else
    /// every file of `KUBECONFIG` that exists; else `~/.kube/config`. Of a
    /// value that stands in several files, the first counts.
    fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let files: Vec<PathBuf> = match (named, environment.get("KUBECONFIG")) {
            (Some(file), _) => vec![file.to_owned()],
            (None, Some(list)) => std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty()).collect(),
            (None, None) => ["HOME", "USERPROFILE"]
                .iter()
                .find_map(|name| environment.get(name))
                .map(|home| Path::new(home).join(".kube").join("config"))
                .into_iter()
                .collect(),
        };
        let mut merged = Self::default();
        for file in files {
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound && named.is_none() => continue,
                Err(failed) => {
                    return Err(Failure::new(
                        "unreachable",
                        format!("cannot read the kubeconfig `{}`", file.display()),
                    )
                    .because(failed.to_string()));
                }
            };
            merged.merge(&text).map_err(|reason| {
                Failure::new("unreachable", format!("cannot understand the kubeconfig `{}`", file.display()))
                    .because(reason)
            })?;
        }
        Ok(merged)
    }

    fn merge(&mut self, text: &str) -> Result<(), String> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct File {
            #[serde(rename = "current-context")]
            current_context: Option<String>,
            contexts: Option<Vec<Named>>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
            context: Option<Context>,
        }
        #[derive(Deserialize)]
        struct Context {
            namespace: Option<String>,
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        // The parser's message quotes the file, and kubeconfigs hold tokens.
        let file: Option<File> =
            serde_saphyr::from_str(text).map_err(|_| "it is not a YAML document of kind `Config`".to_owned())?;
        let file = file.unwrap_or_default();
        if self.current.is_none() {
            self.current = file.current_context.filter(|c| !c.is_empty());
        }
        for named in file.contexts.unwrap_or_default() {
            let namespace = named.context.and_then(|c| c.namespace).filter(|n| !n.is_empty());
            self.contexts.entry(named.name).or_insert(namespace);
        }
        Ok(())
    }
}

/// Helm keeps 10 revisions unless `HELM_MAX_HISTORY` says otherwise.
fn history(environment: &Environment) -> u64 {
    environment.get("HELM_MAX_HISTORY").and_then(|count| count.parse().ok()).unwrap_or(10)
}

/// Where Helm keeps its releases: `HELM_DRIVER` chooses, and reaches Helm.
fn storage(environment: &Environment) -> Option<&'static str> {
    match environment.get("HELM_DRIVER") {
        None | Some("secret" | "secrets") => Some("secrets"),
        Some("configmap" | "configmaps") => Some("configmaps"),
        Some(_) => None,
    }
}

/// The namespace of the pod this runs in, if it runs in one.
fn service_account_namespace() -> Option<String> {
    let text = std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace").ok()?;
    Some(text.trim().to_owned()).filter(|n| !n.is_empty())
}

/// A DNS-1123 label, which names of namespaces are.
#[must_use]
pub fn is_label(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.len() <= 63
        && edge(name.chars().next())
        && edge(name.chars().last())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn kubeconfig(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    const TWO_CONTEXTS: &str = "
current-context: blue
contexts:
- {name: blue, context: {cluster: b, namespace: vectors}}
- {name: green, context: {cluster: g}}
users:
- {name: x, user: {token: do-not-show}}
";

    #[test]
    fn the_current_context_and_its_namespace_are_pinned() {
        let file = kubeconfig(TWO_CONTEXTS);
        let path = file.path().display().to_string();
        let target = Target::resolve(&Connection::default(), &environment(&[("KUBECONFIG", &path)])).unwrap();
        assert_eq!(target.helm_flags(), ["--namespace=vectors", "--kube-context=blue"]);
        assert_eq!(target.kubectl_flags_in_namespace(), ["--namespace=vectors", "--context=blue"]);
        assert_eq!(target.hints().kubectl(), " -n vectors");
    }

    #[test]
    fn arguments_go_before_the_kubeconfig() {
        let file = kubeconfig(TWO_CONTEXTS);
        let connection = Connection {
            namespace: Some("other".into()),
            context: Some("green".into()),
            kubeconfig: Some(file.path().to_owned()),
            as_user: Some("-jane".into()),
            as_groups: vec!["a".into(), "b".into()],
            request_timeout: Some("5s".into()),
            ..Connection::default()
        };
        let target = Target::resolve(&connection, &environment(&[])).unwrap();
        assert_eq!(target.helm_flags()[0], "--namespace=other");
        assert!(target.helm_flags().contains(&"--kube-as-user=-jane".to_owned()));
        assert!(target.kubectl_flags().contains(&"--as-group=b".to_owned()));
        assert!(target.kubectl_flags().contains(&"--request-timeout=5s".to_owned()));
    }

    #[test]
    fn of_several_files_the_first_value_counts_and_missing_files_do_not() {
        let first = kubeconfig("contexts: [{name: a, context: {namespace: one}}]");
        let second = kubeconfig("current-context: a\ncontexts: [{name: a, context: {namespace: two}}]");
        let list = format!("/nonexistent/config:{}:{}", first.path().display(), second.path().display());
        let target = Target::resolve(&Connection::default(), &environment(&[("KUBECONFIG", &list)])).unwrap();
        assert_eq!(target.namespace, "one");
    }

    #[test]
    fn helm_variables_count_only_when_helm_called() {
        let file = kubeconfig(TWO_CONTEXTS);
        let path = file.path().display().to_string();
        let stray = [("KUBECONFIG", path.as_str()), ("HELM_NAMESPACE", "stray"), ("HELM_KUBECONTEXT", "green")];
        assert_eq!(Target::resolve(&Connection::default(), &environment(&stray)).unwrap().namespace, "vectors");
        let mut called = stray.to_vec();
        called.extend([("HELM_PLUGIN_NAME", "milvus"), ("HELM_PLUGIN_DIR", "/p"), ("HELM_KUBEASGROUPS", "a,b,a,b")]);
        let target = Target::resolve(&Connection::default(), &environment(&called)).unwrap();
        assert_eq!(
            target.helm_flags(),
            ["--namespace=stray", "--kube-context=green", "--kube-as-group=a", "--kube-as-group=b"]
        );
    }

    #[test]
    fn hints_spell_the_flags_of_each_program() {
        let file = kubeconfig(TWO_CONTEXTS);
        let path = file.path().display().to_string();
        let typed = Connection {
            context: Some("green".into()),
            as_user: Some("it's me".into()),
            request_timeout: Some("5s".into()),
            ..Connection::default()
        };
        let target = Target::resolve(&typed, &environment(&[("KUBECONFIG", &path)])).unwrap();
        let kubectl = r" -n default --context=green '--as=it'\''s me' --request-timeout=5s";
        assert_eq!(target.hints().kubectl(), kubectl);
        assert_eq!(target.hints().helm(), r" -n default --kube-context=green '--kube-as-user=it'\''s me'");
        assert_eq!(target.hints().milvus("status"), format!("kubectl milvus status{kubectl}"));

        let by_helm = [
            ("HELM_PLUGIN_NAME", "milvus"),
            ("HELM_PLUGIN_DIR", "/p"),
            ("HELM_NAMESPACE", "ns"),
            ("HELM_KUBECONTEXT", "green"),
            ("HELM_KUBEASUSER", "jane"),
            ("KUBECONFIG", &path),
        ];
        let target = Target::resolve(&Connection::default(), &environment(&by_helm)).unwrap();
        let flags = format!(" -n ns --kube-context=green --kubeconfig={path} --kube-as-user=jane");
        assert_eq!(target.hints().milvus("status"), format!("helm milvus status{flags}"));
        assert_eq!(target.hints().kubectl(), format!(" -n ns --context=green --kubeconfig={path} --as=jane"));
        // It is in the environment of both programs already.
        assert_eq!(target.helm_flags(), ["--namespace=ns", "--kube-context=green", "--kube-as-user=jane"]);
    }

    #[test]
    fn a_broken_kubeconfig_is_named_without_its_content() {
        let file = kubeconfig("current-context: [do-not-show");
        let connection = Connection { kubeconfig: Some(file.path().to_owned()), ..Connection::default() };
        let failure = Target::resolve(&connection, &environment(&[])).unwrap_err();
        assert!(!format!("{failure:?}").contains("do-not-show"), "{failure:?}");
    }

    #[test]
    fn what_is_not_a_namespace_is_refused() {
        for name in ["", "-x", "a_b", "--timeout", "querynode=3"] {
            let connection = Connection { namespace: Some(name.into()), ..Connection::default() };
            assert!(Target::resolve(&connection, &environment(&[])).is_err(), "{name}");
        }
    }
}
