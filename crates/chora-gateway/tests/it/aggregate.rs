//! Many servers offered as one.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::client::{Client, call, events, read_until};
use crate::many::{Served, broken, remote, serve, server, settings};
use crate::support::{Setup, eventually};
use chora_gateway::{ChildSharing, ManySettings, NamedServer};

async fn together(servers: Vec<NamedServer>) -> Served {
    let names: Vec<_> = servers.iter().map(|server| server.name.clone()).collect();
    let served = serve(ManySettings { aggregate: true, ..settings(servers) }).await;
    let there: Vec<_> = names.iter().map(String::as_str).filter(|name| !name.starts_with("ill")).collect();
    served.ready(&there).await;
    served
}

fn names(listed: &Value, kind: &str, key: &str) -> Vec<String> {
    let entries = listed["result"][kind].as_array().unwrap_or_else(|| panic!("no {kind}: {listed}"));
    entries.iter().map(|entry| entry[key].as_str().expect("text").to_owned()).collect()
}

async fn listed(client: &Client, method: &str, kind: &str, key: &str) -> Vec<String> {
    names(&client.post(&json!({ "jsonrpc": "2.0", "id": method, "method": method })).await.json(), kind, key)
}

async fn ask(client: &Client, method: &str, params: Value) -> Value {
    client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await.json()
}

#[tokio::test]
async fn a_session_has_everything_of_all_servers() {
    let served = together(vec![server("one", "both"), server("two", "legacy"), server("three", "modern")]).await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = served.session("", revision).await;
        let tools = listed(&client, "tools/list", "tools", "name").await;
        assert_eq!(tools, ["one_who", "one_c", "two_who", "two_c", "three_who", "three_c"], "every page, in order");
        for name in ["one", "two", "three"] {
            let got = client.call(json!("x"), &format!("{name}_who"), json!({})).await;
            assert!(got.text().contains(&format!("\"name\": \"{name}\"")) && got.json()["id"] == "x", "{}", got.body);
            let got = ask(&client, "prompts/get", json!({ "name": format!("{name}_greet") })).await;
            assert_eq!(got["result"]["description"], format!("{name} greet"));
            let got = ask(&client, "resources/read", json!({ "uri": format!("test://{name}/7") })).await;
            assert_eq!(got["result"]["contents"][0]["text"], name, "{got}");
            let reference = json!({ "type": "ref/prompt", "name": format!("{name}_greet") });
            let got = ask(&client, "completion/complete", json!({ "ref": reference, "argument": {} })).await;
            assert_eq!(got["result"]["completion"]["values"], json!([name, "greet"]), "{got}");
        }
        let reference = json!({ "type": "ref/resource", "uri": "test://two/{id}" });
        let got = ask(&client, "completion/complete", json!({ "ref": reference, "argument": {} })).await;
        assert_eq!(got["result"]["completion"]["values"][0], "two");
        let resources = listed(&client, "resources/list", "resources", "uri").await;
        assert_eq!(resources, ["test://one/1", "test://shared", "test://two/1", "test://three/1"]);
        assert_eq!(ask(&client, "resources/read", json!({ "uri": "test://shared" })).await["result"]["contents"][0]["text"], "one");
        assert_eq!(ask(&client, "resources/read", json!({ "uri": "other://x" })).await["error"]["code"], -32002);
        assert_eq!(client.call(json!(1), "nothing", json!({})).await.json()["error"]["code"], -32602);
    }
    let remarks = served.client("").get("/health").await.json()["metadata"]["remarks"].to_string();
    assert!(remarks.contains("test://shared") && remarks.contains("of two"), "{remarks}");
    served.stop().await;
}

#[tokio::test]
async fn requests_that_stand_alone_have_everything_too() {
    let served = together(vec![server("one", "both"), server("two", "legacy"), server("three", "modern")]).await;
    let client = served.client("");
    let discovered = client.lone(json!(1), "server/discover", json!({})).await.json()["result"].clone();
    let offered = discovered["capabilities"].as_object().expect("capabilities");
    assert!(["tools", "prompts", "resources", "completions"].iter().all(|key| offered.contains_key(*key)), "{discovered}");
    assert!(discovered["instructions"].as_str().is_some_and(|text| text.contains("this is two")), "{discovered}");
    let tools = client.lone(json!(2), "tools/list", json!({})).await.json();
    assert_eq!(names(&tools, "tools", "name"), ["one_who", "one_c", "two_who", "two_c", "three_who", "three_c"]);
    assert_eq!((tools["result"]["resultType"].as_str(), tools["result"]["ttlMs"].as_u64()), (Some("complete"), Some(0)), "{tools}");
    for name in ["one", "two", "three"] {
        let got = client.lone_call(json!("x"), &format!("{name}_who"), json!({})).await;
        assert!(got.text().contains(name) && got.json()["id"] == "x", "{}", got.body);
    }
    let (listener, message) =
        client.lone_message(json!("sub"), "subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } }));
    let mut body = listener.send(Method::POST, "/mcp", message.to_string()).await.into_body();
    read_until(&mut body, "acknowledged").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.lone_call(json!(3), "two_c", json!({ "lists": true })).await;
    assert!(read_until(&mut body, "list_changed").await.contains(r#""io.modelcontextprotocol/subscriptionId":"sub""#));
    assert_eq!(client.lone(json!(4), "tools/call", json!({ "name": "nothing" })).await.status, 400);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_progress_and_answers_are_never_mixed_up() {
    let servers = vec![server("one", "both"), server("two", "legacy"), server("three", "modern")];
    let served = serve(ManySettings { aggregate: true, sharing: ChildSharing::Shared, ..settings(servers) }).await;
    served.ready(&["one", "two", "three"]).await;
    let mut clients = Vec::new();
    for number in 0..16 {
        let client = served.session("", ["2025-03-26", "2025-11-25"][number % 2]).await;
        listed(&client, "tools/list", "tools", "name").await;
        clients.push(tokio::spawn(wrong_answers(client, number)));
    }
    let mut wrong = 0;
    for client in clients {
        wrong += client.await.expect("no panic");
    }
    assert_eq!(wrong, 0, "of {} answers", 16 * 60);
    served.stop().await;
}

/// Calls with ids and progress tokens that all clients share; gives the number of wrong answers.
async fn wrong_answers(client: Client, number: usize) -> u32 {
    let mut wrong = 0;
    for id in 0..60 {
        let name = ["one", "two", "three"][(id + number) % 3];
        let text = format!("client {number} call {id}");
        let tool = if id % 5 == 0 { "c" } else { "who" };
        let mut message = call(json!(id), &format!("{name}_{tool}"), json!({ "text": text }));
        message["params"]["_meta"] = json!({ "progressToken": id });
        let got = client.post(&message).await;
        let answer = if got.body.starts_with('{') { got.json() } else { got.events().pop().expect("an answer") };
        let said = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        let is_right = if tool == "c" { said == format!("{name} {text}") } else { said.contains(&format!("\"name\": \"{name}\"")) };
        let foreign = got.body.starts_with("id:")
            && got.events().iter().any(|event| {
                let told = event["params"]["message"].as_str();
                told.is_some_and(|told| told != text) || (told.is_some() && event["params"]["progressToken"] != id)
            });
        wrong += u32::from(!is_right || foreign || answer["id"] != id);
    }
    wrong
}

#[tokio::test]
async fn a_question_goes_to_the_client_whose_call_caused_it() {
    let served = together(vec![server("a", "both"), server("b", "legacy")]).await;
    let (mine, other) = (served.session("", "2025-11-25").await, served.session("", "2025-11-25").await);
    for client in [&mine, &other] {
        listed(client, "tools/list", "tools", "name").await;
    }
    let mut body = mine.send(Method::POST, "/mcp", call(json!(1), "b_c", json!({ "ask": true })).to_string()).await.into_body();
    let asked = events(&read_until(&mut body, "sampling/createMessage").await).pop().expect("a request");
    other.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "intruder" } })).await;
    mine.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "owner" } })).await;
    let rest = read_until(&mut body, "content").await;
    assert!(rest.contains("owner") && !rest.contains("intruder"), "{rest}");
    // A client that stands alone is asked in its own way.
    let client = served.client("");
    let mut params = json!({ "name": "b_c", "arguments": { "ask": true } });
    let (sender, mut message) = client.lone_message(json!(1), "tools/call", params.clone());
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({ "sampling": {} });
    let result = sender.post(&message).await.json()["result"].clone();
    let (key, _) = result["inputRequests"].as_object().unwrap_or_else(|| panic!("{result}")).iter().next().expect("one");
    params["requestState"] = result["requestState"].clone();
    params["inputResponses"] = json!({ (key.clone()): { "said": "alone" } });
    let got = client.lone(json!(2), "tools/call", params).await;
    assert!(got.text().contains("alone"), "{}", got.body);
    served.stop().await;
}

#[tokio::test]
async fn names_that_would_be_one_are_told_apart() {
    let served = together(vec![server("a", "legacy"), server("a_b", "legacy")]).await;
    let client = served.session("", "2025-11-25").await;
    let tools = listed(&client, "tools/list", "tools", "name").await;
    assert_eq!(tools.len(), 4);
    assert_eq!(&tools[..3], ["a_who", "a_b_c", "a_b_who"]);
    assert!(tools[3].starts_with("a_b_c_"), "{tools:?}");
    assert!(client.call(json!(1), "a_b_c", json!({ "text": "x" })).await.text().starts_with("a "));
    assert!(client.call(json!(1), &tools[3], json!({ "text": "x" })).await.text().starts_with("a_b "));
    let told = served.client("").get("/health").await.json()["metadata"]["remarks"].to_string();
    assert!(told.contains("`c` of a_b is offered as"), "{told}");
    served.stop().await;
}

#[tokio::test]
async fn a_server_that_is_down_is_named_and_the_others_go_on() {
    let far = Setup { era: "legacy", ..Setup::default() }.serve().await;
    let far_url = format!("http://{}/mcp", far.address);
    let served = together(vec![server("well", "both"), broken("ill"), remote("far", &far_url)]).await;
    eventually("it was tried", async || served.client("ill").get("/health").await.json()["error"].is_string()).await;
    let client = served.session("", "2025-11-25").await;
    assert_eq!(listed(&client, "tools/list", "tools", "name").await, ["well_who", "well_c", "far_echo"]);
    let got = client.call(json!(1), "ill_anything", json!({})).await.json();
    assert_eq!((got["error"]["code"].as_i64(), got["error"]["data"]["server"].as_str()), (Some(-32000), Some("ill")), "{got}");
    assert!(got["error"]["message"].as_str().is_some_and(|message| message.starts_with("ill: ")), "{got}");
    // The remote goes: it is still listed, a call to it fails at once, and it is found when it is there again.
    let address = far.address.clone();
    far.stop().await;
    eventually("it is missed", async || served.client("far").get("/ready").await.status == 503).await;
    assert_eq!(listed(&client, "tools/list", "tools", "name").await, ["well_who", "well_c", "far_echo"]);
    let began = std::time::Instant::now();
    let got = client.call(json!(1), "far_echo", json!({ "text": "x" })).await.json();
    assert_eq!((got["error"]["code"].as_i64(), got["error"]["data"]["server"].as_str()), (Some(-32000), Some("far")), "{got}");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(client.call(json!(2), "well_who", json!({})).await.text().contains("well"));
    let again = Setup { era: "legacy", ..Setup::default() }.serve_at(&address).await;
    served.ready(&["far"]).await;
    assert_eq!(client.call(json!(3), "far_echo", json!({ "text": "back" })).await.text(), "back");
    served.stop().await;
    again.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_fails_its_calls_and_comes_back() {
    let served = together(vec![server("a", "legacy"), server("b", "both")]).await;
    let client = served.session("", "2025-11-25").await;
    listed(&client, "tools/list", "tools", "name").await;
    let mut stream = client.send(Method::GET, "/mcp", "").await.into_body();
    let got = client.call(json!(1), "b_c", json!({ "die": true })).await.json();
    assert_eq!((got["error"]["code"].as_i64(), got["error"]["data"]["server"].as_str()), (Some(-32000), Some("b")), "{got}");
    assert!(client.call(json!(2), "a_who", json!({})).await.text().contains("\"a\""));
    eventually("it is back", async || client.call(json!(3), "b_who", json!({})).await.json().get("result").is_some()).await;
    assert!(read_until(&mut stream, "tools/list_changed").await.contains("notifications/tools/list_changed"));
    served.stop().await;
}

#[tokio::test]
async fn levels_subscriptions_and_cancellations_reach_whom_they_concern() {
    let served = together(vec![server("a", "legacy"), server("b", "legacy")]).await;
    let client = served.session("", "2025-11-25").await;
    listed(&client, "tools/list", "tools", "name").await;
    assert_eq!(ask(&client, "logging/setLevel", json!({ "level": "error" })).await["result"], json!({}));
    assert_eq!(ask(&client, "resources/subscribe", json!({ "uri": "test://b/1" })).await["result"], json!({}));
    let mut stream = client.send(Method::GET, "/mcp", "").await.into_body();
    for (name, subscribed) in [("a", json!([])), ("b", json!(["test://b/1"]))] {
        let told: Value = serde_json::from_str(&client.call(json!(1), &format!("{name}_who"), json!({})).await.text()).expect("JSON");
        assert_eq!((&told["level"], &told["subscribed"]), (&json!("error"), &subscribed), "{told}");
    }
    client.call(json!(2), "b_c", json!({ "changed": "test://b/1" })).await;
    assert!(read_until(&mut stream, "resources/updated").await.contains("test://b/1"));
    client.call(json!(3), "a_b_c", json!({ "lists": true })).await;
    read_until(&mut stream, "tools/list_changed").await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(json!("slow"), "b_c", json!({ "sleep": 30 })).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let params = json!({ "requestId": "slow", "reason": "enough" });
    client.post(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    assert!(calling.await.expect("an end").body.is_empty(), "nothing answers a cancelled call");
    eventually("the server knows", async || client.call(json!(4), "b_c", json!({ "cancelled": true })).await.text().contains("requestId"))
        .await;
    served.stop().await;
}

#[tokio::test]
async fn processes_of_sessions_are_their_own_and_end_with_them() {
    let servers = vec![server("a", "legacy"), server("b", "modern")];
    let served = serve(ManySettings { aggregate: true, sharing: ChildSharing::Session, ..settings(servers) }).await;
    served.ready(&["a", "b"]).await;
    let (mine, other) = (served.session("", "2025-11-25").await, served.session("", "2025-11-25").await);
    for client in [&mine, &other] {
        listed(client, "tools/list", "tools", "name").await;
    }
    let pid = async |client: &Client| client.call(json!(1), "a_b_c", json!({ "pid": true })).await.text();
    let (first, second) = (pid(&mine).await, pid(&other).await);
    assert_ne!(first, second);
    assert_eq!(mine.request(Method::DELETE, "/mcp", "").await.status, 204);
    eventually("its process ends", async || !crate::support::runs(&first)).await;
    assert_eq!(pid(&other).await, second);
    served.stop().await;
}
