//! Two networks of one name, which engines before API 1.44 make when a creation is repeated while the first is under way.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use chora_core::compose;
use chora_core::model::network::NetworkSpec;

/// Asks the engine to make a network without looking for its name; the status of its answer.
fn create_blindly(name: &str, label: &str) -> u16 {
    let mut stream = UnixStream::connect(crate::socket()).unwrap();
    let body = format!("{{\"Name\":\"{name}\",\"Labels\":{{\"chora.test\":\"{label}\"}}}}");
    let head =
        format!("POST /v1.41/networks/create HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// How many networks of exactly this name there are.
async fn count(name: &str) -> usize {
    let labels = [("chora.test".to_owned(), name.to_owned())].into_iter().collect();
    crate::engine().networks(&labels).await.unwrap().iter().filter(|network| network.name == name).count()
}

#[tokio::test]
async fn two_networks_of_one_name_become_one() {
    let engine = crate::engine();
    let name = format!("chora-test-namesakes-{}", std::process::id());
    let spec = NetworkSpec {
        name: name.clone(),
        network: compose::Network::default(),
        labels: [("chora.test".to_owned(), name.clone())].into_iter().collect(),
    };
    assert_eq!(create_blindly(&name, &name), 201);
    let second = create_blindly(&name, &name);
    assert!(second == 201 || second == 409, "the engine makes a second one, or refuses: {second}");
    assert_eq!(engine.network(&name).await.unwrap().map(|network| network.name), Some(name.clone()));
    assert_eq!(count(&name).await, 1);

    create_blindly(&name, &name);
    engine.create_network(&spec).await.unwrap();
    assert_eq!(count(&name).await, 1);

    create_blindly(&name, &name);
    engine.remove_network(&name).await.unwrap();
    assert_eq!(count(&name).await, 0);
}

#[tokio::test]
async fn a_namesake_of_another_maker_stays() {
    let engine = crate::engine();
    let name = format!("chora-test-stranger-{}", std::process::id());
    assert_eq!(create_blindly(&name, &name), 201);
    if create_blindly(&name, "stranger") == 201 {
        let refused = engine.network(&name).await.expect_err("two of one name, and neither may go");
        assert!(refused.to_string().contains("ambiguous"), "{refused}");
        assert_eq!(count(&name).await, 1);
    }
    for label in [name.as_str(), "stranger"] {
        let labels = [("chora.test".to_owned(), label.to_owned())].into_iter().collect();
        for network in engine.networks(&labels).await.unwrap().iter().filter(|network| network.name == name) {
            engine.remove_network(&network.id).await.unwrap();
        }
    }
}
