//! Completion as people meet it: through kubectl, through both Helms, and in a
//! bash that presses TAB.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubectl-milvus");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

with_each_helm!(helm_completes_its_plugin);

#[test]
fn kubectl_completes_what_is_there() {
    let Some(sandbox) = installed() else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let kubectl = |line: &str| completed(&sandbox, "kubectl", line);
    // Only what this release runs: no index node, no coordinator.
    insta::assert_snapshot!(kubectl("scale "), @"
    rel	milvus-5.0.19
    datanode=	1 now
    proxy=	1 now
    querynode=	3 now
    streamingnode=	1 now
    :6
    ");
    insta::assert_snapshot!(kubectl("scale rel qn=2 d"), @"
    datanode=	1 now
    :6
    ");
    insta::assert_snapshot!(kubectl("scale querynode="), @"
    querynode=3	now
    :6
    ");
    insta::assert_snapshot!(kubectl("scale rel qn="), @"
    qn=3	now
    :6
    ");
    insta::assert_snapshot!(kubectl("sc"), @"
    scale	Change replica counts and wait until the pods are there
    :4
    ");
    insta::assert_snapshot!(kubectl("help "), @"
    scale	Change replica counts and wait until the pods are there
    autoscale	Let an autoscaler choose a component's count between two bounds
    status	Show what is running, whether it is as declared, and what can be scaled
    completion	Print the file that lets kubectl complete `kubectl milvus`
    version	Print the version
    help	Print this message or the help of the given subcommand(s)
    :4
    ");
    insta::assert_snapshot!(kubectl("scale --no-"), @"
    --no-wait	Come back when the upgrade is done, without looking at the pods
    :4
    ");
    insta::assert_snapshot!(kubectl("scale rel qn=2 --gate="), @"
    auto	The best source that can be read
    pods	Pods alone
    none	Nothing
    :4
    ");
    insta::assert_snapshot!(kubectl("scale --kubeconfig "), @":0");
    insta::assert_snapshot!(kubectl("--context "), @"
    sandbox
    :4
    ");
    assert!(kubectl("scale -n ").contains(&format!("{}\n", sandbox.namespace)));
    assert!(kubectl("scale --namespace=kube-s").contains("kube-system\n"));

    // Flags of the line say where to look.
    assert_eq!(kubectl("scale -n kube-system "), ":4");
    sandbox.install("second", NEWEST, "");
    insta::assert_snapshot!(kubectl("scale "), @"
    rel	milvus-5.0.19
    second	milvus-5.0.19
    :4
    ");
    insta::assert_snapshot!(kubectl("scale second q"), @"
    querynode=	1 now
    :6
    ");
}

fn helm_completes_its_plugin(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let plugin = sandbox.home().join("helm/data/plugins/milvus");
    fs::create_dir_all(plugin.join("bin")).unwrap();
    symlink(PROGRAM, plugin.join("bin/kubectl-milvus")).unwrap();
    for file in ["plugin.yaml", "plugin.complete"] {
        symlink(Path::new(ROOT).join(file), plugin.join(file)).unwrap();
    }
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let helm = |line: &str| completed(&sandbox, "helm", line);
    insta::allow_duplicates! {
        insta::assert_snapshot!(helm("scale "), @"
        rel	milvus-5.0.19
        datanode=	1 now
        proxy=	1 now
        querynode=	3 now
        streamingnode=	1 now
        :6
        ");
        insta::assert_snapshot!(helm("scale rel querynode="), @"
        querynode=3	now
        :6
        ");
        insta::assert_snapshot!(helm("scale --no-"), @"
        --no-wait	Come back when the upgrade is done, without looking at the pods
        :4
        ");
        insta::assert_snapshot!(helm("scale --gate "), @"
        auto	The best source that can be read
        pods	Pods alone
        none	Nothing
        :4
        ");
    }
    // Helm keeps its flags to itself, and says what they were.
    assert_eq!(helm("scale -n kube-system "), ":4");
    // Not a word, also where the cluster does not answer.
    let closed = helm("scale --kube-apiserver https://127.0.0.1:1 ");
    assert_eq!(closed, ":4");
}

/// What is said must not land in the line that is being typed, and the answer
/// must come, whatever the cluster does.
#[test]
fn whatever_is_wrong_with_the_cluster_completion_is_silent() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    assert!(sandbox.milvus("__complete scale").word("").end().stdout.starts_with("rel\t"));
    let silent = |words: &[&str], expected: &str| {
        let mut run = sandbox.milvus("__complete scale");
        for word in words {
            run = run.word(word);
        }
        let said = run.end();
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), expected, ""), "{words:?}");
    };
    silent(&["--context", "nowhere", ""], ":4\n");
    silent(&["--kubeconfig", "/nowhere", ""], ":4\n");
    silent(&["-n", "Not/A-Namespace", ""], ":4\n");
    silent(&["--server=https://127.0.0.1:1", ""], ":4\n");
    silent(&["--as", "nobody", ""], ":4\n");
    silent(&["--as", "nobody", "-n", ""], ":4\n");
    silent(&["--cluster", "c", ""], ":4\n");
    sandbox.wrap("kubectl", "echo no JSON; echo and a word >&2");
    silent(&[""], ":4\n");
    // Longer than any TAB may take, and than this test may.
    sandbox.wrap("kubectl", "sleep 1000");
    silent(&[""], ":4\n");
    silent(&["--dry"], "--dry-run\tPrint what would be done, and change nothing\n:4\n");
    fs::remove_file(sandbox.bin().join("kubectl")).unwrap();
    silent(&[""], ":4\n");
}

#[test]
fn one_call_at_most_asks_the_cluster() {
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    let log = sandbox.home().join("started");
    for program in ["helm", "kubectl"] {
        sandbox.wrap(program, &format!("echo {program} >>{}\nexec \"$REAL\" \"$@\"", log.display()));
    }
    for (words, calls) in [("scale", 1), ("scale rel proxy=1", 1), ("scale -n", 1), ("scale --gate", 0), ("help", 0)] {
        fs::write(&log, "").unwrap();
        let said = sandbox.milvus(&format!("__complete {words}")).word("").end();
        assert!(said.exits(0).stdout.lines().count() > 1, "{words}: {said}");
        let started = fs::read_to_string(&log).unwrap();
        assert_eq!(started, "kubectl\n".repeat(calls), "{words}");
    }
}

#[test]
fn the_printed_shim_is_the_one_of_the_archives() {
    let Some(sandbox) = installed() else { return };
    fs::remove_file(sandbox.bin().join("kubectl_complete-milvus")).unwrap();
    let said = sandbox.milvus("completion").end();
    said.exits(0);
    assert_eq!(said.stdout, fs::read_to_string(Path::new(ROOT).join("share/kubectl_complete-milvus")).unwrap());
    insta::assert_snapshot!(said.stderr, @"
    This goes into a file `kubectl_complete-milvus` in a folder of your PATH, and has to be executable:
      kubectl milvus completion >HOME/bin/kubectl_complete-milvus
      chmod +x HOME/bin/kubectl_complete-milvus
    kubectl's own completion has to be on: `kubectl completion --help`
    ");
    assert_eq!(completed(&sandbox, "kubectl", "sc"), ":0", "kubectl finds no shim");
    // The two lines that it shows do it.
    let lines: Vec<&str> = said.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(lines.len(), 2);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-ec", &lines.join("\n")]).env_clear().envs(sandbox.environment());
    let path = format!("{}:/usr/bin:/bin", sandbox.bin().display());
    assert!(shell.env("PATH", path).status().unwrap().success());
    assert!(completed(&sandbox, "kubectl", "sc").starts_with("scale\t"));
}

/// The line as it stands after TAB, in a bash with kubectl's own script.
#[test]
fn bash_completes_at_the_prompt() {
    let Some(sandbox) = installed() else { return };
    sandbox.install("rel", NEWEST, "queryNode.replicas=3");
    let mut bash = bash(&sandbox);
    let mut after_tab = |typed: &str| {
        // Ctrl-U takes away what is there, Ctrl-X Ctrl-L shows the line.
        bash.send(&format!("\x15{typed}\t\x18\x0c")).unwrap();
        bash.flush().unwrap();
        bash.exp_string("[[").unwrap();
        bash.exp_string("]]").unwrap()
    };
    for (typed, line) in [
        ("kubectl milvus sc", "kubectl milvus scale "),
        ("kubectl milvus scale r", "kubectl milvus scale rel "),
        // No space: a count follows.
        ("kubectl milvus scale q", "kubectl milvus scale querynode="),
        // `=` ends a word for bash; what stands before it is not repeated.
        ("kubectl milvus scale querynode=", "kubectl milvus scale querynode=3"),
        ("kubectl milvus scale rel qn=", "kubectl milvus scale rel qn=3"),
        ("kubectl milvus scale rel qn=4", "kubectl milvus scale rel qn=4"),
        ("kubectl milvus scale rel qn=4 pro", "kubectl milvus scale rel qn=4 proxy="),
        ("kubectl milvus scale --gate=po", "kubectl milvus scale --gate=pods "),
        ("kubectl milvus scale -oj", "kubectl milvus scale -ojson "),
        ("kubectl milvus scale --dry", "kubectl milvus scale --dry-run "),
        ("kubectl milvus scale -n kube-sy", "kubectl milvus scale -n kube-system "),
        ("kubectl milvus scale --kubeconfig kubec", "kubectl milvus scale --kubeconfig kubeconfig "),
    ] {
        assert_eq!(after_tab(typed), line);
    }
    bash.send("\x15exit\n").unwrap();
    bash.flush().unwrap();
    bash.exp_eof().unwrap();
}

/// A bash at a terminal, with completion for kubectl switched on as its
/// documentation says.
fn bash(sandbox: &Sandbox) -> PtySession {
    // kubectl's script needs one function of the package bash-completion. Where
    // that is not installed, this one does the same for lines without quotes.
    let package = ["/usr/share/bash-completion/bash_completion", "/usr/local/share/bash-completion/bash_completion"];
    let installed = package.iter().map(PathBuf::from).find(|file| file.exists());
    let words_by_ref = installed.map_or(
        r#"_get_comp_words_by_ref() {
            local line=${COMP_LINE:0:COMP_POINT}
            read -ra words <<<"$line"
            [[ $line == *' ' ]] && words+=('')
            cword=$((${#words[@]} - 1)) cur=${words[-1]} prev=${words[-2]}
        }"#
        .to_owned(),
        |file| format!(". {}", file.display()),
    );
    let rc = sandbox.home().join("bashrc");
    let show = r#"bind -x '"\C-x\C-l": printf "[[%s]]\n" "$READLINE_LINE"'"#;
    fs::write(&rc, format!("{words_by_ref}\nPS1='$ '\n{show}\nsource <(kubectl completion bash)\necho ready\n"))
        .unwrap();
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--rcfile"]).arg(&rc).arg("-i").env_clear().envs(sandbox.environment());
    let path = format!("{}:/usr/bin:/bin", sandbox.bin().display());
    command.env("PATH", path).env("TERM", "xterm").env("COLUMNS", "400").current_dir(sandbox.home());
    let mut bash = spawn_command(command, Some(60_000)).unwrap();
    bash.exp_string("ready").unwrap();
    bash
}

/// A sandbox in which the program and its shim are on the PATH.
fn installed() -> Option<Sandbox> {
    let sandbox = Sandbox::with(Helm::V4)?;
    symlink(PROGRAM, sandbox.bin().join("kubectl-milvus")).unwrap();
    let shim = "kubectl_complete-milvus";
    symlink(Path::new(ROOT).join("share").join(shim), sandbox.bin().join(shim)).unwrap();
    Some(sandbox)
}

/// What `kubectl` or `helm` answers to its own shell script.
fn completed(sandbox: &Sandbox, tool: &str, line: &str) -> String {
    let words: Vec<&str> = ["__complete", "milvus"].into_iter().chain(line.split(' ')).collect();
    let mut command = Command::new(sandbox.bin().join(tool));
    let output =
        command.args(words).env_clear().envs(sandbox.environment()).current_dir(sandbox.home()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // kubectl always says which shim it calls.
    let of_the_caller =
        |line: &str| line.starts_with("[Debug] ") || line.starts_with("Completion ended with directive: ");
    assert!(said.lines().all(of_the_caller), "{line}: {said}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
