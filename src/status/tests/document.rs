//! The document, and what a watch tells of two of them.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "the whole document")]
fn the_document_has_everything() {
    let mut world = World::of("queryNode/rg1 1 live 2 by kubectl at 2026-01-01T11:00:00Z");
    world.manifest = world.manifest.replace("value: existing", "value: new");
    world.trouble("rel-milvus-querynode-rg1", 1, |pod| {
        pod.status = "ImagePullBackOff".into();
        pod.trouble = Some(Box::new(Trouble {
            reason: "ImagePullBackOff".into(),
            message: "not found".into(),
            last_end: None,
            restarts: 0,
            since: None,
        }));
    });
    world.autoscaler("rel-milvus-querynode-rg1", (3, 5), "");
    let mut seen = world.seen();
    namespace(&mut seen).name = "ns".into();
    insta::assert_snapshot!(report(&seen).json(), @r#"
    {
      "schema": "kubectl-milvus/status/v1",
      "verdict": "not-as-declared",
      "exitCode": 3,
      "releases": [
        {
          "name": "rel",
          "namespace": "ns",
          "verdict": "not-as-declared",
          "differences": [
            "queryNode/rg1: 2 in the cluster, 1 in the release, set by `kubectl` at 2026-01-01T11:00:00Z",
            "queryNode/rg1: 1 of 2 ready, 1 ImagePullBackOff"
          ],
          "unread": [],
          "revision": {
            "revision": 4,
            "status": "deployed",
            "updated": "2026-01-01T11:55:00Z",
            "description": "kubectl milvus scale: queryNode 1 to 3"
          },
          "chart": "milvus-5.0.19",
          "milvus": [
            {
              "version": "v2.6.15",
              "components": [
                "queryNode"
              ]
            }
          ],
          "components": [
            {
              "component": "queryNode",
              "group": "rg1",
              "deployment": "rel-milvus-querynode-rg1",
              "declared": 1,
              "live": 2,
              "ready": 1,
              "terminating": 0,
              "restarts": 0,
              "image": "milvusdb/milvus:v2.6.15",
              "autoscaler": "rel-milvus-querynode-rg1-hpa",
              "drift": {
                "by": "kubectl",
                "when": "2026-01-01T11:00:00Z"
              },
              "scale": {
                "up": {
                  "id": "autoscaled",
                  "message": "the count of `queryNode` of release `rel` in namespace `ns` belongs to an autoscaler",
                  "causes": [
                    "HorizontalPodAutoscaler `rel-milvus-querynode-rg1-hpa` keeps it between 3 and 5"
                  ],
                  "hint": "change its bounds, or delete it first: `kubectl get hpa rel-milvus-querynode-rg1-hpa -n ns`"
                },
                "down": {
                  "id": "autoscaled",
                  "message": "the count of `queryNode` of release `rel` in namespace `ns` belongs to an autoscaler",
                  "causes": [
                    "HorizontalPodAutoscaler `rel-milvus-querynode-rg1-hpa` keeps it between 3 and 5"
                  ],
                  "hint": "change its bounds, or delete it first: `kubectl get hpa rel-milvus-querynode-rg1-hpa -n ns`"
                }
              }
            }
          ],
          "dependencies": [
            {
              "role": "etcd",
              "kind": "etcd",
              "place": "release",
              "address": null,
              "declared": 3,
              "ready": 3,
              "restarts": 0,
              "parts": [
                {
                  "workload": "rel-etcd",
                  "declared": 3,
                  "ready": 3
                }
              ]
            },
            {
              "role": "object-storage",
              "kind": "minio",
              "place": "release",
              "address": null,
              "declared": 1,
              "ready": 1,
              "restarts": 0,
              "parts": [
                {
                  "workload": "rel-minio",
                  "declared": 1,
                  "ready": 1
                }
              ]
            },
            {
              "role": "message-queue",
              "kind": "woodpecker",
              "place": "embedded",
              "address": null,
              "declared": null,
              "ready": null,
              "restarts": null,
              "parts": []
            }
          ],
          "autoscalers": [
            {
              "name": "rel-milvus-querynode-rg1-hpa",
              "deployment": "rel-milvus-querynode-rg1",
              "min": 3,
              "now": null,
              "max": 5,
              "keda": false,
              "trouble": null,
              "remark": "it has not looked yet"
            }
          ],
          "pods": [
            {
              "name": "rel-milvus-querynode-rg1-7d9-2",
              "containers": "0/1",
              "status": "ImagePullBackOff",
              "restarts": 0,
              "created": "2026-01-01T10:00:00Z",
              "node": "node-1",
              "stuck": "image-pull",
              "reason": "ImagePullBackOff: not found"
            }
          ],
          "avoided": [
            {
              "set": "etcd.initialClusterState=new",
              "effect": "without it the first upgrade replaces every etcd pod",
              "lift": "--set etcd.initialClusterState=existing"
            }
          ]
        }
      ],
      "error": null
    }
    "#);
    let failure =
        Failure::new("unreachable", "the cluster cannot be reached").because("no route").hint("kubectl cluster-info");
    let unreachable = StatusReport::of(Vec::new(), Some(&failure));
    insta::assert_snapshot!(unreachable.json(), @r#"
    {
      "schema": "kubectl-milvus/status/v1",
      "verdict": "unknown",
      "exitCode": 1,
      "releases": [],
      "error": {
        "id": "unreachable",
        "message": "the cluster cannot be reached",
        "causes": [
          "no route"
        ],
        "hint": "kubectl cluster-info"
      }
    }
    "#);
    assert_eq!(unreachable.json_line().lines().count(), 1);
}

#[test]
fn a_watch_tells_what_changed() {
    let before = World::of(CLUSTER);
    let mut after = World::of("proxy 1, queryNode 2 live 3 by kubectl, dataNode 1, mixCoordinator 1");
    after.trouble("rel-milvus-querynode", 2, |pod| {
        pod.status = "Pending".into();
        pod.restarts = 2;
    });
    after.pods.iter_mut().filter(|pod| pod.name == "rel-etcd-2").for_each(|pod| pod.ready = false);
    after.autoscaler("rel-milvus-proxy", (1, 5), "");
    let (before, after) = (report(&before.seen()), report(&after.seen()));
    let told = |before: &StatusReport, after: &StatusReport| changes(before, after).join("\n");
    assert_eq!(told(&before, &before), "");
    insta::assert_snapshot!(told(&before, &after), @"
    ns/rel: queryNode: 2 in the release, 3 live, 2 ready, 2 restarts
    ns/rel: autoscaler rel-milvus-proxy-hpa: it has not looked yet
    ns/rel: etcd: 2 of 3 ready
    ns/rel: pod rel-etcd-2: 1/1 Running
    ns/rel: pod rel-milvus-querynode-7d9-3: 0/1 Pending
    ns/rel: not as declared: queryNode: 3 in the cluster, 2 in the release, set by `kubectl`; queryNode: 2 of 3 ready, 1 Pending; `rel-etcd`: 2 of 3 ready
    ");
    insta::assert_snapshot!(told(&after, &before), @"
    ns/rel: queryNode: 2 in the release, 2 live, 2 ready
    ns/rel: autoscaler rel-milvus-proxy-hpa: gone
    ns/rel: etcd: 3 of 3 ready
    ns/rel: pod rel-etcd-2: well, or gone
    ns/rel: pod rel-milvus-querynode-7d9-3: well, or gone
    ns/rel: as declared
    ");
    let failure = Failure::new("unreachable", "the cluster cannot be reached");
    let lost = StatusReport::of(before.releases.clone(), Some(&failure));
    insta::assert_snapshot!(told(&before, &lost), @"cannot be read: the cluster cannot be reached");
    insta::assert_snapshot!(told(&lost, &before), @"can be read again");
    let none = StatusReport::of(Vec::new(), None);
    insta::assert_snapshot!(told(&before, &none), @"ns/rel: gone");
    insta::assert_snapshot!(told(&none, &before), @"ns/rel: new, as declared");
}
