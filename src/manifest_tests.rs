use super::*;

fn deployment(name: &str, instance: &str, component: &str, more: &str) -> String {
    format!(
        "---\n# Source: milvus/templates/x.yaml\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n{more}  \
         template:\n    metadata:\n      labels:\n        app.kubernetes.io/instance: {instance}\n        \
         component: \"{component}\"\n    spec: {{}}\n"
    )
}

#[test]
fn only_deployments_of_components_of_this_release_count() {
    let manifest = [
        "---\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: |\n    kind: Deploymentish\n    ---\n".to_owned(),
        deployment("rel-milvus-querynode", "rel", "querynode", "  replicas: 2\n"),
        deployment("rel-milvus-proxy", "rel", "proxy", ""),
        deployment("other-milvus-querynode", "other", "querynode", "  replicas: 9\n"),
        deployment("rel-exporter", "rel", "exporter", "  replicas: 1\n"),
    ]
    .concat();
    let found = declared(&manifest, "rel").unwrap();
    let seen: Vec<_> = found.iter().map(|d| (d.name.as_str(), d.component.key, d.replicas)).collect();
    assert_eq!(seen, [("rel-milvus-querynode", "queryNode", Some(2)), ("rel-milvus-proxy", "proxy", None)]);
}

#[test]
fn a_resource_group_is_read_from_the_pods_label() {
    let manifest = deployment("rel-milvus-querynode-rg1", "rel", "querynode", "  replicas: 4\n")
        .replace("component:", "milvus.io/resource-group: rg1\n        component:");
    assert_eq!(declared(&manifest, "rel").unwrap()[0].group.as_deref(), Some("rg1"));
}

#[test]
fn what_is_not_yaml_is_said_without_quoting_it() {
    let broken = "---\nkind: Deployment\nmetadata: [password: hunter2\n";
    for reason in [declared(broken, "rel").unwrap_err(), objects(broken).unwrap_err()] {
        assert!(!reason.contains("hunter2"));
    }
}

/// The differences between two texts, a line each.
fn check(old: &str, new: &str) -> String {
    let head = |text: &str| objects(text).unwrap();
    let lines: Vec<String> = difference(&head(old), &head(new)).iter().map(ToString::to_string).collect();
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn stateful_set(spec: &str) -> String {
    format!("apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: rel-etcd}}\nspec: {spec}\n")
}

#[test]
fn order_comments_and_quoting_are_no_differences() {
    let a = stateful_set("{replicas: 3, serviceName: \"etcd\"}");
    let b = "---\n# Source: x\nkind: StatefulSet\napiVersion: 'apps/v1'\nspec:\n  # three\n  serviceName: etcd\n  replicas: 3\nmetadata:\n  name: rel-etcd\n---\n";
    assert_eq!(check(&a, b), "");
}

#[test]
fn a_changed_field_is_named_with_its_consequence() {
    let container = |image: &str| {
        stateful_set(&format!("{{replicas: 3, template: {{spec: {{containers: [{{name: etcd, image: {image}}}]}}}}}}"))
    };
    insta::assert_snapshot!(check(&container("etcd:1"), &container("etcd:2")), @"StatefulSet `rel-etcd` `.spec.template.spec.containers[etcd].image` from `etcd:1` to `etcd:2`: its pods restart");
    insta::assert_snapshot!(check(&stateful_set("{replicas: 3}"), &stateful_set("{replicas: 5}")), @"StatefulSet `rel-etcd` `.spec.replicas` from 3 to 5");
    insta::assert_snapshot!(check(&stateful_set("{}"), &stateful_set("{paused: true}")), @"StatefulSet `rel-etcd` `.spec.paused` from (none) to true");
}

#[test]
fn objects_that_come_and_go_are_named() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: init}\nspec: {}\n";
    assert_eq!(check(job, ""), "Job `init` is removed\n");
    assert_eq!(check("", job), "Job `init` is created\n");
}

#[test]
fn what_could_be_a_secret_is_compared_and_never_shown() {
    let secret =
        |word: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{user: {word}}}\n");
    let env = |word: &str| {
        stateful_set(&format!(
            "{{template: {{spec: {{containers: [{{name: etcd, args: [{word}], env: [{{name: WORD, value: {word}}}]}}]}}}}}}"
        ))
    };
    let config =
        |word: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: \"{word}\"}}\n");
    for make in [&secret as &dyn Fn(&str) -> String, &env, &config] {
        let said = check(&make("planted-one"), &make("planted-two"));
        assert!(said.contains("not shown") && !said.contains("planted"), "{said}");
    }
}

#[test]
fn another_order_in_a_list_is_a_difference() {
    let env =
        |names: &str| stateful_set(&format!("{{template: {{spec: {{containers: [{{name: c, env: [{names}]}}]}}}}}}"));
    let said =
        check(&env("{name: A, value: x}, {name: B, value: y}"), &env("{name: B, value: y}, {name: A, value: x}"));
    assert!(said.contains("env") && said.contains("restart"), "{said}");
}

#[test]
fn file_modes_and_repeated_keys_are_read_as_helm_reads_them() {
    let read = |text: &str| objects(&stateful_set(text)).unwrap().into_values().next().unwrap().content;
    assert_eq!(read("{mode: 0755}")["spec"]["mode"], 493);
    assert_eq!(read("{a: 1, a: 2}")["spec"]["a"], 2);
}

#[test]
fn milvus_inside_another_chart_is_told_by_its_name_or_image() {
    let has = |name: &str, image: &str| {
        let manifest = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec:\n  template:\n    metadata:\n      labels: {{app.kubernetes.io/name: {name}, app.kubernetes.io/instance: rel, component: proxy}}\n    spec:\n      containers: [{{name: proxy, image: \"{image}\"}}]\n"
        );
        has_milvus(&manifest, "rel")
    };
    assert!(has("milvus", "mirror/vectors:1"));
    assert!(has("vdb", "milvusdb/milvus:v2.6.15"));
    assert!(!has("web", "envoy:1"));
}
