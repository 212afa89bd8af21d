//! What the program costs beside the bare commands, measured in one sandbox:
//! medians of interleaved runs, printed, not judged. `make bench` runs it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench ends where its ground gives way")]
#![expect(clippy::disallowed_methods, reason = "it starts programs, reads its environment and waits")]
#![expect(unreachable_pub, reason = "no other crate uses this one")]
#![expect(dead_code, reason = "the tests use the rest of their harness")]

mod memory;
mod said;
mod sandbox;
mod schema;

use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::sandbox::{Helm, NEWEST, Sandbox, chart};

const RUNS: usize = 10;
const MANY: u32 = 2000;

fn main() {
    // `cargo bench` passes `--bench`; a filter could follow and means nothing.
    let Some(sandbox) = Sandbox::with(Helm::V4) else { return };
    sandbox.install("rel", NEWEST, "");
    say(&format!("medians of {RUNS} runs, Helm 4, chart {NEWEST}\n"));
    status(&sandbox);
    nothing_to_change(&sandbox);
    one_to_three(&sandbox);
    many(&sandbox);
}

fn status(sandbox: &Sandbox) {
    let (mut ours, mut pods, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(time(|| drop(sandbox.milvus("status rel").end().exits(0).clone())));
        pods.push(time(|| drop(sandbox.kubectl(&["get", "pods"]))));
        metadata.push(time(|| drop(sandbox.helm(&["get", "metadata", "rel", "--output=json"]))));
    }
    compare("status", &mut ours, "one `kubectl get pods`", &mut pods);
    compare("status", &mut ours, "one `helm get metadata`", &mut metadata);
}

fn nothing_to_change(sandbox: &Sandbox) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(time(|| drop(sandbox.scale("rel querynode=1").exits(0).clone())));
        bare.push(time(|| drop(sandbox.helm(&["get", "metadata", "rel", "--output=json"]))));
    }
    compare("nothing to change", &mut ours, "one `helm get metadata`", &mut bare);
}

fn one_to_three(sandbox: &Sandbox) {
    let (mut ours, mut bare, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        await_phase(run);
        ours.push(time(|| drop(sandbox.scale("rel querynode=3").exits(0).clone())));
        upgrade(sandbox, 1);
        await_phase(run);
        bare.push(time(|| upgrade(sandbox, 3)));
        upgrade(sandbox, 1);
        // Not in the run that is compared: what looks on takes its share of the
        // machine.
        thread::scope(|scope| {
            let rolled_out = scope.spawn(|| {
                let deployment = "deployment/rel-milvus-querynode";
                sandbox.kubectl(&["wait", deployment, "--for=jsonpath={.spec.replicas}=3", "--timeout=60s"]);
                sandbox.kubectl(&["rollout", "status", deployment]);
                Instant::now()
            });
            sandbox.scale("rel querynode=3").exits(0);
            let ended = Instant::now();
            late.push(signed(ended, rolled_out.join().unwrap()));
        });
        upgrade(sandbox, 1);
    }
    compare("1 to 3, verified", &mut ours, "`helm upgrade`, `rollout status`, `get pods`", &mut bare);
    say(&format!("  it ends {:+.3} s after `kubectl rollout status` does\n", median(&mut late)));
}

/// Waits for another part of a second in each run. Pods know the second in which
/// they began and no more, so all that began in one become Ready at the same
/// moment: runs that always begin at the same part of it would be rounded to
/// seconds, up or down.
fn await_phase(run: usize) {
    let phase = Duration::from_secs(1) / u32::try_from(RUNS).unwrap() * u32::try_from(run).unwrap();
    let now = Duration::from_nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    thread::sleep((phase + Duration::from_secs(1)).saturating_sub(now));
}

/// The documented way, with what makes it wait.
fn upgrade(sandbox: &Sandbox, count: u32) {
    let (chart, version) = chart(NEWEST);
    let set = format!("queryNode.replicas={count}");
    sandbox.helm(&["upgrade", "rel", &chart, "--version", &version, "--reuse-values", "--set", &set]);
    sandbox.kubectl(&["rollout", "status", "deployment/rel-milvus-querynode"]);
    sandbox.kubectl(&["get", "pods", "-l", "app.kubernetes.io/instance=rel,component=querynode"]);
}

/// Once each: it takes the control plane most of a minute to make them.
fn many(sandbox: &Sandbox) {
    say(&format!("{MANY} pods of one component\n"));
    for (what, words) in [
        (format!("1 to {MANY}"), format!("rel querynode={MANY} --timeout 10m")),
        ("nothing to change".to_owned(), format!("rel querynode={MANY}")),
    ] {
        let began = Instant::now();
        let run = sandbox.milvus(&format!("scale {words}")).start();
        let memory::Peaks { own, children } = memory::peaks(run.pid());
        run.end().exits(0);
        let took = began.elapsed().as_secs_f64();
        let of = |name: &str| children.get(name).map_or(0.0, |peak| megabytes(*peak));
        say(&format!(
            "  {what:<28}{took:7.2} s   itself {:.0} MB, helm {:.0} MB, kubectl {:.0} MB\n",
            megabytes(own),
            of("helm"),
            of("kubectl"),
        ));
    }
    let took = time(|| {
        drop(sandbox.kubectl(&["get", "pods", "-l", "component=querynode", "--output=json"]));
    });
    say(&format!("  one `kubectl get -o json`    {took:7.2} s\n"));
}

fn compare(what: &str, ours: &mut [f64], than: &str, bare: &mut [f64]) {
    let (ours, bare) = (median(ours), median(bare));
    say(&format!("{what}\n  {ours:.2} s, {than} {bare:.2} s: {:.2} times\n", ours / bare));
}

fn time(what: impl FnOnce()) -> f64 {
    let began = Instant::now();
    what();
    began.elapsed().as_secs_f64()
}

fn signed(later: Instant, earlier: Instant) -> f64 {
    let ahead = later.saturating_duration_since(earlier);
    if ahead > Duration::ZERO { ahead.as_secs_f64() } else { -earlier.duration_since(later).as_secs_f64() }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 { times[middle] } else { f64::midpoint(times[middle - 1], times[middle]) }
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes of a process are far below 2^52")]
fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
