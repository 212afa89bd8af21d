//! What Helm tells a plugin about the target, and what it loses on the way: it
//! takes its own flags out of the words, wherever they stand, and hands them
//! over as variables. Helm 3 and 4 are alike in all of this.

use super::{Connection, Environment, is_label};
use crate::error::Failure;

/// A variable of Helm's, where Helm called.
pub(super) fn said(environment: &Environment, name: &str) -> Option<String> {
    environment.is_helm_plugin().then(|| environment.get(name)).flatten().map(str::to_owned)
}

/// The one kubeconfig of the environment. Helm puts the value of
/// `--kubeconfig` there, and does not say that it did.
pub(super) fn kubeconfig(environment: &Environment) -> Option<&str> {
    let named = environment.is_helm_plugin().then(|| environment.get("KUBECONFIG")).flatten()?;
    (std::env::split_paths(named).count() == 1).then_some(named)
}

/// Whether `helm --debug` was said: Helm keeps that flag for itself.
#[must_use]
pub fn is_verbose(environment: &Environment) -> bool {
    said(environment, "HELM_DEBUG").as_deref() == Some("true")
}

/// Refuses what cannot be carried out as it was meant.
pub(super) fn check(connection: &Connection, environment: &Environment) -> Result<(), Failure> {
    if !environment.is_helm_plugin() {
        return Ok(());
    }
    if connection.context.is_some() {
        return Err(Failure::usage("Helm does not know `--context`, and takes the namespace from another context")
            .hint("write `--kube-context` instead"));
    }
    if said(environment, "HELM_KUBETOKEN").is_some() {
        return Err(Failure::usage(
            "Helm's token would show in the list of processes: kubectl takes it as a flag only",
        )
        .hint("put the token into a kubeconfig, and name that with `--kubeconfig` instead of `--kube-token`"));
    }
    Ok(())
}

/// Refuses words that are not those that were typed, or were read by Helm in
/// another way than they are here.
///
/// # Errors
/// Wrong usage, with the spelling that works.
pub fn as_typed(words: &[String], connection: &Connection, environment: &Environment) -> Result<(), Failure> {
    nothing_swallowed(words, environment)?;
    not_misread(words, connection, environment)
}

/// Refuses Helm's flag for servers with any certificate. Helm takes the word
/// after it away, though it is no value of it (`scale rel
/// --kube-insecure-skip-tls-verify querynode=3` arrives as `scale rel`), and
/// nothing tells whether there was one.
///
/// # Errors
/// Wrong usage, with the flag that works, unless it is among the words.
pub fn nothing_swallowed(words: &[String], environment: &Environment) -> Result<(), Failure> {
    let says = words.iter().any(|word| word.starts_with("--insecure-skip-tls-verify"));
    if !says && said(environment, "HELM_KUBEINSECURE_SKIP_TLS_VERIFY").as_deref() == Some("true") {
        return Err(Failure::usage("Helm takes away the word after `--kube-insecure-skip-tls-verify`")
            .because("what was asked for may have arrived in part only")
            .hint("write `--insecure-skip-tls-verify` instead, which Helm passes on as it is"));
    }
    Ok(())
}

/// Refuses words in which Helm read a namespace that nobody meant: it looks for
/// `-n` among the letters of `-ojson` too, and takes what follows for its
/// value. A separate `-n NAMESPACE` comes after that and counts.
fn not_misread(words: &[String], connection: &Connection, environment: &Environment) -> Result<(), Failure> {
    let Some(namespace) = said(environment, "HELM_NAMESPACE").filter(|_| connection.namespace.is_none()) else {
        return Ok(());
    };
    let words: Vec<&str> = words.iter().map(String::as_str).take_while(|word| *word != "--").collect();
    for (at, word) in words.iter().enumerate() {
        let Some(taken) = read_as_namespace(word, words.get(at + 1).copied()) else { continue };
        // The next word may have been a flag that Helm took away since; a flag
        // is not the name of a namespace.
        if taken == namespace || !is_label(&namespace) {
            let apart = |word: &str| format!("{} {}", &word[..2], &word[2..]);
            let namespace = crate::error::plain(&namespace);
            let message = format!("Helm takes `{namespace}` for the namespace: it reads `{word}` as `-n` too");
            return Err(Failure::usage(message).hint(format!("write `{}` instead", apart(word))));
        }
    }
    Ok(())
}

/// What Helm's flag parser (pflag) takes for the value of `-n` in a word of
/// several short flags: the rest of the word, else the next one. An unknown
/// letter before `=` takes the whole rest.
fn read_as_namespace<'a>(word: &'a str, next: Option<&'a str>) -> Option<&'a str> {
    let letters = word.strip_prefix('-').filter(|letters| letters.is_ascii() && !letters.starts_with(['-', 'n']))?;
    let at = letters.find(['n', '=']).filter(|at| letters[*at..].starts_with('n'))?;
    match &letters[at + 1..] {
        "" => next,
        rest => Some(rest.strip_prefix('=').unwrap_or(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(pairs: &[(&str, &str)]) -> Environment {
        let helm = [("HELM_PLUGIN_NAME", "milvus"), ("HELM_PLUGIN_DIR", "/p")];
        Environment(helm.iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn told(words: &str, namespace: &str) -> Result<(), String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let environment = called(&[("HELM_NAMESPACE", namespace)]);
        as_typed(&words, &Connection::default(), &environment)
            .map_err(|failure| format!("{}; {}", failure.message, failure.hint.unwrap_or_default()))
    }

    #[test]
    fn a_namespace_that_nobody_meant_is_refused() {
        for (words, namespace) in [
            ("scale rel -ojson --timeout 5m", "--timeout"),
            ("scale -ojson querynode=3", "querynode=3"),
            ("scale -ojson rel querynode=3", "rel"),
            // `--kube-context c` stood between and was taken away.
            ("scale -ojson rel querynode=3", "--kube-context"),
            ("scale rel querynode=3 -oname", "ame"),
        ] {
            assert!(told(words, namespace).is_err(), "{words}");
        }
        assert_eq!(
            told("scale -ojson rel", "rel").unwrap_err(),
            "Helm takes `rel` for the namespace: it reads `-ojson` as `-n` too; write `-o json` instead"
        );
    }

    #[test]
    fn a_namespace_that_was_meant_counts() {
        for words in [
            "scale rel -o json --timeout 5m",
            "scale rel --output=json querynode=3",
            "scale rel -o=json prod",
            // Harmless as the last word, and with a separate `-n prod`.
            "scale rel querynode=3 -ojson",
            "scale rel -ojson querynode=3",
            "scale rel querynode=3 -- -ojson prod",
            "scale rel querynode=-1",
        ] {
            assert_eq!(told(words, "prod"), Ok(()), "{words}");
        }
        let words = ["-ojson".to_owned(), "rel".to_owned()];
        let connection = Connection { namespace: Some("prod".into()), ..Connection::default() };
        assert!(as_typed(&words, &connection, &called(&[("HELM_NAMESPACE", "rel")])).is_ok());
        assert!(as_typed(&words, &Connection::default(), &Environment::default()).is_ok());
    }

    #[test]
    fn flags_that_helm_loses_are_refused_with_those_that_work() {
        let refused = |connection: &Connection, pairs: &[(&str, &str)]| {
            check(connection, &called(pairs)).map_err(|failure| failure.hint.unwrap_or_default())
        };
        let plain = Connection::default();
        let context = Connection { context: Some("blue".into()), ..Connection::default() };
        assert!(refused(&context, &[]).unwrap_err().contains("--kube-context"));
        assert!(refused(&plain, &[("HELM_KUBETOKEN", "do-not-show")]).unwrap_err().contains("--kubeconfig"));
        assert!(refused(&plain, &[("HELM_KUBETOKEN", "")]).is_ok());
        assert!(check(&context, &Environment::default()).is_ok());
    }

    #[test]
    fn words_that_helm_may_have_swallowed_are_refused() {
        let told = |words: &[&str], value: &str| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let environment = called(&[("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", value)]);
            as_typed(&words, &Connection::default(), &environment).map_err(|failure| failure.hint.unwrap_or_default())
        };
        assert!(told(&["scale", "rel"], "true").unwrap_err().contains("`--insecure-skip-tls-verify`"));
        assert_eq!(told(&["scale", "rel", "qn=3", "--insecure-skip-tls-verify"], "true"), Ok(()));
        assert_eq!(told(&["scale", "rel", "qn=3"], "false"), Ok(()));
    }
}
