//! Recording and comparing, with files in a real folder.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::container::{Container, ContainerState, EngineHealth};
use chora_core::model::contract::{Contract, Tool};
use chora_core::model::health::{McpProbe, Probe, ProbeAnswer, ProbeVerdict};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::secret::Secret;
use chora_core::ports::Prober;
use chora_ops::contract::{ContractRequest, diff_contract, path_of, read, record_contract};
use serde_json::json;

/// Answers with what it holds.
struct Says(Mutex<Option<Contract>>);

#[async_trait]
impl Prober for Says {
    async fn probe(&self, _: &Container, _: &Probe, _: Duration) -> ProbeAnswer {
        let contract = self.0.lock().unwrap().clone();
        let verdict = if contract.is_some() { ProbeVerdict::Pass } else { ProbeVerdict::NoAnswer };
        ProbeAnswer { verdict, asked: String::new(), answered: "connection refused".to_owned(), took: Duration::ZERO, contract }
    }
}

fn offers(tools: &[&str], version: &str) -> Contract {
    let tool = |name: &&str| Tool { name: (*name).to_owned(), input_schema: json!({ "type": "object" }), ..Tool::default() };
    let tools = tools.iter().map(tool).collect();
    Contract { schema_version: 1, server: "shop".to_owned(), server_version: version.to_owned(), tools, ..Contract::default() }
}

fn container() -> Container {
    Container {
        id: ContainerId::new("c"),
        name: "shop-1".to_owned(),
        image: ImageId::new("sha256:0"),
        labels: indexmap::IndexMap::new(),
        state: ContainerState::Running,
        exit_code: None,
        oom_killed: false,
        restarts: 0,
        health: EngineHealth::None,
        healthcheck: Vec::new(),
        created_at: None,
        started_at: None,
        finished_at: None,
        pid: 1,
        addresses: indexmap::IndexMap::new(),
        published: Vec::new(),
        exposed: Vec::new(),
        error: String::new(),
        command: Vec::new(),
        environment: Secret::new(Vec::new()),
    }
}

#[tokio::test]
async fn a_recording_is_written_once_and_breaks_loudly() {
    let project = tempfile::tempdir().unwrap();
    let how = McpProbe::default();
    let request =
        ContractRequest { service: "shop".to_owned(), project: project.path().to_owned(), file: None, how, limit: Duration::from_secs(1) };
    let server = Says(Mutex::new(None));
    let offer = |contract| *server.0.lock().unwrap() = Some(contract);

    let error = diff_contract(&server, &container(), &request).await.unwrap_err();
    assert!(error.to_string().contains("chora contract record"), "{error}");
    let error = record_contract(&server, &container(), &request).await.unwrap_err();
    assert_eq!(error.to_string(), "the server does not say what it offers: connection refused");
    assert!(!project.path().join(".chora").exists());

    offer(offers(&["buy", "search"], "1"));
    let first = record_contract(&server, &container(), &request).await.unwrap();
    assert_eq!((first.path.as_str(), first.written, first.changes.len()), (".chora/contracts/shop.json", true, 0));
    assert!(!record_contract(&server, &container(), &request).await.unwrap().written);
    assert_eq!(std::fs::read_dir(project.path().join(".chora/contracts")).unwrap().count(), 1);

    offer(offers(&["search", "sell"], "2"));
    let diff = diff_contract(&server, &container(), &request).await.unwrap();
    let words: Vec<_> = diff.changes.iter().map(ToString::to_string).collect();
    assert_eq!((diff.ok, words), (false, vec!["tool `buy` removed".to_owned(), "tool `sell` added".to_owned()]));
    assert_eq!(record_contract(&server, &container(), &request).await.unwrap().changes, diff.changes);
    assert!(diff_contract(&server, &container(), &request).await.unwrap().ok);

    let elsewhere = ContractRequest { file: Some("api/shop.json".into()), ..request };
    assert!(diff_contract(&server, &container(), &elsewhere).await.is_err());
    assert_eq!(record_contract(&server, &container(), &elsewhere).await.unwrap().path, "api/shop.json");
    assert_eq!(read(&project.path().join("api/shop.json")).unwrap().tools.len(), 2);
    assert!(diff_contract(&server, &container(), &elsewhere).await.unwrap().ok);
}

#[test]
fn only_contracts_that_are_understood_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    for (text, words) in [("{", "EOF"), ("{}", "it has no `schema_version`"), (r#"{"schema_version":2}"#, "its format is 2")] {
        std::fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for service in ["", "..", ".x", "a/b", "a\\b", "ä"] {
        assert!(path_of(service).is_err(), "{service}");
    }
}
