//! Networks and the names in them.

use std::time::Duration;

use chora_core::compose;
use chora_core::model::network::NetworkSpec;
use chora_core::ports::EngineError;

use super::Workbench;

/// Creation and removal can be repeated; lists follow labels.
pub async fn networks_come_and_go(bench: &Workbench) {
    let name = bench.network("net").await;
    assert_eq!(bench.network("net").await, name);
    let listed = bench.engine.networks(&bench.labels()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].name, &listed[0].labels), (&name, &bench.labels()));
    let seen = bench.engine.network(&name).await.unwrap().unwrap();
    assert_eq!((seen.id, seen.containers.len()), (listed[0].id.clone(), 0));
    for _ in 0..2 {
        bench.engine.remove_network(&name).await.unwrap();
    }
    assert!(bench.engine.network(&name).await.unwrap().is_none());
    let pool =
        compose::IpamPool { subnet: Some("10.231.7.0/24".into()), gateway: Some("10.231.7.9".into()), ..compose::IpamPool::default() };
    let ipam = compose::Ipam { config: vec![pool], ..compose::Ipam::default() };
    let network = compose::Network { ipam, internal: true, ..compose::Network::default() };
    bench.engine.create_network(&NetworkSpec { name: name.clone(), network, labels: bench.labels() }).await.unwrap();
    let mut spec = bench.spec("fixed");
    let mut attachment = Workbench::attachment(&name, &[]);
    attachment.options = Some(compose::ServiceNetwork { ipv4_address: Some("10.231.7.77".into()), ..compose::ServiceNetwork::default() });
    spec.attachments = vec![attachment];
    let id = bench.run(&spec).await;
    assert_eq!(bench.inspect(&id).await.addresses[&name].to_string(), "10.231.7.77");
}

/// A container answers to its names in each of its networks from its start.
pub async fn names_resolve_in_every_network(bench: &Workbench) {
    let (left, right) = (bench.network("left").await, bench.network("right").await);
    let mut server = bench.spec("server");
    server.attachments = vec![Workbench::attachment(&left, &["web", "site"]), Workbench::attachment(&right, &["inner"])];
    let server = bench.run(&server).await;
    let addresses = bench.inspect(&server).await.addresses;
    assert!(addresses.contains_key(&left) && addresses.contains_key(&right));
    for (network, alias) in [(&left, "web"), (&left, "site"), (&right, "inner")] {
        let mut client = bench.spec(&format!("client-{alias}"));
        client.attachments = vec![Workbench::attachment(network, &[])];
        let client = bench.run(&client).await;
        assert_eq!(bench.until_answers(&client, &["get", &format!("{alias}:8080"), "/"]).await, "ok\n");
        if alias == "inner" {
            assert_ne!(bench.ask(&client, &["get", "web:8080", "/"]).await.exit_code, 0, "names stay in their network");
        }
    }
}

/// Connecting and disconnecting can be repeated.
pub async fn connections_are_forgiving(bench: &Workbench) {
    let (first, second) = (bench.network("first").await, bench.network("second").await);
    let mut spec = bench.spec("member");
    spec.attachments = vec![Workbench::attachment(&first, &[])];
    let id = bench.run(&spec).await;
    let attachment = Workbench::attachment(&second, &["member"]);
    for _ in 0..2 {
        bench.engine.connect(id.as_str(), &attachment).await.unwrap();
    }
    assert_eq!(bench.engine.network(&second).await.unwrap().unwrap().containers, [spec.name.clone()]);
    for _ in 0..2 {
        bench.engine.disconnect(id.as_str(), &second).await.unwrap();
    }
    assert!(!bench.inspect(&id).await.addresses.contains_key(&second));
    bench.engine.disconnect(&bench.name("gone"), &second).await.unwrap();
    bench.engine.disconnect(id.as_str(), &bench.name("gone")).await.unwrap();
    let nobody = bench.engine.connect(&bench.name("gone"), &attachment).await.unwrap_err();
    assert_eq!(nobody, EngineError::NotFound { what: format!("container `{}`", bench.name("gone")) });
    let nowhere = bench.engine.connect(id.as_str(), &Workbench::attachment(&bench.name("gone"), &[])).await.unwrap_err();
    assert_eq!(nowhere, EngineError::NotFound { what: format!("network `{}`", bench.name("gone")) });
}

/// A network with a running container is not removed.
pub async fn a_network_in_use_stays(bench: &Workbench) {
    let name = bench.network("busy").await;
    let mut spec = bench.spec("member");
    spec.attachments = vec![Workbench::attachment(&name, &[])];
    let id = bench.run(&spec).await;
    let error = bench.engine.remove_network(&name).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    bench.engine.stop_container(id.as_str(), Some(Duration::from_secs(20))).await.unwrap();
    bench.engine.remove_container(id.as_str(), true).await.unwrap();
    bench.engine.remove_network(&name).await.unwrap();
}
