//! The promise itself: the count is changed, nothing else is, and it is true
//! when the program comes back.

use crate::sandbox::{Helm, NEWEST, Pod, Revision, Sandbox};
use crate::with_each_helm;

with_each_helm!(every_worker_grows_and_shrinks, several_grow_in_one_upgrade_and_shrink_one_after_the_other);

/// Two with each Helm; what differs between them does not differ by component.
fn every_worker_grows_and_shrinks(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    let workers = match helm {
        Helm::V3 => [("proxy", "proxy"), ("querynode", "queryNode")],
        Helm::V4 => [("data-node", "dataNode"), ("SN", "streamingNode")],
    };
    for (spelling, key) in workers {
        scales(&sandbox, "rel", &format!("{spelling}=3"), key, 3, &[&format!("{key} 1 to 3")]);
        let down = [format!("{key} 3 to 2"), format!("{key} 2 to 1")];
        scales(&sandbox, "rel", &format!("{spelling}=1"), key, 1, &[&down[0], &down[1]]);
    }
    scales(&sandbox, "rel", "queryNode=+2", "queryNode", 3, &["queryNode 1 to 3"]);
    scales(&sandbox, "rel", "queryNode=-1", "queryNode", 2, &["queryNode 3 to 2"]);
}

#[test]
fn index_nodes_of_an_older_chart_scale_while_a_newer_chart_is_in_the_repository() {
    let Some(sandbox) = Sandbox::with(Helm::V3) else { return };
    sandbox.install("rel", "4.2.58", "");
    for (word, key) in [("in=3", "indexNode"), ("qn=2", "queryNode")] {
        let to = word[3..].parse().unwrap();
        scales(&sandbox, "rel", word, key, to, &[&format!("{key} 1 to {to}")]);
    }
    scales(&sandbox, "rel", "indexnode=1", "indexNode", 1, &["indexNode 3 to 2", "indexNode 2 to 1"]);
    assert!(sandbox.history("rel").iter().all(|revision| revision.chart == "milvus-4.2.58"));
}

/// Scales one component and looks at everything that could be otherwise.
#[track_caller]
fn scales(sandbox: &Sandbox, release: &str, word: &str, key: &str, to: u64, steps: &[&str]) {
    let label = key.to_lowercase();
    let others = |pods: Vec<Pod>| pods.into_iter().filter(|pod| pod.component != label).collect::<Vec<_>>();
    let all = format!("app.kubernetes.io/instance={release},component");
    let (revisions, pods, deployments) = (sandbox.history(release), sandbox.pods(&all), sandbox.deployments());

    let said = sandbox.scale(&format!("{release} {word}"));
    said.exits(0);

    let now = sandbox.pods(&all);
    let mine: Vec<&Pod> = now.iter().filter(|pod| pod.component == label).collect();
    assert_eq!(mine.len() as u64, to, "{word}: {mine:#?}");
    assert!(mine.iter().all(|pod| pod.ready && !pod.terminating), "{word}: {mine:#?}");
    let listed = mine.iter().all(|pod| said.stdout.contains(&pod.name));
    assert!(listed, "{word}: it lists other pods than there are:\n{}", said.stdout);
    assert_eq!(others(pods), others(now.clone()), "{word}: pods of other components");
    for (name, deployment) in sandbox.deployments() {
        let changed = name == format!("{release}-milvus-{label}");
        let before = deployments[&name];
        let (replicas, generation) =
            if changed { (to, before.generation + steps.len() as u64) } else { (before.replicas, before.generation) };
        assert_eq!((deployment.replicas, deployment.generation), (replicas, generation), "{word}: {name}");
    }
    let after = sandbox.history(release);
    let fresh: Vec<_> =
        after.iter().filter(|revision| revision.revision > revisions.last().unwrap().revision).collect();
    let numbered = |position: usize| {
        if steps.len() > 1 { format!(" (step {} of {})", position + 1, steps.len()) } else { String::new() }
    };
    let descriptions: Vec<String> =
        steps.iter().enumerate().map(|(i, step)| format!("kubectl milvus scale: {step}{}", numbered(i))).collect();
    assert_eq!(
        fresh.iter().map(|revision| &revision.description).collect::<Vec<_>>(),
        descriptions.iter().collect::<Vec<_>>()
    );
    assert!(fresh.iter().all(|revision| revision.chart == revisions[0].chart), "{word}: {fresh:#?}");
}

fn several_grow_in_one_upgrade_and_shrink_one_after_the_other(helm: Helm) {
    let Some(sandbox) = Sandbox::with(helm) else { return };
    sandbox.install("rel", NEWEST, "");
    insta::allow_duplicates! {
        insta::assert_snapshot!(sandbox.scale("rel querynode=3 px=2 dn=2"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: queryNode 1 to 3, 3 pods ready; proxy 1 to 2, 2 pods ready; dataNode 1 to 2, 2 pods ready; verified (revision 2)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 1, chart milvus-5.0.19 (milvus/milvus)
        [1/1] queryNode 1 to 3, proxy 1 to 2, dataNode 1 to 2
        ");
        insta::assert_snapshot!(sandbox.scale("px=3 rel querynode=2 dn=1"), @"
        exit 0
        ----- stdout
        NAME   READY   STATUS    RESTARTS   AGE
        rel-milvus-datanode-POD   1/1     Running   0   TIME
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-proxy-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME
        rel-milvus-querynode-POD   1/1     Running   0   TIME

        release `rel` in namespace `NAMESPACE`: proxy 2 to 3, 3 pods ready; queryNode 3 to 2, 2 pods ready; dataNode 2 to 1, 1 pod ready; verified (revision 5)
        ----- stderr
        release `rel` in namespace `NAMESPACE`: revision 2, chart milvus-5.0.19 (milvus/milvus)
        [1/3] proxy 2 to 3
        before the first step down: the service has to be available for 0s
          not asked: availability of loaded collections: could not tell (REASON)
          not asked: coordinator metrics: could not tell (REASON)
          the gate asks: pods only
        [2/3] queryNode 3 to 2
          pod `rel-milvus-querynode-POD` leaves, and has up to 30m to hand over
        [3/3] dataNode 2 to 1
          pod `rel-milvus-datanode-POD` leaves, and has up to 30m to hand over
        ");
        insta::assert_snapshot!(descriptions(&sandbox), @"
        1 Install complete
        2 kubectl milvus scale: queryNode 1 to 3, proxy 1 to 2, dataNode 1 to 2
        3 kubectl milvus scale: proxy 2 to 3 (step 1 of 3)
        4 kubectl milvus scale: queryNode 3 to 2 (step 2 of 3)
        5 kubectl milvus scale: dataNode 2 to 1 (step 3 of 3)
        ");
    }
}

fn descriptions(sandbox: &Sandbox) -> String {
    let line = |revision: Revision| format!("{} {}\n", revision.revision, revision.description);
    sandbox.history("rel").into_iter().map(line).collect()
}
