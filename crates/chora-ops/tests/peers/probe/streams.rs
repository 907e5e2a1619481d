//! Standard streams and sidecars, over an engine that counts and never forgives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chora_core::compose::Service;
use chora_core::model::container::{Container, ContainerSpec};
use chora_core::model::health::{HttpProbe, McpCall, McpProbe, McpTransport, Probe, ProbeAnswer, ProbeVerdict};
use chora_core::model::ids::ImageId;
use chora_core::ports::{Engine, Prober};
use chora_ops::OwnImage;
use chora_ops::probe::{NetworkProber, ProbeOutcome};
use chora_testkit::fake_engine::{Behaviour, FakeEngine, Program};
use chora_testkit::faults::Faults;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(5);

/// A running container, and a prober whose sidecars are made of an empty file.
struct Bench {
    engine: FakeEngine,
    faults: Faults,
    container: Container,
    prober: NetworkProber,
    _executable: tempfile::NamedTempFile,
}

async fn bench() -> Bench {
    let faults = Faults::new();
    let engine = FakeEngine::new(faults.clone());
    engine.world().add_image("tools:1", Behaviour::Healthy);
    let spec = ContainerSpec {
        name: "tools-1".to_owned(),
        image: ImageId::new("sha256:tools:1"),
        service: Service::default(),
        labels: indexmap::IndexMap::new(),
        attachments: Vec::new(),
        network_mode: None,
        mounts: Vec::new(),
        files: Vec::new(),
        publish: false,
    };
    engine.create_container(&spec).await.unwrap();
    engine.start_container("tools-1").await.unwrap();
    let container = engine.container("tools-1").await.unwrap().unwrap();
    let executable = tempfile::NamedTempFile::new().unwrap();
    let prober = NetworkProber::new(Arc::new(engine.clone()), OwnImage::new(Arc::new(engine.clone()), executable.path().to_owned()));
    Bench { engine, faults, container, prober, _executable: executable }
}

/// A server that offers one tool; it asks back before it answers, and says things that are no messages where told to.
fn server(chatter: &'static str) -> Program {
    Program::new(move |line| {
        let request: Value = serde_json::from_str(line).unwrap();
        let stateless = request["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28";
        let result = match request["method"].as_str() {
            Some("initialize") => {
                json!({ "protocolVersion": "2025-11-25", "serverInfo": { "name": "tools", "version": "1" }, "capabilities": { "tools": {} } })
            }
            Some("server/discover") if stateless => json!({
                "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "tools", "version": "1" } },
            }),
            Some("tools/list") => json!({ "tools": [{ "name": "sum", "inputSchema": { "type": "object" } }] }),
            Some("tools/call") => json!({ "content": [{ "type": "text", "text": "42" }] }),
            _ => return Vec::new(),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
        let question = json!({ "jsonrpc": "2.0", "id": "s1", "method": "roots/list" }).to_string();
        [chatter.to_owned(), question, answer].into_iter().filter(|line| !line.is_empty()).collect()
    })
}

fn probe(program: &str) -> McpProbe {
    let call = McpCall { tool: "sum".to_owned(), arguments: json!({}), expect: Some("42".to_owned()) };
    McpProbe { transport: McpTransport::Stdio, command: vec![program.to_owned()], call: Some(call), ..McpProbe::default() }
}

#[tokio::test]
async fn a_server_of_its_own_is_asked_and_ended() {
    let bench = bench().await;
    bench.engine.world().programs.insert("serve".to_owned(), server(""));
    let first = bench.prober.probe(&bench.container, &Probe::Mcp(probe("serve")), LIMIT).await;
    assert_eq!((first.verdict, first.answered.as_str()), (ProbeVerdict::Pass, "tools 1 speaks 2025-11-25: 1 tool"), "{first:?}");
    assert_eq!(first.asked, "mcp stdio serve in tools-1");
    // Recorded as a server of the newest revision, it is asked without a handshake.
    let mut contract = first.contract.unwrap();
    contract.protocol_version = "2026-07-28".to_owned();
    let again = bench.prober.probe(&bench.container, &Probe::Mcp(McpProbe { contract: Some(contract), ..probe("serve") }), LIMIT).await;
    assert_eq!(again.answered, "tools 1 speaks 2026-07-28: 1 tool, contract kept");
    assert!(bench.engine.world().piped.is_empty(), "{:?}", bench.engine.world().piped);
}

#[tokio::test]
async fn what_is_wrong_with_it_is_told() {
    let bench = bench().await;
    bench.engine.world().programs.insert("chatty".to_owned(), server("Welcome!"));
    let chatty = bench.prober.probe(&bench.container, &Probe::Mcp(probe("chatty")), LIMIT).await;
    assert_eq!(chatty.verdict, ProbeVerdict::Degraded);
    assert!(chatty.answered.ends_with("standard output holds what is no message: Welcome!"), "{}", chatty.answered);
    let absent = bench.prober.probe(&bench.container, &Probe::Mcp(probe("absent")), LIMIT).await;
    assert_eq!(absent.verdict, ProbeVerdict::Refused, "{absent:?}");
    let nothing = McpProbe { command: Vec::new(), ..probe("") };
    let nothing = bench.prober.probe(&bench.container, &Probe::Mcp(nothing), LIMIT).await;
    assert_eq!(nothing.verdict, ProbeVerdict::Refused, "{nothing:?}");
    bench.engine.stop_container("tools-1", None).await.unwrap();
    let stopped = bench.prober.probe(&bench.container, &Probe::Mcp(probe("chatty")), LIMIT).await;
    assert_eq!(stopped.verdict, ProbeVerdict::NoAnswer, "{stopped:?}");
    assert!(bench.engine.world().piped.is_empty());
}

/// A sidecar that passes everything and remembers what it was asked.
fn sidecar(asked: &Arc<Mutex<Vec<Value>>>) -> Program {
    let asked = Arc::clone(asked);
    Program::new(move |line| {
        asked.lock().unwrap().push(serde_json::from_str(line).unwrap());
        let (verdict, text) = (ProbeVerdict::Pass, String::new);
        let answer = ProbeAnswer { verdict, asked: text(), answered: "from inside".to_owned(), took: Duration::ZERO, contract: None };
        vec![serde_json::to_string(&ProbeOutcome { ok: true, answer }).unwrap()]
    })
}

#[tokio::test]
async fn a_server_that_stays_is_ended_by_its_mark() {
    let bench = bench().await;
    let asked = Arc::default();
    bench.engine.world().programs.insert("stays".to_owned(), server("").that_stays());
    bench.engine.world().programs.insert("/chora".to_owned(), sidecar(&asked));
    let answer = bench.prober.probe(&bench.container, &Probe::Mcp(probe("stays")), LIMIT).await;
    assert_eq!(answer.verdict, ProbeVerdict::Pass, "{answer:?}");
    let asked = asked.lock().unwrap().clone();
    let mark = asked[0]["question"]["end"]["mark"].as_str().unwrap();
    let left: Vec<String> = bench.engine.world().piped.values().cloned().collect();
    assert_eq!(left, [format!("CHORA_PROBE={mark} stays")]);
    assert!(!bench.engine.world().containers.keys().any(|name| name.starts_with("chora-probe")), "the sidecar is still there");
}

#[tokio::test]
async fn one_sidecar_answers_everything_about_a_container() {
    let bench = bench().await;
    let asked = Arc::default();
    bench.engine.world().programs.insert("/chora".to_owned(), sidecar(&asked));
    for probe in [Probe::Tcp { port: 80 }, Probe::Http(HttpProbe { port: 80, ..HttpProbe::default() }), Probe::Tcp { port: 81 }] {
        let answer = bench.prober.probe(&bench.container, &probe, LIMIT).await;
        assert_eq!(answer.answered, "from inside", "{answer:?}");
    }
    let count = |name: &str| bench.faults.calls().iter().filter(|call| call.name == name).count();
    assert_eq!((asked.lock().unwrap().len(), count("engine.run_piped"), count("engine.load_image")), (3, 1, 1));
    // A container that was started again has another network, and the sidecar of the old one cannot see it.
    let restarted = Container { started_at: Some(jiff::Timestamp::UNIX_EPOCH), ..bench.container.clone() };
    bench.prober.probe(&restarted, &Probe::Tcp { port: 80 }, LIMIT).await;
    let count = |name: &str| bench.faults.calls().iter().filter(|call| call.name == name).count();
    assert_eq!((count("engine.run_piped"), count("engine.load_image")), (2, 1));
}
