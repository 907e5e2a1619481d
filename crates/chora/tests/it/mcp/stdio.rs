//! Raw messages over standard input and output.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Pipe, Project, chora, empty_folder, offered};

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect()
}

#[test]
fn it_answers_where_there_is_no_project_and_no_engine() {
    let folder = empty_folder();
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(folder.path()));
    let hello = pipe.shake_hands("2025-11-25");
    assert_eq!(hello["serverInfo"]["name"], "chora");
    assert!(hello["instructions"].as_str().is_some_and(|text| text.contains("`plan`")));
    let failure = pipe.call("config", json!({}))["result"].clone();
    assert_eq!((&failure["isError"], &failure["structuredContent"]["kind"]), (&json!(true), &json!("not_found")), "{failure}");
    assert!(pipe.close().success());
}

#[test]
fn every_revision_with_a_handshake_is_spoken() {
    let project = Project::new();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
        assert_eq!(pipe.shake_hands(revision)["protocolVersion"], revision);
    }
}

#[test]
fn tools_say_what_they_do_to_the_world() {
    let project = Project::new();
    let tools = offered(&mut Pipe::open(&mut project.serve(&["--stdio"])));
    let mut table = String::new();
    for tool in &tools {
        let (hints, input) = (&tool["annotations"], &tool["inputSchema"]["properties"]);
        let flag = |name: &str, letter: &str| if hints[name] == true { letter.to_owned() } else { "-".to_owned() };
        let letters = [flag("readOnlyHint", "reads"), flag("destructiveHint", "destroys"), flag("idempotentHint", "repeats")].join(" ");
        let asks = if input["confirm"].is_object() { "asks" } else { "-" };
        assert_eq!(hints["destructiveHint"] == true, asks == "asks", "what destroys asks, and nothing else does: {tool}");
        assert_eq!(hints["openWorldHint"], false);
        assert!(tool["title"].is_string() && tool["outputSchema"]["type"] == "object" && tool["inputSchema"]["type"] == "object", "{tool}");
        assert!(
            input.as_object().is_none_or(|input| input.values().all(|property| property["description"].is_string())),
            "an argument without a word: {tool}"
        );
        table.push_str(&format!("{:15} {letters:26} {asks}\n", tool["name"].as_str().expect("a name")));
    }
    insta::assert_snapshot!(table, @r"
    plan            reads - repeats            -
    deploy          - destroys repeats         asks
    rollback        - destroys -               asks
    resume          - destroys -               asks
    abort           - destroys -               asks
    status          reads - repeats            -
    history         reads - repeats            -
    health          reads - repeats            -
    ps              reads - repeats            -
    config          reads - repeats            -
    down            - destroys repeats         asks
    prune           - destroys repeats         asks
    maintenance     - destroys repeats         asks
    build           - - repeats                -
    logs            reads - repeats            -
    events          reads - repeats            -
    contract_record - - repeats                -
    contract_diff   reads - repeats            -
    patterns        reads - repeats            -
    init            - destroys -               asks
    upgrade         - destroys -               asks
    audit           reads - repeats            -
    verify          - - repeats                -
    build_multi     - destroys repeats         asks
    push            - destroys repeats         asks
    release         - destroys repeats         asks
    ");
}

#[test]
fn the_tools_fit_into_what_a_model_can_spare() {
    let project = Project::new();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    let answer = pipe.ask("tools/list", json!({}));
    let sizes: Vec<(&str, usize)> = answer["result"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| (tool["name"].as_str().expect("a name"), tool.to_string().len()))
        .collect();
    assert!(answer.to_string().len() < 45_000, "{} bytes: {sizes:?}", answer.to_string().len());
}

#[test]
fn what_is_not_declared_is_not_there() {
    let project = Project::new();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    assert_eq!(pipe.shake_hands("2025-11-25")["capabilities"], json!({ "tools": {} }));
    for method in ["prompts/list", "resources/list", "resources/templates/list", "completion/complete", "logging/setLevel"] {
        let params = json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": "x", "value": "x" }, "level": "info" });
        assert_eq!(pipe.ask(method, params)["error"]["code"], -32601, "{method}");
    }
}

#[test]
fn files_are_written_and_audited_where_no_project_is_yet() {
    let folder = empty_folder();
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(folder.path()));
    pipe.shake_hands("2025-11-25");
    let mut call = |tool: &str, arguments| pipe.call(tool, arguments)["result"]["structuredContent"].clone();
    assert!(call("patterns", json!({}))["patterns"].is_array());
    let nothing = call("audit", json!({}));
    assert_eq!((&nothing["kind"], &nothing["hint"].as_str().expect("a hint").starts_with("chora init")), (&json!("not_found"), &true));
    let written = call("init", json!({ "answers": { "name": "notes", "language": "go" } }));
    assert_eq!(written["pattern"], "minimal", "{written}");
    let audit = call("audit", json!({ "fail_under": 100 }));
    assert_eq!(audit["ok"], false, "{audit}");
    assert!(audit["percent"].as_u64().expect("a number") >= 90, "{audit}");
    assert!(audit["lacking"][0].as_str().expect("a line").starts_with("missing project.env-ignored: .gitignore Git would take `.env`"));
    assert!(audit["tasks"][0].as_str().expect("a task").ends_with("\n.gitignore:\n.env\n.env.local"), "{audit}");
    std::fs::write(folder.path().join("compose.yaml"), "services: 1\n").expect("written");
    let broken = call("audit", json!({}))["lacking"].as_array().expect("lines").clone();
    assert!(broken.iter().any(|line| line.as_str().expect("a line").starts_with("missing stack.resolves")), "{broken:?}");
}

#[test]
fn what_the_library_has_to_say_is_heard_only_when_asked_for() {
    let project = Project::new();
    let said = |more: &[&str]| {
        let mut command = project.serve(&[&["--stdio"], more].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        } });
        let unknown = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "nonsense" } });
        let mut input = child.stdin.take().expect("standard input");
        writeln!(input, "{hello}\n{}\n{unknown}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).expect("sent");
        drop(input);
        String::from_utf8(child.wait_with_output().expect("it ends").stderr).expect("text")
    };
    assert_eq!(said(&[]), "");
    assert_eq!(said(&["-v"]), "");
    assert!(said(&["-vv"]).contains("nonsense"), "{}", said(&["-vv"]));
}

#[test]
fn a_tool_fails_with_what_happened_and_what_to_do() {
    let project = Project::new();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    let result = pipe.call("status", json!({}))["result"].clone();
    let failure = &result["structuredContent"];
    assert_eq!((&result["isError"], &failure["kind"], &failure["retry"]), (&json!(true), &json!("unavailable"), &json!(true)), "{result}");
    let text = result["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("engine") && text.contains("next: "), "{text}");
}

#[test]
fn arguments_are_checked_before_anything_is_asked() {
    let project = Project::new();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    for (tool, arguments) in [
        ("status", json!({ "enviroment": "staging" })),
        ("history", json!({ "limit": "many" })),
        ("down", json!({ "confirm": "yes" })),
        ("contract_diff", json!({})),
    ] {
        let result = pipe.call(tool, arguments.clone())["result"].clone();
        assert_eq!(result["structuredContent"]["kind"], "invalid", "{tool} {arguments}: {result}");
    }
    let unknown = pipe.call("destroy", json!({}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[test]
fn the_resolved_stack_needs_no_engine() {
    let project = Project::new();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    let result = pipe.call("config", json!({}))["result"].clone();
    assert_eq!(result["structuredContent"]["stack"]["services"]["web"]["image"], "shop/web:1", "{result}");
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("1 services: web\n")), "{result}");
}

#[test]
fn fewer_tools_can_be_offered() {
    let project = Project::new();
    let two = offered(&mut Pipe::open(&mut project.serve(&["--stdio", "--tools", "status,history"])));
    assert_eq!(names(&two), ["status", "history"]);
    let mut reading = Pipe::open(&mut project.serve(&["--stdio", "--read-only"]));
    let harmless = offered(&mut reading);
    assert!(names(&harmless).contains(&"plan") && harmless.iter().all(|tool| tool["annotations"]["readOnlyHint"] == true));
    let refused = reading.call("down", json!({ "confirm": true }));
    assert_eq!(refused["error"]["code"], -32602, "a tool that is not offered cannot be called: {refused}");
}

#[test]
fn an_offer_of_nothing_is_refused() {
    let project = Project::new();
    for (arguments, says) in
        [(["--tools", "status,nonsense"].as_slice(), "nonsense"), (&["--read-only", "--tools", "down"], "no tool is left")]
    {
        let output = project.serve(&[&["--stdio"], arguments].concat()).output().expect("it ends");
        assert_eq!(output.status.code(), Some(64));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
}

#[test]
fn without_a_person_to_ask_consent_is_an_argument() {
    let project = Project::new().with_empty_engine();
    let mut pipe = Pipe::open(&mut project.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    let asked = pipe.call("down", json!({ "volumes": true }))["result"].clone();
    let failure = &asked["structuredContent"];
    assert_eq!(
        (&asked["isError"], &failure["kind"], &failure["state"]),
        (&json!(true), &json!("denied"), &json!("nothing was changed")),
        "{asked}"
    );
    assert!(failure["hint"].as_str().is_some_and(|hint| hint.contains("`confirm: true`")), "{asked}");
    assert!(failure["details"].to_string().contains("volumes of development and all data in them"), "{asked}");
    let done = pipe.call("down", json!({ "volumes": true, "confirm": true }))["result"].clone();
    assert_eq!((&done["isError"], &done["structuredContent"]["containers"]), (&json!(false), &json!([])), "{done}");
}

#[test]
fn what_a_model_names_is_not_fetched_and_what_it_trusts_does_not_run() {
    let folder = empty_folder();
    let source = folder.path().join("source");
    std::fs::create_dir_all(source.join("patterns")).expect("made");
    let manifest =
        "title: t\nsummary: s\nversion: 1\nquestions: {name: {ask: n}}\nfiles: [{path: a, from: a.j2}]\nhooks: {init: [[touch, hooked]]}\n";
    std::fs::write(source.join("patterns/p.yaml"), manifest).expect("written");
    std::fs::write(source.join("a.j2"), "{{ name }}\n").expect("written");
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(folder.path()));
    pipe.shake_hands("2025-11-25");
    let mut call = |arguments| pipe.call("init", arguments)["result"]["structuredContent"].clone();
    for dry_run in [true, false] {
        let asked = call(json!({ "from": "source", "dry_run": dry_run, "answers": { "name": "notes" } }));
        assert!(asked["kind"] == "denied" && asked.to_string().contains("take patterns from source"), "{asked}");
    }
    assert_eq!(call(json!({ "from": "source", "trust": ["source"] }))["kind"], "invalid");
    let done = call(json!({ "from": "source", "answers": { "name": "notes" }, "confirm": true }));
    assert_eq!(done["pattern"], "p", "{done}");
    assert!(done["files"].to_string().contains("not run: touch hooked") && !folder.path().join("hooked").exists(), "{done}");
}

#[test]
fn previews_keep_nobody_waiting() {
    let folder = empty_folder();
    let (source, home) = (folder.path().join("source"), folder.path().join("home"));
    let write = |path: std::path::PathBuf, text: String| {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    let (go_on, gave_up) = (folder.path().join("go-on"), folder.path().join("gave-up"));
    let wait = format!("for i in $(seq 200); do test -e {} && exit; sleep 0.1; done; : > {}", go_on.display(), gave_up.display());
    let hooks = json!({ "upgrade": [["sh", "-c", wait]] });
    let manifest = format!(
        "title: t\nsummary: s\nversion: 1\nquestions: {{name: {{ask: n, default: x}}}}\nfiles: [{{path: a, from: a.j2}}]\nhooks: {hooks}\n"
    );
    write(source.join("patterns/p.yaml"), manifest);
    write(source.join("a.j2"), "one\n".to_owned());
    write(home.join(".config/chora/config.yaml"), format!("trust: [{}]\n", json!(source.canonicalize().expect("it is there"))));
    let project = folder.path().join("project");
    std::fs::create_dir(&project).expect("made");
    let mut pipe = Pipe::open(chora().args(["serve", "--stdio", "--project"]).arg(&project).env("HOME", &home));
    pipe.shake_hands("2025-11-25");
    let made = pipe.call("init", json!({ "from": source, "confirm": true }));
    assert_eq!(made["result"]["structuredContent"]["pattern"], "p", "{made}");
    write(source.join("a.j2"), "two\n".to_owned());
    // As many as the server has threads for answers.
    for id in 900..904 {
        pipe.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "upgrade", "arguments": {} } }));
    }
    let listed = pipe.call("patterns", json!({}));
    assert!(listed["result"]["structuredContent"].is_object() && !gave_up.exists(), "{listed}");
    std::fs::write(go_on, "").expect("written");
    let asked = loop {
        let message = pipe.receive();
        if message["id"].as_u64().is_some_and(|id| id >= 900) {
            break message;
        }
    };
    assert!(asked["result"]["structuredContent"].to_string().contains("clean        a"), "{asked}");
}
