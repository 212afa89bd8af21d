//! Helm and kubectl as they are not meant to be: garbage on standard output, and
//! gone in the middle of a run. Only here something else stands in for them.

use crate::refusals::refused;
use crate::sandbox::{Helm, NEWEST, Sandbox};

#[test]
fn what_a_program_prints_is_not_believed_blindly() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let refuse = |program: &str, when: &str, instead: &str| {
        sandbox.wrap(program, &format!("[ {when} ] && {{ {instead}; exit; }}\nexec \"$REAL\" \"$@\""));
        let said = refused(&sandbox, sandbox.milvus("scale rel querynode=3"));
        sandbox.unwrap(program);
        said
    };
    let html = "echo '<html>do-not-show</html>'";
    insta::assert_snapshot!(refuse("helm", "\"$2\" = all", html), @"
    error: cannot read release `rel` in namespace `NAMESPACE` (helm-failed)
    caused by: cannot understand what `helm get all rel --template=... --namespace=NAMESPACE --kube-context=sandbox` printed: it ends too early
    ");
    insta::assert_snapshot!(refuse("helm", "\"$2\" = all", "printf 'kubectl-milvus/record\n*v1.Release\nrel\nseven\n'"), @"
    error: cannot read release `rel` in namespace `NAMESPACE` (helm-failed)
    caused by: cannot understand what `helm get all rel --template=... --namespace=NAMESPACE --kube-context=sandbox` printed: its revision is not a number
    ");
    insta::assert_snapshot!(refuse("helm", "\"$2\" = all", ":"), @"
    error: cannot read release `rel` in namespace `NAMESPACE` (helm-failed)
    caused by: cannot understand what `helm get all rel --template=... --namespace=NAMESPACE --kube-context=sandbox` printed: it ends too early
    ");
    insta::assert_snapshot!(refuse("helm", "\"$1\" = history", "echo '[]'"), @"
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    error: cannot read release `rel` in namespace `NAMESPACE` (helm-failed)
    caused by: cannot understand what `helm history rel --max=1 --output=json --namespace=NAMESPACE --kube-context=sandbox` printed: the history is empty
    ");
    insta::assert_snapshot!(refuse("kubectl", "\"$2\" = --raw", html), @"
    error: cannot list `deployments.apps and statefulsets.apps` in namespace `NAMESPACE` (kubectl-failed)
    caused by: cannot understand what `kubectl get --raw '/apis/apps/v1/namespaces/NAMESPACE/deployments?labelSelector=app.kubernetes.io%2Finstance%3Drel&limit=500' --context=sandbox` printed: no list in JSON at line 1, column 1
    ");
    insta::assert_snapshot!(refuse("kubectl", "\"$2\" = --raw", "echo '{\"items\":[{}]}'"), @"
    error: cannot list `deployments.apps and statefulsets.apps` in namespace `NAMESPACE` (kubectl-failed)
    caused by: cannot understand what `kubectl get --raw '/apis/apps/v1/namespaces/NAMESPACE/deployments?labelSelector=app.kubernetes.io%2Finstance%3Drel&limit=500' --context=sandbox` printed: no list in JSON at line 1, column 12
    ");
}

/// Helm 3.12 knows no dry run on the server; its own words.
#[test]
fn a_helm_that_is_too_old_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    let words =
        "invalid argument \"server\" for \"--dry-run\" flag: strconv.ParseBool: parsing \"server\": invalid syntax";
    let old = format!("case \"$*\" in *--dry-run=server*) echo 'Error: {words}' >&2; exit 1;; esac");
    sandbox.wrap("helm", &format!("{old}\nexec \"$REAL\" \"$@\""));
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=3")), @r#"
    error: this helm is too old (tool-too-old)
    caused by: `helm upgrade rel milvus/milvus --version 5.0.19 --reuse-values --set queryNode.replicas=3 --no-hooks '--description=kubectl milvus scale: queryNode 1 to 3' --namespace=NAMESPACE --kube-context=sandbox --dry-run=server --output=json` ended with exit status 1
    caused by: invalid argument "server" for "--dry-run" flag: strconv.ParseBool: parsing "server": invalid syntax

    hint: install Helm 3.13 or newer, or Helm 4
    "#);
    // To look and to say that all is as wanted needs none.
    sandbox.scale("rel querynode=1").exits(0);
}

#[test]
fn a_warning_before_the_answer_does_no_harm() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    // As Helm does about plugins of others.
    let script = "case \" $* \" in *json*|*template*) echo \"WARNING: both 'platformCommand' and 'command' are set\";; esac\nexec \"$REAL\" \"$@\"";
    sandbox.wrap("helm", script);
    sandbox.scale("querynode=2").exits(0);
}

#[test]
fn a_program_that_vanishes_before_the_upgrade_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.wrap("helm", "[ \"$2\" = all ] && rm \"$0\"\nexec \"$REAL\" \"$@\"");
    insta::assert_snapshot!(refused(&sandbox, sandbox.milvus("scale rel querynode=3")), @"
    error: cannot find chart `milvus-5.0.19` in `milvus from https://zilliztech.github.io/milvus-helm` (chart-not-found)
    caused by: cannot start `helm show chart milvus --repo=https://zilliztech.github.io/milvus-helm --version 5.0.19`: No such file or directory (os error 2)

    hint: `helm repo add` the repository that has it, or name the chart with `--chart` (a name, folder, .tgz or oci:// address)
    ");
}

/// A Helm whose releases have a type that this program does not know is asked
/// in another way how it applies them.
#[test]
fn how_a_later_helm_applies_a_release_is_asked() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let later = "case \"$*\" in *kubectl-milvus/record*) \"$REAL\" \"$@\" | sed 's/^.v1.Release$/*v9.Release/; s/^ssa$//'; exit;; esac";
    sandbox.wrap("helm", &format!("{later}\nexec \"$REAL\" \"$@\""));
    let said = sandbox.scale("rel querynode=2 -v");
    said.exits(0);
    let told = |words: &str| said.commands().iter().any(|line| line.contains(words));
    assert!(told("helm get metadata rel --output=json --revision=1"), "{said}");
    assert!(told("--force-conflicts"), "{said}");
}

/// The upgrade is done, and what it came to cannot be seen.
#[test]
fn a_program_that_vanishes_after_the_upgrade_is_told() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.before_upgrade("rm \"$0\"");
    let said = sandbox.scale("rel querynode=3");
    said.exits(3);
    insta::assert_snapshot!(said, @"
    exit 3
    ----- stderr
    release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
    [1/1] queryNode 1 to 3
    error: cannot read release `rel` in namespace `NAMESPACE` (helm-failed)
    caused by: cannot start `helm history rel --max=1 --output=json --namespace=NAMESPACE --kube-context=sandbox`: No such file or directory (os error 2)

    hint: go on with `kubectl milvus scale rel queryNode=3 -n NAMESPACE`, or back with `kubectl milvus scale rel queryNode=1 -n NAMESPACE`
    ");
    assert_eq!(sandbox.revision("rel"), 2);
}

/// A watch that ends at once and says nothing: lists do, then.
#[test]
fn pods_are_followed_also_without_a_watch() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    sandbox.wrap("kubectl", "case \" $* \" in *watch=1*) exit 0;; esac\nexec \"$REAL\" \"$@\"");
    sandbox.scale("rel querynode=3").exits(0);
    sandbox.scale("rel querynode=2").exits(0);
}
