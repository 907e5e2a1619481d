//! A program for tests to run in containers: it serves, ends, hangs, eats memory or looks around, as told.
//!
//! Without arguments it serves HTTP; these variables change how: `PORT` (8080), `STATUS` of `/health` (200),
//! which is 500 once `BAD_AFTER_MS` are over, `FAIL_EVERY` so many other requests with 500, `SLOW_MS` before each of them, `START_AFTER_MS`, `EXIT_AFTER_MS` with `EXIT_CODE`, `IGNORE_SIGTERM`, `EAT_MEMORY`, `STDOUT_LINES`, `STDERR_LINES`.
//! With arguments it does one thing and ends: see `once`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program whose output is what tests look at")]

use std::collections::BTreeSet;
use std::io::{IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => serve(),
        words => once(words).unwrap_or_else(|error| {
            eprintln!("{error}");
            ExitCode::from(1)
        }),
    }
}

fn once(words: &[&str]) -> std::io::Result<ExitCode> {
    match words {
        ["echo", rest @ ..] => println!("{}", rest.join(" ")),
        ["complain", rest @ ..] => eprintln!("{}", rest.join(" ")),
        ["fail", code] => return Ok(ExitCode::from(code.parse::<u8>().unwrap_or(1))),
        ["cat", path] => std::io::stdout().write_all(&std::fs::read(path)?)?,
        ["write", path, text] => std::fs::write(path, text)?,
        ["stat", path] => {
            let facts = std::fs::metadata(path)?;
            println!("{:o} {} {}", facts.mode() & 0o7777, facts.uid(), facts.gid());
        }
        ["where"] => println!("{}", std::env::current_dir()?.display()),
        ["env"] => std::env::vars().for_each(|(name, value)| println!("{name}={value}")),
        ["flood", bytes] => print!("{}", "x".repeat(bytes.parse().unwrap_or(0))),
        ["sleep", milliseconds] => std::thread::sleep(millis(milliseconds)),
        ["terminal"] => println!("{}", std::io::stdin().is_terminal()),
        ["copy"] => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout())?;
        }
        ["get", address, path] => return get(address, path),
        ["screen"] => return screen(),
        ["mcp"] => return streams(),
        _ => return Err(std::io::Error::other(format!("unknown: {words:?}"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// An MCP server on standard streams: its tools are the one that `TOOL` names (`add`), `version`, and `count`, which tells how often this
/// very process was asked for it. It says so when its input ends.
fn streams() -> std::io::Result<ExitCode> {
    let (mut counted, added) = (0, variable("TOOL").unwrap_or_else(|| "add".to_owned()));
    for line in std::io::stdin().lines() {
        let message: Value = serde_json::from_str(&line?)?;
        let Some(id) = message.get("id") else { continue };
        let number = |name: &str| message.pointer(&format!("/params/arguments/{name}")).and_then(Value::as_i64).unwrap_or(0);
        let tool = message.pointer("/params/name").and_then(Value::as_str);
        let text = match message.get("method").and_then(Value::as_str) {
            Some("initialize") => Err(json!({
                "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": "tools", "version": "1" },
            })),
            Some("tools/list") => {
                let listed = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
                Err(json!({ "tools": [listed(&added), listed("version"), listed("count")] }))
            }
            Some("tools/call") if tool == Some("version") => Ok(variable("VERSION").unwrap_or_default()),
            Some("tools/call") if tool == Some("count") => {
                counted += 1;
                Ok(counted.to_string())
            }
            Some("tools/call") if tool == Some(&added) => Ok((number("a") + number("b")).to_string()),
            Some("ping") => Err(json!({})),
            _ => {
                let error = json!({ "code": -32601, "message": "unknown" });
                println!("{}", json!({ "jsonrpc": "2.0", "id": id, "error": error }));
                continue;
            }
        };
        let result = text.map_or_else(|result| result, |text| json!({ "content": [{ "type": "text", "text": text }] }));
        println!("{}", json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }
    eprintln!("its input has ended");
    Ok(ExitCode::SUCCESS)
}

/// Shows its terminal's size now and whenever it changes, and every byte as it comes, as editors do; `q` ends it with 3.
fn screen() -> std::io::Result<ExitCode> {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let mut mode = tcgetattr(rustix::stdio::stdin())?;
    mode.make_raw();
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &mode)?;
    let show = || {
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())?;
        println!("{} rows {} columns", size.ws_row, size.ws_col);
        Ok::<_, std::io::Error>(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let mut changes = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?;
        let mut input = tokio::io::stdin();
        show()?;
        loop {
            tokio::select! {
                _ = changes.recv() => show()?,
                byte = input.read_u8() => match byte? {
                    b'q' => return Ok(ExitCode::from(3)),
                    byte => println!("byte {byte}"),
                },
            }
        }
    });
    runtime.shutdown_background();
    code
}

/// Asks an HTTP server; the exit code says whether it answered 200.
fn get(address: &str, path: &str) -> std::io::Result<ExitCode> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    println!("{body}");
    Ok(if head.contains(" 200 ") { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap_or(0))
}

fn count(name: &str) -> u64 {
    variable(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn serve() -> ExitCode {
    (0..count("STDOUT_LINES")).for_each(|number| println!("out {number}"));
    (0..count("STDERR_LINES")).for_each(|number| eprintln!("err {number}"));
    if variable("EAT_MEMORY").is_some() {
        eat_memory();
    }
    std::thread::sleep(Duration::from_millis(count("START_AFTER_MS")));
    if variable("PORT").as_deref() != Some("none") {
        std::thread::spawn(listen);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return ExitCode::from(70) };
    runtime.block_on(async {
        let ends_by_itself = async {
            match variable("EXIT_AFTER_MS") {
                Some(text) => tokio::time::sleep(millis(&text)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ends_by_itself => ExitCode::from(u8::try_from(count("EXIT_CODE")).unwrap_or(1)),
            () = terminated() => ExitCode::SUCCESS,
        }
    })
}

/// The first process of a container does not end on SIGTERM unless it says so.
async fn terminated() {
    if variable("IGNORE_SIGTERM").is_some() {
        return std::future::pending().await;
    }
    if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        signal.recv().await;
    }
}

/// An engine watches for it only once the process runs: one that is killed at once ends with 137 and without a reason.
fn eat_memory() {
    std::thread::sleep(Duration::from_millis(500));
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1u8; 1 << 20]);
        std::hint::black_box(&eaten);
    }
}

fn listen() {
    let port = variable("PORT").and_then(|port| port.parse().ok()).unwrap_or(8080u16);
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("port {port}: {error}");
            return;
        }
    };
    LazyLock::force(&BEGAN);
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut piece = [0u8; 1024];
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => request.extend(piece.iter().take(length)),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let target = head.split(' ').nth(1).unwrap_or("/");
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut rest = vec![0; usize::saturating_sub(length, body.len())];
    if stream.read_exact(&mut rest).is_err() {
        return;
    }
    if matches!(target, "/mcp" | "/mcp/bare") {
        let message = format!("{body}{}", String::from_utf8_lossy(&rest));
        return mcp(&mut stream, head, &message);
    }
    let (status, body) = respond(target);
    reply(&mut stream, status, "Content-Type: text/plain", &body);
}

fn reply(stream: &mut TcpStream, status: u64, headers: &str, body: &[u8]) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status} X\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(body);
}

/// MCP sessions that are open, as this server numbers them.
static SESSIONS: std::sync::Mutex<BTreeSet<String>> = std::sync::Mutex::new(BTreeSet::new());
static SESSIONS_SO_FAR: AtomicU64 = AtomicU64::new(0);

/// An MCP server whose one tool answers with the release that it is of, after `ms` milliseconds, telling progress on the way to who
/// asks for it. Sessions are for those who name one (revisions until 2025-11-25); a stream of one tells the release every 50 ms, and
/// so do the changes that a client of 2026-07-28 listens for. At `/mcp/bare` it lists no tool.
fn mcp(stream: &mut TcpStream, head: &str, message: &str) {
    let header = |name: &str| head.lines().find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
    let session = header("mcp-session-id").map(|(_, value)| value.trim().to_owned());
    let mut sessions = SESSIONS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if session.as_ref().is_some_and(|session| !sessions.contains(session)) {
        return reply(stream, 404, "Content-Type: text/plain", b"no such session");
    }
    let release = variable("VERSION").unwrap_or_default();
    match (head.split(' ').next(), session) {
        (Some("GET"), Some(_)) => {
            drop(sessions);
            let said = json!({ "method": "notifications/message", "params": { "level": "info", "data": release } });
            return tell(stream, &[], &said);
        }
        (Some("DELETE"), Some(session)) => {
            sessions.remove(&session);
            return reply(stream, 200, "Content-Type: text/plain", b"");
        }
        _ => {}
    }
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let Some(id) = message.get("id") else { return reply(stream, 202, "Content-Type: text/plain", b"") };
    let mut headers = "Content-Type: application/json".to_owned();
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    if method == "initialize" {
        let session = format!("{release}-{}", SESSIONS_SO_FAR.fetch_add(1, Ordering::Relaxed));
        headers += &format!("\r\nMcp-Session-Id: {session}");
        sessions.insert(session);
    }
    drop(sessions);
    if method == "subscriptions/listen" {
        let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
        let heard = json!({ "_meta": meta, "notifications": { "toolsListChanged": true } });
        let heard = json!({ "method": "notifications/subscriptions/acknowledged", "params": heard });
        return tell(stream, &[heard], &json!({ "method": "notifications/tools/list_changed", "params": { "_meta": meta } }));
    }
    let wait = millis_of(message.pointer("/params/arguments/ms"));
    if let Some(token) = message.pointer("/params/_meta/progressToken").filter(|_| method == "tools/call") {
        return progress(stream, (id, token), wait, &release);
    }
    std::thread::sleep(wait);
    let mut result = result(method, &message, &release);
    if let Some(tools) = result.get_mut("tools").filter(|_| head.contains(" /mcp/bare ")) {
        *tools = json!([]);
    }
    let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    reply(stream, 200, &headers, answer.to_string().as_bytes());
}

fn millis_of(value: Option<&Value>) -> Duration {
    Duration::from_millis(value.and_then(Value::as_u64).unwrap_or(0))
}

/// What answers a request; of the fields of the newest revision older ones know nothing, and leave them alone.
fn result(method: &str, message: &Value, release: &str) -> Value {
    let tool = json!({ "name": "slow", "inputSchema": { "type": "object" } });
    match method {
        "initialize" => json!({
            "protocolVersion": message.pointer("/params/protocolVersion"),
            "capabilities": { "tools": {}, "logging": {} },
            "serverInfo": { "name": "idle", "version": "1" },
        }),
        "server/discover" => json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "supportedVersions": ["2026-07-28"], "capabilities": { "tools": { "listChanged": true } },
        }),
        "tools/call" => json!({ "resultType": "complete", "content": [{ "type": "text", "text": release }] }),
        _ => json!({ "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "tools": [tool] }),
    }
}

/// Answers a call in an event stream: three words of progress, then the result.
fn progress(stream: &mut TcpStream, (id, token): (&Value, &Value), wait: Duration, release: &str) {
    let mut told = begin_events(stream);
    for step in 1..=3 {
        std::thread::sleep(wait / 3);
        let params = json!({ "progressToken": token, "progress": step, "total": 3 });
        told = told.and_then(|()| event(stream, &json!({ "method": "notifications/progress", "params": params })));
    }
    let answer = json!({ "id": id, "result": result("tools/call", &Value::Null, release) });
    // Who is gone needs no answer.
    drop(told.and_then(|()| event(stream, &answer)));
}

/// An event stream that says the same again and again until its reader goes.
fn tell(stream: &mut TcpStream, first: &[Value], again: &Value) {
    let mut told = begin_events(stream).and_then(|()| first.iter().try_for_each(|said| event(stream, said)));
    while told.is_ok() {
        told = event(stream, again);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn begin_events(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
}

fn event(stream: &mut TcpStream, message: &Value) -> std::io::Result<()> {
    let mut whole = message.clone();
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("jsonrpc".to_owned(), "2.0".into());
    }
    stream.write_all(format!("data: {whole}\n\n").as_bytes())
}

/// Requests for the release so far.
static OTHERS: AtomicU64 = AtomicU64::new(0);

/// Since when this process serves.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

fn has_turned_bad() -> bool {
    variable("BAD_AFTER_MS").is_some_and(|after| BEGAN.elapsed() >= millis(&after))
}

fn respond(target: &str) -> (u64, Vec<u8>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/health" if has_turned_bad() => (500, b"{\"status\":\"down\"}".to_vec()),
        "/health" => (if variable("STATUS").is_some() { count("STATUS") } else { 200 }, b"{\"status\":\"ok\"}".to_vec()),
        "/env" => (200, std::env::vars().map(|(name, _)| name + "\n").collect::<String>().into_bytes()),
        "/file" => match std::fs::read(query.strip_prefix("path=").unwrap_or_default()) {
            Ok(content) => (200, content),
            Err(error) => (404, error.to_string().into_bytes()),
        },
        "/hang" => loop {
            std::thread::park();
        },
        _ => {
            std::thread::sleep(Duration::from_millis(count("SLOW_MS")));
            let number = OTHERS.fetch_add(1, Ordering::Relaxed) + 1;
            let fails = number.checked_rem(count("FAIL_EVERY")) == Some(0);
            (if fails { 500 } else { 200 }, variable("VERSION").unwrap_or_else(|| "ok".to_owned()).into_bytes())
        }
    }
}
