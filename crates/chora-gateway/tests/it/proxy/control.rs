//! The control socket, the state file, maintenance.

use std::os::unix::fs::PermissionsExt as _;

use chora_gateway::{Gateway, GatewayError, GatewaySettings, StateFileError, Table};
use hyper::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::stack::{Folder, Stack, http, inquiry, release, service, table};
use super::upstream::Replica;

#[tokio::test]
async fn only_the_owner_can_open_the_control_socket() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mode = std::fs::metadata(stack.socket()).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = stack.stop().await;
    assert!(!folder.0.join("control.sock").exists());
}

#[tokio::test]
async fn a_second_gateway_leaves_the_first_alone() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let second = Gateway::run(&stack.folder.settings(), inquiry(), CancellationToken::new(), || ()).await;
    assert!(matches!(second, Err(GatewayError::ControlSocket { .. })), "{second:?}");
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_restarted_gateway_serves_what_it_served() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    stack.switch(&second, 1000).await;
    stack.control(Method::POST, "/v1/maintenance", &json!({ "on": true, "message": "soon", "allow": ["/open"] })).await;
    let folder = stack.stop().await;
    // What a gateway that was killed leaves behind.
    drop(std::os::unix::net::UnixListener::bind(folder.0.join("control.sock")).expect("a socket"));
    let stack = Stack::start(folder).await;
    assert_eq!(stack.get("/open").await.body, "r2 /open");
    assert_eq!(stack.get("/").await.status, 503);
}

#[tokio::test]
async fn a_state_file_that_is_missing_or_torn_is_told() {
    let folder = Folder::new();
    let settings = folder.settings();
    let run = async || Gateway::run(&settings, inquiry(), CancellationToken::new(), || ()).await;
    assert!(matches!(run().await, Err(GatewayError::StateFile(StateFileError::Missing { .. }))));
    let whole = serde_json::to_vec(&json!({ "version": 1 })).expect("JSON");
    std::fs::write(&settings.state_file, &whole[..whole.len() - 1]).expect("a file");
    assert!(matches!(run().await, Err(GatewayError::StateFile(StateFileError::Torn { .. }))));
    std::fs::write(&settings.state_file, r#"{"version":9}"#).expect("a file");
    let told = run().await.expect_err("another version").to_string();
    assert!(told.contains("version 9"), "{told}");
}

#[tokio::test]
async fn a_gateway_can_begin_with_an_empty_table() {
    let replica = Replica::start("r1").await;
    let stack = Stack::empty(Folder::new()).await;
    assert_eq!(stack.state().await["table"], json!({ "version": 1, "listeners": [], "services": {} }));
    stack.told(Method::PUT, "/v1/table", &table(&service(&replica))).await;
    // What is there is taken up, whether or not it was allowed to be missing.
    let stack = Stack::empty(stack.stop().await).await;
    assert_eq!(stack.get("/").await.body, "r1 /");
    let stack = Stack::start(stack.stop().await).await;
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn an_empty_table_takes_the_place_of_nothing_else() {
    let folder = Folder::new();
    let settings = GatewaySettings { begin_empty: true, ..folder.settings() };
    std::fs::write(&settings.state_file, r#"{"version":1"#).expect("a file");
    let torn = Gateway::run(&settings, inquiry(), CancellationToken::new(), || ()).await;
    assert!(matches!(torn, Err(GatewayError::StateFile(StateFileError::Torn { .. }))), "{torn:?}");
    let settings = GatewaySettings { state_file: folder.0.join("none").join("state.json"), ..settings };
    let nowhere = Gateway::run(&settings, inquiry(), CancellationToken::new(), || ()).await;
    assert!(matches!(nowhere, Err(GatewayError::StateFile(StateFileError::Unwritable { .. }))), "{nowhere:?}");
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_not_made() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    // A folder where the draft of the file would be: the file cannot be written.
    std::fs::create_dir(stack.folder.0.join("state.json.new")).expect("a folder");
    let body = json!({ "service": "web", "release": release(&second) });
    let got = stack.control(Method::POST, "/v1/switch", &body).await;
    assert_eq!(got.status, 500, "{got:?}");
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_new_table_takes_the_place_of_the_old_one() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    assert_eq!(client.get("/").await.body, "r1 /");
    let routes = json!([{ "prefix": "/new", "service": "new" }, { "prefix": "/web", "service": "web" }]);
    let services = json!({ "web": service(&second), "new": service(&first) });
    let next = json!({ "version": 1, "listeners": [http(&routes), http(&json!([]))], "services": services });
    let got = stack.control(Method::PUT, "/v1/table", &next).await.json();
    assert_eq!(got["switched"][0]["to"], "r2", "{got}");
    // The connection that was there before goes by the new routes.
    assert_eq!(client.get("/").await.status, 404);
    assert_eq!(client.get("/web").await.body, "r2 /web");
    assert_eq!(client.get("/new").await.body, "r1 /new");
    let state = stack.state().await;
    assert_eq!(state["listeners"].as_array().expect("listeners").len(), 2);
    assert_eq!(state["listeners"][0]["local"], stack.address.as_str());
    Table::load(&stack.folder.0.join("state.json")).expect("a whole table");
}

#[tokio::test]
async fn a_listener_that_is_taken_out_ends_after_what_it_carries() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    crate::support::eventually("it is under way", async || replica.requests() == 1).await;
    let none = json!({ "version": 1, "listeners": [], "services": { "web": service(&replica) } });
    assert_eq!(stack.control(Method::PUT, "/v1/table", &none).await.status, 200);
    let closed = async || tokio::net::TcpStream::connect(&stack.address).await.is_err();
    crate::support::eventually("its port is closed", closed).await;
    replica.open_gate();
    assert_eq!(slow.await.expect("an answer").body, "r1");
}

#[tokio::test]
async fn what_is_under_way_ends_before_the_gateway_does() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    crate::support::eventually("it is under way", async || replica.requests() == 1).await;
    let (address, stopping) = (stack.address.clone(), tokio::spawn(stack.stop()));
    let closed = async || tokio::net::TcpStream::connect(&address).await.is_err();
    crate::support::eventually("its port is closed", closed).await;
    replica.open_gate();
    assert_eq!(slow.await.expect("an answer").body, "r1");
    stopping.await.expect("an end");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let taken = json!({ "version": 1, "listeners": [{ "bind": replica.address, "tcp": { "service": "web" } }],
        "services": { "web": service(&replica) } });
    for (method, path, body, status) in [
        (Method::PUT, "/v1/table", json!({ "version": 2 }), 400),
        (Method::PUT, "/v1/table", taken, 409),
        (Method::POST, "/v1/switch", json!({ "service": "none", "release": release(&replica) }), 404),
        (Method::POST, "/v1/switch", json!({ "service": "web", "release": { "name": "r2", "addresses": [] } }), 400),
        (Method::POST, "/v1/switch", json!({ "service": "web", "release": release(&replica), "else": 1 }), 400),
        (Method::POST, "/v1/release-hold", json!({ "service": "web" }), 409),
        (Method::GET, "/v1/drain/web?wait_ms=soon", json!({}), 400),
        (Method::GET, "/v1/drain/none", json!({}), 404),
        (Method::POST, "/v1/nothing", json!({}), 404),
    ] {
        let got = stack.control(method, path, &body).await;
        assert_eq!(got.status, status, "{path} {body}: {got:?}");
        assert!(got.json()["error"].is_string(), "{got:?}");
    }
    assert_eq!(stack.get("/").await.body, "r1 /");
    let same = table(&service(&replica));
    assert_eq!(stack.control(Method::PUT, "/v1/table", &same).await.json(), json!({ "switched": [] }));
}

#[tokio::test]
async fn maintenance_leaves_only_the_allowed_paths() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let on = json!({ "on": true, "message": "back at <noon>", "allow": ["/health"] });
    assert_eq!(stack.control(Method::POST, "/v1/maintenance", &on).await.status, 200);
    let got = stack.get("/").await;
    assert_eq!(got.status, 503);
    assert!(got.body.contains("back at &lt;noon&gt;"), "{got:?}");
    assert!(got.headers.contains_key("retry-after"));
    assert_eq!(stack.get("/health").await.body, "r1 /health");
    assert_eq!(stack.get("/healthy").await.status, 503);
    stack.control(Method::POST, "/v1/maintenance", &json!({ "on": false })).await;
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn counters_can_be_scraped() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    stack.get("/").await;
    let got = stack.control(Method::GET, "/metrics", &json!({})).await;
    assert!(got.body.contains("chora_gateway_requests_total{service=\"web\"} 1\n"), "{}", got.body);
}
