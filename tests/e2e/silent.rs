//! What plain helm takes without a word and does nothing about: a new revision,
//! exit 0, and not one pod more. Here each is refused.

use crate::evidence::{evidence, moved, plain_upgrade, refused};
use crate::sandbox::{Helm, NEWEST, Sandbox};
use crate::with_each_helm;

with_each_helm!(what_helm_ignores_is_refused);

fn what_helm_ignores_is_refused(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "attu.enabled=true,streaming.enabled=false");
    sandbox.install("alone", NEWEST, "cluster.enabled=false,minio.mode=standalone,woodpecker.enabled=false");
    for (release, plain, ours, identifier) in [
        ("rel", "querynode.replicas=3", "quernode=3", "unknown-component"),
        ("rel", "streamingNode.replicas=3", "streamingnode=3", "component-disabled"),
        ("rel", "attu.replicas=3", "attu=3", "component-fixed"),
        ("alone", "queryNode.replicas=3", "querynode=3", "standalone"),
        ("alone", "standalone.replicas=3", "standalone=3", "component-fixed"),
    ] {
        let revision = sandbox.revision(release);
        let before = evidence(&sandbox);
        assert_eq!(plain_upgrade(&sandbox, release, NEWEST, plain), "exit 0");
        assert_eq!(sandbox.revision(release), revision + 1);
        assert_eq!(moved(&before, &evidence(&sandbox)), "nothing", "{plain}");
        let said = refused(&sandbox, sandbox.milvus(&format!("scale {release} {ours}")));
        assert!(said.contains(&format!("({identifier})")), "{said}");
    }
}
