use super::{empty, merge_files, unify};
use crate::compose::validate;
use crate::yaml::{Node, parse};

fn tree(text: &str) -> Node {
    let mut problems = Vec::new();
    let node = parse(1, text, &mut problems).documents.remove(0);
    assert!(problems.is_empty(), "{problems:?}");
    node
}

fn merged(files: &[&str]) -> Node {
    let mut problems = Vec::new();
    let mut base = empty();
    for file in files {
        merge_files(&mut base, tree(file), &mut problems);
        unify(&mut base);
    }
    assert!(problems.is_empty(), "{problems:?}");
    validate::check_object(&crate::compose::schema::TOP, &base, &crate::compose::path::Path::ROOT, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    base
}

fn printed(node: &Node) -> String {
    match &node.value {
        crate::yaml::Value::Map(map) => {
            let entries: Vec<String> = map.iter().map(|(key, entry)| format!("{key}: {}", printed(&entry.node))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        crate::yaml::Value::List(list) => format!("[{}]", list.iter().map(printed).collect::<Vec<_>>().join(", ")),
        _ => node.printed().unwrap_or_else(|| "null".to_owned()),
    }
}

#[test]
fn each_key_follows_its_rule() {
    for (key, base, over, expected) in [
        ("command", "[a]", "b", "b"),
        ("environment", "{B: 1, A: 2}", "[A=3]", "[A=3, B=1]"),
        ("ports", "['80:80']", "['81:81', '80:80']", "[80:80, 81:81]"),
        ("volumes", "['./a:/x']", "['vol:/x:ro']", "[vol:/x:ro]"),
        ("build", "./a", "{target: t}", "{context: ./a, target: t}"),
        (
            "depends_on",
            "[a]",
            "{b: {condition: service_healthy}}",
            "{a: {condition: service_started, required: true}, b: {condition: service_healthy}}",
        ),
        ("networks", "[a]", "{a: {aliases: [x]}}", "{a: {aliases: [x]}}"),
        ("logging", "{driver: a, options: {x: y}}", "{driver: b}", "{driver: b}"),
        ("logging", "{driver: a, options: {x: y}}", "{options: {z: w}}", "{driver: a, options: {x: y, z: w}}"),
        ("extra_hosts", "['a:1.1.1.1']", "['b:1.1.1.1', 'a:1.1.1.1']", "[a:1.1.1.1, b:1.1.1.1]"),
        ("ulimits", "{nofile: {soft: 1, hard: 2}}", "{nofile: 3, nproc: 4}", "{nofile: 3, nproc: 4}"),
        ("image", "a", "b", "b"),
        ("dns", "1.1.1.1", "[2.2.2.2, 1.1.1.1]", "[1.1.1.1, 2.2.2.2]"),
        ("healthcheck", "{test: [CMD, a], retries: 3}", "{test: [CMD, b]}", "{test: [CMD, b], retries: 3}"),
        ("cap_add", "[A, B]", "[B, C]", "[A, B, C]"),
    ] {
        let file = |value: &str| format!("services: {{web: {{{key}: {value}}}}}");
        let result = merged(&[&file(base), &file(over)]);
        let value = result.get("services").and_then(|node| node.get("web")).and_then(|node| node.get(key)).unwrap();
        assert_eq!(printed(value), expected, "{key}");
    }
}

#[test]
fn a_mapping_cannot_become_text() {
    let mut problems = Vec::new();
    let mut base = tree("services: {web: {logging: {driver: a}}}");
    merge_files(&mut base, tree("services: {web: [a]}"), &mut problems);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, "`services.web` is a list here, but a mapping in an earlier file");
}

mod associativity {
    use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

    use super::{empty, merge_files, printed, tree, unify};

    fn services() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            "[a-c]{1}".prop_map(|image| format!("image: {image}")),
            prop::collection::btree_map("[A-C]", 0..4, 1..4).prop_map(|map| format!("environment: {map:?}")),
            prop::collection::btree_map("[a-c]", 0..4, 1..4).prop_map(|map| format!("labels: {map:?}")),
            prop::collection::btree_set(1..5, 1..4).prop_map(|ports| {
                let ports: Vec<String> = ports.iter().map(|port| format!("'{port}:{port}'")).collect();
                format!("ports: [{}]", ports.join(", "))
            }),
            prop::collection::btree_set("[a-c]", 1..4).prop_map(|names| format!("networks: {names:?}")),
            "[a-c]".prop_map(|word| format!("command: [{word}]")),
            Just("healthcheck: {retries: 3}".to_owned()),
        ];
        prop::collection::vec(key, 1..5).prop_map(|mut keys| {
            keys.sort();
            keys.dedup_by_key(|line| line.split(':').next().unwrap_or_default().to_owned());
            format!("services: {{web: {{{}}}}}", keys.join(", ")).replace('{', "{ ")
        })
    }

    /// The values of a tree, lists of named things sorted, for their order depends on the grouping.
    fn values(files: &[&str], right_first: bool) -> String {
        let mut problems = Vec::new();
        let mut base = empty();
        if right_first {
            let mut right = tree(files[1]);
            merge_files(&mut right, tree(files[2]), &mut problems);
            unify(&mut right);
            merge_files(&mut base, tree(files[0]), &mut problems);
            unify(&mut base);
            merge_files(&mut base, right, &mut problems);
            unify(&mut base);
        } else {
            for file in files {
                merge_files(&mut base, tree(file), &mut problems);
                unify(&mut base);
            }
        }
        assert!(problems.is_empty());
        let service = base.get("services").and_then(|node| node.get("web")).unwrap().clone();
        let mut lines: Vec<String> = Vec::new();
        for (key, entry) in service.as_map().unwrap() {
            match entry.node.as_list() {
                Some(list) => lines.extend(list.iter().map(|item| format!("{key} {}", printed(item)))),
                None => match entry.node.as_map().filter(|_| key != "healthcheck" && key != "networks") {
                    Some(map) => lines.extend(map.iter().map(|(name, entry)| format!("{key} {name}={}", printed(&entry.node)))),
                    None => lines.extend(printed(&entry.node).split(", ").map(|part| format!("{key} {}", part.trim_matches(['{', '}'])))),
                },
            }
        }
        lines.sort();
        lines.join("\n")
    }

    proptest! {
        #[test]
        fn three_files_give_the_same_however_they_are_grouped(one in services(), two in services(), three in services()) {
            let files = [one.as_str(), two.as_str(), three.as_str()];
            assert_eq!(values(&files, false), values(&files, true));
        }
    }
}
