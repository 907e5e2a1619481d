//! `chora config` and `chora schema`.

use crate::support::Chora;
use insta::assert_snapshot;

const SHOP: &str = "name: shop\nservices:\n  web:\n    image: nginx:${TAG:-1}\n    ports: [\"8080:80\"]\n";

#[test]
fn the_resolved_stack_is_printed_as_yaml() {
    assert_snapshot!(Chora::new().file("compose.yaml", SHOP).run(["config"]), @r#"
    exit 0
    --- stdout
    name: shop-production
    networks:
      default:
        name: shop-production_default
        ipam: {}
    services:
      web:
        command: null
        entrypoint: null
        image: nginx:1
        networks:
          default: null
        ports:
        - mode: ingress
          target: 80
          published: "8080"
          protocol: tcp
    "#);
}

#[test]
fn with_json_the_stack_is_the_document() {
    let ran = Chora::new().file("compose.yaml", SHOP).env("TAG", "2").run(["config", "--env", "development", "--json"]);
    assert_snapshot!(ran, @r#"
    exit 0
    --- stdout
    {
      "name": "shop",
      "networks": {
        "default": {
          "name": "shop_default",
          "ipam": {}
        }
      },
      "services": {
        "web": {
          "command": null,
          "entrypoint": null,
          "image": "nginx:2",
          "networks": {
            "default": null
          },
          "ports": [
            {
              "mode": "ingress",
              "target": 80,
              "published": "8080",
              "protocol": "tcp"
            }
          ]
        }
      }
    }
    "#);
    assert_eq!(ran.json()["services"]["web"]["image"], "nginx:2");
}

#[test]
fn a_project_is_interpolated_with_the_name_that_it_has_in_the_environment() {
    let compose = "name: shop\nservices:\n  web:\n    image: a\n    labels: {project: $COMPOSE_PROJECT_NAME}\n";
    let shop = Chora::new().file("compose.yaml", compose);
    for (environment, name) in [("development", "shop"), ("production", "shop-production"), ("staging", "shop-staging")] {
        let stack = shop.run(["config", "--env", environment, "--json"]).json();
        assert_eq!((stack["name"].as_str(), stack["services"]["web"]["labels"]["project"].as_str()), (Some(name), Some(name)));
    }
    let named = shop.file("chora.yaml", "environments: {production: {project_name: other}}\n");
    assert_eq!(named.run(["config", "--json"]).json()["name"], "other");
}

#[test]
fn names_or_nothing_can_be_asked_for() {
    let shop = Chora::new().file("compose.yaml", SHOP);
    assert_snapshot!(shop.run(["config", "--services"]), @r#"
    exit 0
    --- stdout
    web
    "#);
    assert_snapshot!(shop.run(["config", "--check"]), @"exit 0");
}

#[test]
fn secrets_are_named_and_never_shown() {
    let compose = "services:\n  web:\n    image: a\n    secrets: [token, key]\nsecrets:\n  token:\n    environment: TOKEN\n  key:\n    file: ./key.txt\n";
    let shop = Chora::new().file("compose.yaml", compose).file("key.txt", "hunter2").env("TOKEN", "hunter3");
    for arguments in [&["config"][..], &["config", "--json"]] {
        let ran = shop.run(arguments);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stdout.contains("token") && !ran.to_string().contains("hunter"), "{ran}");
    }
}

#[test]
fn the_schema_is_one_document_that_knows_environments() {
    let schema = Chora::new().run(["schema"]).json();
    assert!(schema["properties"]["environments"].is_object());
    assert_eq!(schema, Chora::new().run(["schema", "--json"]).json());
}
