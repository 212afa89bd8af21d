//! Whole documents, as they are printed.

use super::*;
use crate::component;
use crate::manifest::{Change, ObjectId, Shown};
use crate::release::{Apply, ChartVersion, Status};

fn autoscaler(min: u32, max: u32) -> Autoscaler {
    Autoscaler {
        name: "rel-milvus-querynode-hpa".into(),
        deployment: "rel-milvus-querynode".into(),
        min,
        max,
        cpu: Some(40),
        memory: Some(60),
        ..Autoscaler::default()
    }
}

fn report(outcome: AutoscaleOutcome, before: Option<Autoscaler>, wanted: Option<Autoscaler>) -> AutoscaleReport {
    let mut report = AutoscaleReport::new("vectors");
    report.saw(&Release {
        name: "rel".into(),
        revision: 4,
        status: Status::Deployed,
        chart: ChartVersion { name: "milvus".into(), version: "5.0.19".into() },
        apply: Apply::ClientSide,
    });
    let cautions = vec!["a caution".to_owned()];
    report.standing(component::find("qn").unwrap(), &Standing { count: 3, before, wanted, cautions });
    let object = ObjectId {
        kind: "HorizontalPodAutoscaler".into(),
        name: "rel-milvus-querynode-hpa".into(),
        namespace: None,
        group: "autoscaling".into(),
    };
    let text = |text: &str| Some(Shown::Text(text.into()));
    let change = Change::Field { path: ".spec.maxReplicas".into(), old: text("5"), new: text("8") };
    report.change("queryNode autoscaled", "helm upgrade rel ...".into(), &[Difference { object, change }]);
    report.outcome = outcome;
    report
}

#[test]
fn every_outcome_is_one_sentence_but_a_plan_and_a_printed_object() {
    let (old, new) = (Some(autoscaler(2, 5)), Some(autoscaler(2, 8)));
    let mut verified = report(AutoscaleOutcome::Verified, old.clone(), new.clone());
    verified.applied(5);
    insta::assert_snapshot!(verified.text(), @"release `rel` in namespace `vectors`: queryNode is autoscaled between 2 and 8 (cpu 40 %, memory 60 %), now at 3; verified (revision 5)");
    insta::assert_snapshot!(report(AutoscaleOutcome::Verified, old.clone(), None).text(), @"release `rel` in namespace `vectors`: queryNode has no autoscaler, and is at 3; verified (revision 4)");
    insta::assert_snapshot!(report(AutoscaleOutcome::Unchanged, new.clone(), new.clone()).text(), @"release `rel` in namespace `vectors`: queryNode is autoscaled between 2 and 8 (cpu 40 %, memory 60 %), now at 3; nothing to change (revision 4)");
    insta::assert_snapshot!(report(AutoscaleOutcome::Planned, old.clone(), new.clone()).text(), @"
    release `rel` in namespace `vectors`: chart milvus-5.0.19, revision 4

    COMPONENT   COUNT   AUTOSCALER                                WANTED
    queryNode   3       between 2 and 5 (cpu 40 %, memory 60 %)   between 2 and 8 (cpu 40 %, memory 60 %)

    step 1 of 1: queryNode autoscaled
      helm upgrade rel ...

    proof: these change, and nothing else
      HorizontalPodAutoscaler `rel-milvus-querynode-hpa` `.spec.maxReplicas` from 5 to 8
    notes
      a caution

    nothing was changed
    ");
    insta::assert_snapshot!(report(AutoscaleOutcome::Planned, old, None).text(), @"
    release `rel` in namespace `vectors`: chart milvus-5.0.19, revision 4

    COMPONENT   COUNT   AUTOSCALER                                WANTED
    queryNode   3       between 2 and 5 (cpu 40 %, memory 60 %)   none

    step 1 of 1: queryNode autoscaled
      helm upgrade rel ...

    proof: these change, and nothing else
      HorizontalPodAutoscaler `rel-milvus-querynode-hpa` `.spec.maxReplicas` from 5 to 8
    notes
      a caution

    nothing was changed
    ");
    let mut nothing = report(AutoscaleOutcome::Planned, None, None);
    nothing.change = None;
    insta::assert_snapshot!(nothing.text(), @"
    release `rel` in namespace `vectors`: chart milvus-5.0.19, revision 4

    COMPONENT   COUNT   AUTOSCALER   WANTED
    queryNode   3       none         none

    nothing to change
    ");
    let mut printed = report(AutoscaleOutcome::Printed, None, new);
    printed.manifest = Some("apiVersion: autoscaling/v2\n".into());
    assert_eq!(printed.text(), "apiVersion: autoscaling/v2\n");
}

#[test]
fn a_failure_is_told_in_json_alone() {
    let mut failed = report(AutoscaleOutcome::Failed, Some(autoscaler(2, 5)), Some(autoscaler(2, 8)));
    failed.applied(5);
    failed.failed(&Failure::new("superseded", "somebody was faster").because("a cause").after_a_change());
    assert_eq!(failed.text(), "");
    insta::assert_snapshot!(failed.json(), @r#"
    {
      "schema": "kubectl-milvus/autoscale/v1",
      "outcome": "failed",
      "exitCode": 3,
      "namespace": "vectors",
      "release": {
        "name": "rel",
        "chart": "milvus-5.0.19",
        "revisionBefore": 4,
        "revision": 5
      },
      "component": "queryNode",
      "count": 3,
      "before": {
        "name": "rel-milvus-querynode-hpa",
        "deployment": "rel-milvus-querynode",
        "min": 2,
        "max": 5,
        "cpu": 40,
        "memory": 60,
        "growOnly": false
      },
      "wanted": {
        "name": "rel-milvus-querynode-hpa",
        "deployment": "rel-milvus-querynode",
        "min": 2,
        "max": 8,
        "cpu": 40,
        "memory": 60,
        "growOnly": false
      },
      "change": {
        "change": "queryNode autoscaled",
        "command": "helm upgrade rel ...",
        "revision": 5,
        "objects": [
          "HorizontalPodAutoscaler `rel-milvus-querynode-hpa` `.spec.maxReplicas` from 5 to 8"
        ]
      },
      "proof": null,
      "cautions": [
        "a caution"
      ],
      "manifest": null,
      "error": {
        "id": "superseded",
        "message": "somebody was faster",
        "causes": [
          "a cause"
        ],
        "hint": null
      }
    }
    "#);
}
