//! What a release holds is nobody's to see: no output shows a value, a Secret,
//! an environment or an annotation, whatever happens.

use crate::evidence::settled;
use crate::sandbox::{Helm, Sandbox};
use crate::with_each_helm;

const VERSION: &str = "4.2.58";

/// Planted wherever a secret could be.
const MARKER: &str = "planted-marker";

with_each_helm!(no_output_shows_what_could_be_a_secret);

fn no_output_shows_what_could_be_a_secret(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    let set = [
        "minio.enabled=true,minio.mode=standalone",
        "minio.secretKey=MARKER-1",
        "proxy.annotations.token=MARKER-2",
        "queryNode.extraEnv[0].name=TOKEN,queryNode.extraEnv[0].value=MARKER-3",
        "extraConfigFiles.user\\.yaml=password: MARKER-4",
    ];
    sandbox.install("rel", VERSION, &set.join(",").replace("MARKER", MARKER));
    let mut said = Vec::new();
    let mut run = |words: &str, code: i32| {
        said.push(sandbox.scale(&format!("rel {words}")).exits(code).clone());
    };
    run("querynode=2 -v", 0);

    // Changed by hand: listed, and made with consent.
    sandbox.kubectl(&[
        "set",
        "env",
        "deployment/rel-milvus-proxy",
        "deployment/rel-milvus-querynode",
        &format!("TOKEN={MARKER}-5"),
    ]);
    let secret = format!("{{\"stringData\":{{\"secretkey\":\"{MARKER}-6\",\"more\":\"{MARKER}-7\"}}}}");
    sandbox.kubectl(&["patch", "secret/rel-minio", "--patch", &secret]);
    let annotation =
        format!("{{\"spec\":{{\"template\":{{\"metadata\":{{\"annotations\":{{\"token\":\"{MARKER}-8\"}}}}}}}}}}");
    sandbox.kubectl(&["patch", "deployment/rel-milvus-proxy", "--patch", &annotation]);
    sandbox.kubectl(&[
        "patch",
        "configmap/rel-milvus",
        "--patch",
        &format!("{{\"data\":{{\"user.yaml\":\"{MARKER}-9\"}}}}"),
    ]);
    settled(&sandbox);
    run("querynode=3 -v", 1);
    run("querynode=3 -v -o json", 1);
    run("querynode=3 -v --dry-run --allow-other-changes", 0);
    run("querynode=3 -v --allow-other-changes", 0);

    // Addresses with credentials, of a host that answers and of one that does not.
    let repository = std::env::var("SANDBOX_REPOSITORY").unwrap();
    for address in [repository.as_str(), "http://127.0.0.1:1"] {
        let address = address.replace("://", &format!("://ci:{MARKER}-10@"));
        run(&format!("querynode=2 -v --repo={address}"), 2);
        run(&format!("querynode=2 -v -o json --chart={address}/milvus-4.2.58.tgz"), 2);
    }

    // The pods do not come.
    sandbox.behave("querynode.behaviour=never-ready");
    run("querynode=4 -v --timeout 1s", 3);
    run("querynode=5 -o json --timeout 1s", 3);

    for said in &said {
        assert!(!said.stdout.contains(MARKER) && !said.stderr.contains(MARKER), "{said}");
    }
    // They are really there.
    let all = sandbox.helm(&["get", "manifest", "rel"]);
    assert!((2..=4).all(|n| all.contains(&format!("{MARKER}-{n}"))), "{all}");
    let listed = &said[1].stderr;
    for named in ["`.data.secretkey`", "annotations.token`", "env[TOKEN].value`", "`.data[user.yaml]`"] {
        assert!(listed.contains(named), "{named}: {listed}");
    }
}
