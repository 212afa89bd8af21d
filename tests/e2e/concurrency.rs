//! Others act at the same time: a second run, Helm by hand, `kubectl scale`, an
//! autoscaler; and an API server that is away for a while.

use std::env;
use std::process::Command;

use crate::said::Said;
use crate::sandbox::{Helm, NEWEST, SLIM, Sandbox};

/// Five query nodes, each of which leaves slowly enough for something to happen
/// meanwhile.
fn five(terminates_after: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::with(Helm::V4)?;
    sandbox.behave(&format!("querynode.terminates-after={terminates_after}"));
    sandbox.install("rel", NEWEST, "queryNode.replicas=5");
    Some(sandbox)
}

/// Whoever comes second says so, or both reach what they want; never is a count
/// reported that is not there, and no revision stays half done.
#[test]
fn two_runs_at_once() {
    let Some(sandbox) = five("2s") else { return };
    let one = sandbox.milvus("scale rel qn=3 --settle 0s").start();
    let other = sandbox.milvus("scale rel dn=3 --settle 0s").start();
    let ended = [(one.end(), "qn=3"), (other.end(), "dn=3")];
    for (said, target) in ended {
        if said.code != Some(0) {
            let told = ["(superseded)", "(release-pending)", "(helm-failed)", "(side-effects)"];
            assert!(told.iter().any(|id| said.stderr.contains(id)), "{said}");
            sandbox.scale(&format!("rel {target} --settle 0s")).exits(0);
        }
    }
    let counts = sandbox.deployments();
    assert_eq!((counts["rel-milvus-querynode"].replicas, counts["rel-milvus-datanode"].replicas), (3, 3));
    assert!(
        sandbox.history("rel").iter().all(|one| ["deployed", "superseded", "failed"].contains(&one.status.as_str()))
    );
}

/// Someone else's upgrade in the middle of a run is their wish against this
/// one: the run stops, says who and when, and nothing of theirs is lost.
#[test]
fn an_upgrade_by_hand_between_two_steps() {
    let Some(sandbox) = five("10s") else { return };
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("of 4 ready");
    // Something of the release that has nothing to do with the count.
    let words = ["upgrade", "rel", "milvus/milvus", "--version", NEWEST, "--reuse-values", "--set", "proxy.replicas=2"];
    sandbox.helm(&words);
    let said = run.end();
    said.exits(3);
    assert!(said.stderr.contains("is at revision 3, not at 2: someone else changed it (superseded)"), "{said}");
    assert!(said.stderr.contains("caused by: revision 3 is `deployed`, 20"), "{said}");
    sandbox.scale("rel qn=2 --settle 0s").exits(0);
    let counts = sandbox.deployments();
    assert_eq!((counts["rel-milvus-querynode"].replicas, counts["rel-milvus-proxy"].replicas), (2, 2));
}

#[test]
fn a_count_set_by_hand_between_two_steps() {
    let Some(sandbox) = five("10s") else { return };
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("of 4 ready");
    sandbox.kubectl(&["scale", "deployment", "rel-milvus-datanode", "--replicas=3"]);
    run.end().exits(0);
    let counts = sandbox.deployments();
    assert_eq!((counts["rel-milvus-querynode"].replicas, counts["rel-milvus-datanode"].replicas), (2, 3));
}

/// Someone sets the very count that the run waits for: it does not wait for
/// what cannot come any more.
#[test]
fn the_same_count_set_by_hand_in_a_step() {
    let Some(sandbox) = five("1m") else { return };
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("of 4 ready");
    sandbox.kubectl(&["scale", "deployment", "rel-milvus-querynode", "--replicas=6"]);
    let said = run.end();
    said.exits(3);
    assert!(said.stderr.contains("Deployment `rel-milvus-querynode` was set from 4 to 6 by `kubectl`"), "{said}");
    assert!(said.stderr.contains("(superseded)"), "{said}");
    assert_eq!(sandbox.deployments()["rel-milvus-querynode"].replicas, 6);
}

#[test]
fn an_autoscaler_that_comes_between_two_steps() {
    let Some(sandbox) = five("10s") else { return };
    let run = sandbox.milvus("scale rel qn=2 --settle 0s").start().until_it_says("of 4 ready");
    sandbox.kubectl(&["autoscale", "deployment", "rel-milvus-querynode", "--min=4", "--max=6", "--cpu=60%"]);
    let said = run.end();
    said.exits(3);
    // By the object, or by what it did already.
    let told = ["(autoscaled)", "(drift)", "(superseded)"];
    assert!(told.iter().any(|id| said.stderr.contains(id)), "{said}");
    assert!(sandbox.deployments()["rel-milvus-querynode"].replicas >= 3);
}

/// An outage in a sandbox of its own, in the middle of a step down.
#[test]
fn an_api_server_that_is_away_for_a_while() {
    for (away, back) in [("stop", "start"), ("pause", "resume")] {
        let script = format!(
            r#"set -eu
kubectl annotate namespace default sandbox.milvus.io/querynode.terminates-after=15s >/dev/null
helm install rel milvus/milvus --version {NEWEST} --wait --set {SLIM},queryNode.replicas=4 >/dev/null
"$PROGRAM" scale rel qn=2 --settle 0s 2>"$SANDBOX_DIR/said" & run=$!
for i in $(seq 600); do grep -q 'of 3 ready' "$SANDBOX_DIR/said" && break; sleep 0.1; done
sandbox apiserver {away}; sleep 4; sandbox apiserver {back}
wait $run || {{ code=$?; cat "$SANDBOX_DIR/said" >&2; exit $code; }}
kubectl get deployment rel-milvus-querynode --output 'jsonpath={{.spec.replicas}}/{{.status.readyReplicas}}'
"#
        );
        let Some(said) = private(&script) else { return };
        said.exits(0);
        assert!(said.stdout.ends_with("2/2"), "{away}: {said}");
    }
}

/// The same between two steps, where nothing is watched: the round begins again
/// until the answer comes.
#[test]
fn an_api_server_that_is_away_between_two_steps() {
    let script = format!(
        r#"set -eu
helm install rel milvus/milvus --version {NEWEST} --wait --set {SLIM},queryNode.replicas=3 >/dev/null
real=$(command -v helm)
mkdir "$SANDBOX_DIR/front"
cat >"$SANDBOX_DIR/front/helm" <<END
#!/bin/sh
case " \$* " in *" get all "*)
  if grep -q '^.1/2. ' "$SANDBOX_DIR/said" && mkdir "$SANDBOX_DIR/away" 2>/dev/null; then
    sandbox apiserver stop >&2
    (sleep 5; sandbox apiserver start) >/dev/null 2>&1 &
  fi;;
esac
exec "$real" "\$@"
END
chmod +x "$SANDBOX_DIR/front/helm"
PATH="$SANDBOX_DIR/front:$PATH" "$PROGRAM" scale rel qn=1 --settle 0s 2>"$SANDBOX_DIR/said" || {{ code=$?; cat "$SANDBOX_DIR/said" >&2; exit $code; }}
cat "$SANDBOX_DIR/said" >&2
kubectl get deployment rel-milvus-querynode --output 'jsonpath={{.spec.replicas}}/{{.status.readyReplicas}}'
"#
    );
    let Some(said) = private(&script) else { return };
    said.exits(0);
    assert!(said.stderr.contains("the cluster cannot be reached: trying again"), "{said}");
    assert!(said.stdout.ends_with("1/1"), "{said}");
}

/// Runs a shell script in a sandbox of its own, where what is the cluster's may
/// be broken; `$PROGRAM` is the program.
pub fn private(script: &str) -> Option<Said> {
    env::var_os("SANDBOX_DIR")?;
    let sandbox = concat!(env!("CARGO_MANIFEST_DIR"), "/sandbox/sandbox");
    let output = Command::new(sandbox)
        .args(["run", "--", "sh", "-c", script])
        .env("PROGRAM", env!("CARGO_BIN_EXE_kubectl-milvus"))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Some(Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}
