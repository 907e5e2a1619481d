//! A gateway in memory, stricter than the real one: it notes every moment at which a request would have met a container that
//! does not run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chora_core::model::container::ContainerState;
use chora_core::model::digest::Digest;
use serde_json::{Value, json};

use crate::fake_engine::{FakeEngine, Program};

/// The gateway of a fake engine's containers. Clones share it.
#[derive(Clone, Default)]
pub struct FakeGateway {
    state: Arc<Mutex<FakeTable>>,
}

/// What it was told.
#[derive(Debug, Clone, Default)]
pub struct FakeTable {
    /// Addresses by service, as the table has them.
    pub services: BTreeMap<String, Vec<String>>,
    /// Services whose requests wait.
    pub held: BTreeSet<String>,
    /// What it was told to watch; a test that lets it switch back adds an `end`.
    pub watch: Option<Value>,
    /// Drain times of their own that services have, in milliseconds.
    pub drains: BTreeMap<String, u64>,
    /// Hashes of the files that it was sent.
    pub files: BTreeSet<String>,
    /// Paths of the certificates and keys that its table names.
    pub certificates: BTreeSet<String>,
    /// Addresses of canaries by service, as long as there are some.
    pub canaries: BTreeMap<String, Vec<String>>,
    /// What each side of a canary did, as `new` and `old`, at one look after the other; the last goes on. Nothing unless a test says so.
    pub figures: VecDeque<Value>,
    /// Whether it forgets its canaries at once.
    pub forgets: bool,
    /// Whether the engine goes away as soon as this is asked how its canaries do.
    pub unplugs: bool,
    /// Whether candidates answer badly through the gateway, although they answer well without it.
    pub spoils: bool,
    /// Calls so far, as `METHOD path`.
    pub calls: Vec<String>,
    /// When a request would have failed, in words.
    pub lost: Vec<String>,
}

impl FakeGateway {
    /// Another gateway that was told the same so far.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.table().clone())) }
    }

    /// What it was told so far.
    pub fn table(&self) -> MutexGuard<'_, FakeTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program that speaks to it, for the fake engine.
    #[must_use]
    pub fn program(&self, engine: &FakeEngine) -> Program {
        let (gateway, engine) = (self.clone(), engine.clone());
        Program::new(move |line| vec![gateway.answer(&engine, line).to_string()])
    }

    fn answer(&self, engine: &FakeEngine, line: &str) -> Value {
        let question: Value = serde_json::from_str(line).unwrap_or_default();
        let word = |key: &str| question.get(key).and_then(Value::as_str).unwrap_or_default();
        let (method, path) = (word("method"), word("path"));
        let mut table = self.table();
        table.calls.push(format!("{method} {path}"));
        let answer = table.call(method, path.split('?').next().unwrap_or_default(), question.get("body").unwrap_or(&Value::Null));
        let call = format!("{method} {path}");
        table.look(engine, &call);
        engine.world().away |= table.unplugs && call == "GET /v1/canary";
        match answer {
            Ok(body) => json!({ "status": 200, "body": body }),
            Err((status, error)) => json!({ "status": status, "body": { "error": error } }),
        }
    }
}

/// Every question is answered in the same way.
fn rehearsed(body: &Value, ok: bool) -> Result<Value, (u16, String)> {
    let candidates = body.get("candidates").and_then(Value::as_array).ok_or((400, "no candidates".to_owned()))?;
    let answers = candidates.iter().map(|candidate| {
        let questions = candidate.get("questions").and_then(Value::as_array).map_or(0, Vec::len);
        vec![json!({ "ok": ok, "words": if ok { "well" } else { "502" } }); questions]
    });
    Ok(json!({ "answers": answers.collect::<Vec<_>>() }))
}

impl FakeTable {
    fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, (u16, String)> {
        match (method, path) {
            ("PUT", "/v1/table") => self.put(body),
            ("POST", "/v1/hold") => {
                let named = self.named(body)?;
                self.held.extend(named);
                Ok(json!({ "held": true }))
            }
            ("POST", "/v1/release-hold") => {
                let named = self.named(body)?;
                if named.iter().all(|name| !self.held.contains(name)) {
                    return Err((409, "it is not held".to_owned()));
                }
                self.held.retain(|name| !named.contains(name));
                Ok(json!({ "held": 3, "refused": 0, "longest_wait_ms": 40 }))
            }
            (_, "/v1/files") => self.files(method, body),
            ("POST", "/v1/rehearse") => rehearsed(body, !self.spoils),
            ("POST", "/v1/watch") => self.set_watch(body),
            ("GET", "/v1/watch") => Ok(json!({ "watch": self.watch })),
            ("DELETE", "/v1/watch") => {
                self.watch = None;
                Ok(json!({ "watching": false }))
            }
            ("POST", "/v1/canary") => self.set_canaries(body),
            ("GET", "/v1/canary") => {
                let none = json!({ "requests": 0, "ended": 0, "errors": 0, "latencies": [] });
                let next = if self.figures.len() > 1 { self.figures.pop_front() } else { self.figures.front().cloned() };
                let figures = next.unwrap_or_else(|| json!({ "new": none, "old": none }));
                let canaries: serde_json::Map<String, Value> = self.canaries.keys().map(|name| (name.clone(), figures.clone())).collect();
                Ok(json!({ "canaries": canaries }))
            }
            ("DELETE", "/v1/canary") => {
                self.canaries.clear();
                Ok(json!({ "canaries": [] }))
            }
            ("GET", "/v1/state") => Ok(json!({ "listeners": self.services.keys().collect::<Vec<_>>() })),
            ("GET", path) => {
                let service = path.strip_prefix("/v1/drain/").ok_or((404, "there is no such call".to_owned()))?;
                self.known(service)?;
                Ok(json!({ "done": true, "releases": [{ "end": { "cut_in_flight": 0, "cut_sessions": 0 } }] }))
            }
            _ => Err((404, "there is no such call".to_owned())),
        }
    }

    fn files(&mut self, method: &str, body: &Value) -> Result<Value, (u16, String)> {
        match method {
            "PUT" => {
                let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
                if Digest::of(word("text").as_bytes()).as_str() != word("sha256") {
                    return Err((400, "what was sent has another content".to_owned()));
                }
                self.files.insert(word("sha256").to_owned());
            }
            "DELETE" => {
                let named = &self.certificates;
                self.files.retain(|hash| named.iter().any(|path| path.contains(hash)));
            }
            _ => {}
        }
        Ok(json!({ "files": self.files }))
    }

    /// The files that a table's listeners name; refused where one was never sent.
    fn named_files(&self, listeners: &[Value]) -> Result<BTreeSet<String>, (u16, String)> {
        let entries = listeners.iter().filter_map(|listener| listener.pointer("/tls/certificates")?.as_array()).flatten();
        let paths = entries.flat_map(|entry| ["certificate", "key"].map(|key| entry.get(key).and_then(Value::as_str)));
        let paths: BTreeSet<String> = paths.flatten().map(str::to_owned).collect();
        match paths.iter().find(|path| !self.files.iter().any(|hash| path.contains(hash))) {
            Some(unknown) => Err((409, format!("{unknown} cannot be read"))),
            None => Ok(paths),
        }
    }

    fn put(&mut self, body: &Value) -> Result<Value, (u16, String)> {
        let bad = |why: &str| Err((400, why.to_owned()));
        let Some(services) = body.get("services").and_then(Value::as_object) else { return bad("no services") };
        let (mut table, mut drains) = (BTreeMap::new(), BTreeMap::new());
        for (name, service) in services {
            let addresses = service.pointer("/active/addresses").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let addresses: Vec<String> = addresses.map(str::to_owned).collect();
            if addresses.is_empty() {
                return bad("a release without an address");
            }
            table.insert(name.clone(), addresses);
            drains.extend(service.get("drain_ms").and_then(Value::as_u64).map(|drain| (name.clone(), drain)));
        }
        let serves = |listener: &&Value| listener.pointer("/http/redirect_to_https").is_none();
        for listener in body.get("listeners").and_then(Value::as_array).into_iter().flatten().filter(serves) {
            let service = ["/auto/service", "/tcp/service"].iter().find_map(|kind| listener.pointer(kind)?.as_str());
            if service.or_else(|| listener.pointer("/http/routes/0/service")?.as_str()).is_none_or(|name| !table.contains_key(name)) {
                return bad("a listener for a service that is not there");
            }
        }
        let listeners = body.get("listeners").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        self.certificates = self.named_files(listeners)?;
        (self.services, self.drains, self.watch) = (table, drains, None);
        self.canaries.clear();
        let services = &self.services;
        self.held.retain(|name| services.contains_key(name));
        Ok(json!({ "switched": [] }))
    }

    fn set_canaries(&mut self, body: &Value) -> Result<Value, (u16, String)> {
        let canaries = body.get("canaries").and_then(Value::as_object).ok_or((400, "no canaries".to_owned()))?;
        canaries.keys().try_for_each(|name| self.known(name))?;
        self.canaries.clear();
        for (name, canary) in canaries.iter().filter(|_| !self.forgets) {
            let addresses = canary.pointer("/release/addresses").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let addresses: Vec<String> = addresses.map(str::to_owned).collect();
            if addresses.is_empty() || self.services.get(name) == Some(&addresses) {
                return Err((400, format!("the canary of {name} goes nowhere else")));
            }
            self.canaries.insert(name.clone(), addresses);
        }
        Ok(json!({ "canaries": canaries.keys().collect::<Vec<_>>() }))
    }

    fn set_watch(&mut self, body: &Value) -> Result<Value, (u16, String)> {
        let back = body.get("back").and_then(Value::as_object).ok_or((400, "no way back".to_owned()))?;
        back.keys().try_for_each(|name| self.known(name))?;
        let asks = |key: &str| body.get(key).and_then(Value::as_array).is_some_and(|questions| !questions.is_empty());
        if !asks("questions") || !asks("back_questions") {
            return Err((400, "nothing is asked".to_owned()));
        }
        self.watch = Some(body.clone());
        Ok(json!({ "watching": true }))
    }

    /// Sends everything back to where the watch says, as a gateway does that finds the new release failing.
    pub fn switch_back(&mut self, why: &str) {
        let Some(watch) = self.watch.as_mut() else { return };
        let back = watch.get("back").and_then(Value::as_object).cloned().unwrap_or_default();
        if let Some(watch) = watch.as_object_mut() {
            watch.insert("end".to_owned(), json!({ "state": "switched_back", "at_ms": 1_700_000_000_000_i64, "why": why }));
        }
        for (name, release) in back {
            let addresses = release.get("addresses").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            self.services.insert(name, addresses.map(str::to_owned).collect());
        }
    }

    fn named(&self, body: &Value) -> Result<Vec<String>, (u16, String)> {
        let names = body.get("services").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let names: Vec<String> = names.map(str::to_owned).collect();
        names.iter().try_for_each(|name| self.known(name))?;
        if names.is_empty() { Err((400, "no services".to_owned())) } else { Ok(names) }
    }

    fn known(&self, name: &str) -> Result<(), (u16, String)> {
        if self.services.contains_key(name) { Ok(()) } else { Err((404, format!("there is no service {name}"))) }
    }

    /// Notes requests that would be lost at this moment.
    fn look(&mut self, engine: &FakeEngine, call: &str) {
        let world = engine.world();
        let runs = |address: &str| {
            let container = address.rsplit_once(':').map_or(address, |(container, _)| container);
            world.container(container).is_some_and(|container| container.state == ContainerState::Running)
        };
        for (name, addresses) in self.services.iter().filter(|(name, _)| !self.held.contains(*name)) {
            for address in addresses.iter().filter(|address| !runs(address)) {
                self.lost.push(format!("after {call}: {name} goes to {address}, which does not run"));
            }
        }
        for (name, address) in self.canaries.iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| (name, address))) {
            if !runs(address) {
                self.lost.push(format!("after {call}: the canary of {name} goes to {address}, which does not run"));
            }
        }
        let watch = self.watch.iter().filter(|watch| watch.get("end").is_none());
        let back = watch.filter_map(|watch| watch.get("back")?.as_object()).flat_map(|back| back.values());
        let addresses = back.filter_map(|release| release.get("addresses")?.as_array()).flatten().filter_map(Value::as_str);
        for address in addresses.filter(|address| !runs(address)) {
            self.lost.push(format!("after {call}: the watch would go back to {address}, which does not run"));
        }
    }
}
