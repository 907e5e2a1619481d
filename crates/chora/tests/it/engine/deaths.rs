//! The program killed before and after every step of a deploy, of a rollback and of the way back: the next command finds
//! what was left and says so, a healthy release serves, and the log stays sound.

use super::load::Load;
use super::site::{ASKED, DIRECT, PAIR, Site};
use crate::share::takes;
use serde_json::Value;

/// What is done after a death.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The same command again.
    Again,
    /// `status`, then `resume`.
    Resume,
    Abort,
}

/// Commands after a death alternate; over the steps of a plan each of them meets every phase. To abort is the quickest.
const NEXT: [Next; 4] = [Next::Again, Next::Abort, Next::Resume, Next::Abort];

/// A command that dies.
struct Death<'a> {
    site: &'a Site,
    arguments: Vec<&'a str>,
    /// Version that it was to make live.
    version: &'a str,
    /// Version that is live.
    previous: &'a str,
    /// It dies after its release was recorded.
    recorded: bool,
}

impl Death<'_> {
    /// Lets it die; gives its process id.
    fn die(&self, at: &str) -> u32 {
        let doomed = self.site.chora.start_with(&[("CHORA_PAUSE_AT", at)], &self.arguments);
        doomed.wait_for("waiting to be killed");
        let pid = doomed.pid();
        assert_eq!(doomed.kill().code, 137);
        pid
    }

    /// Runs the next command; gives the version that must be live then.
    fn recover(&self, next: Next, pid: u32) -> &str {
        match next {
            Next::Again => {
                let ended = if self.recorded { "completed" } else { "undone" };
                let found = format!("an unfinished deployment of {} (process {pid} on ", self.version);
                let said = self.says(&self.arguments, 0, &found);
                assert!(said.contains(&format!(") was found and {ended}")), "{said}");
                self.version
            }
            Next::Resume => {
                self.says(&["status"], 0, &format!("of {} by process {pid} on ", self.version));
                self.says(&["resume"], 0, &format!("{} is live", self.version));
                self.version
            }
            Next::Abort if self.recorded => {
                self.says(&["abort"], 75, "is already recorded as live, it cannot be aborted");
                self.says(&["resume"], 0, &format!("{} is live", self.version));
                self.version
            }
            Next::Abort => {
                self.says(&["abort"], 0, &format!("{} was undone; {} serves", self.version, self.previous));
                self.previous
            }
        }
    }

    fn says(&self, arguments: &[&str], code: i32, words: &str) -> String {
        let ran = self.site.chora.run(arguments);
        assert!(ran.code == code && ran.to_string().contains(words), "{arguments:?} is to end with {code} and say `{words}`\n{ran}");
        ran.to_string()
    }
}

/// Two engines share the work: together they meet every place of every step, the oldest one of so many.
const OLDEST_MEETS_ONE_OF: usize = 8;

/// The next step and place to die at, after so many.
fn next(round: &mut usize, places: [&'static str; 2]) -> (usize, &'static str) {
    loop {
        let (step, place) = (*round / 2, places[*round % 2]);
        *round += 1;
        if takes(step + usize::from(place.ends_with("after")), OLDEST_MEETS_ONE_OF) {
            return (step, place);
        }
    }
}

fn steps(plan: &Value) -> Vec<Value> {
    plan["plan"]["steps"].as_array().unwrap_or_else(|| panic!("no steps: {plan:#}")).clone()
}

/// Where a plan's point of no return is.
fn record(steps: &[Value]) -> usize {
    steps.iter().position(|step| step["phase"] == "record").expect("a plan that records its release")
}

/// Both services are of one release, healthy, and everything is told.
fn assert_whole(site: &Site, version: &str) {
    assert_of(site, version, version);
}

/// The same where the internal service need not be of the release.
fn assert_of(site: &Site, version: &str, worker: &str) {
    site.assert_settled(version);
    let variables = site.running("worker")["Config"]["Env"].clone();
    assert!(variables.as_array().unwrap().contains(&format!("VERSION={worker}").into()), "worker is not of {worker}: {variables}");
}

#[test]
fn a_deploy_killed_at_any_step_is_ended_by_the_next_command() {
    let site = Site::new(PAIR, ASKED);
    // From the third release on, plans also tidy up.
    ["v1", "v2", "v3"].iter().for_each(|version| site.release(version));
    let load = Load::light(site.port);
    let mut live = "v3".to_owned();
    let (mut round, mut deaths) = (0, 0);
    loop {
        let (step, place) = next(&mut round, ["before", "after"]);
        let version = format!("v{}", round + 4);
        site.set(&[("RELEASE", &version)]);
        let steps = steps(&site.json(&["plan", "--version", &version]));
        if step >= steps.len() {
            break;
        }
        let arguments = vec!["deploy", "--version", &version];
        let death = Death { site: &site, arguments, version: &version, previous: &live, recorded: step > record(&steps) };
        let pid = death.die(&format!("{step}:{place}"));
        let next = NEXT[(step + usize::from(place == "after")) % NEXT.len()];
        println!("killed {place} step {step} ({}), then {next:?}", steps[step]["phase"]);
        live = death.recover(next, pid).to_owned();
        site.set(&[("RELEASE", &live)]);
        assert_whole(&site, &live);
        deaths += 1;
    }
    let seen = load.end();
    println!("a deploy was killed {deaths} times; {} answers, {} sessions, longest wait {:?}", seen.answered, seen.sessions, seen.longest);
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert!(deaths > 3 && round > 20, "only {deaths} deaths of {round}");
}

#[test]
fn a_rollback_killed_at_any_step_is_ended_by_the_next_command() {
    let site = Site::new(PAIR, ASKED);
    ["v1", "v2"].iter().for_each(|version| site.release(version));
    let load = Load::light(site.port);
    let mut live = "v2";
    let (mut round, mut deaths) = (0, 0);
    loop {
        let (step, place) = next(&mut round, ["before", "after"]);
        let version = if live == "v2" { "v1" } else { "v2" };
        let steps = steps(&site.json(&["rollback", version, "--dry-run"]));
        if step >= steps.len() {
            break;
        }
        let death = Death { site: &site, arguments: vec!["rollback", version], version, previous: live, recorded: step > record(&steps) };
        let pid = death.die(&format!("{step}:{place}"));
        let next = NEXT[(step + usize::from(place == "after")) % NEXT.len()];
        println!("killed {place} step {step} ({}), then {next:?}", steps[step]["phase"]);
        live = if death.recover(next, pid) == version { version } else { live };
        assert_whole(&site, live);
        deaths += 1;
    }
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    println!("a rollback was killed {deaths} times");
    assert!(deaths > 3 && round > 20, "only {deaths} deaths of {round}");
}

#[test]
fn a_way_back_killed_at_any_step_is_ended_by_the_next_command() {
    let site = Site::new(PAIR, DIRECT);
    site.release("v1");
    // On a busy machine it may answer once before it ends.
    site.set(&[("RELEASE", "v2"), ("WEB_ENDS", "1"), ("WEB_STATUS", "500")]);
    let (deaths, places) = kill_on_the_way_back(&site, &["plan", "--version", "v2"], || Death {
        site: &site,
        arguments: vec!["deploy", "--version", "v2"],
        version: "v2",
        previous: "v1",
        recorded: false,
    });
    println!("a deploy on its way back was killed {deaths} times");
    assert!(deaths > 0 && places > 5, "only {deaths} deaths at {places} places");
}

#[test]
fn a_rollback_killed_on_its_way_back_is_ended_by_the_next_command() {
    // A wrong answer is final after the start period.
    let check = "stop_grace_period: 1s\n    healthcheck: { test: [CMD, /chora-test-server, echo], start_period: 100ms, interval: 30s }";
    let site = Site::new(&PAIR.replacen("stop_grace_period: 1s", check, 1), DIRECT);
    for version in ["v1", "v2"] {
        site.set(&[("RELEASE", version), ("WORKER", "v1")]);
        assert_eq!(site.deploy(version).code, 0);
    }
    // What is asked of the old release now is more than it answers.
    let only_v2 = "{ endpoint: { http: /, port: 8080, body_contains: v2 } }";
    site.chora.write(
        "chora.yaml",
        DIRECT.replace("web: { health: { endpoint: { http: /health, port: 8080 } } }", &format!("web: {{ health: {only_v2} }}")),
    );
    let (deaths, places) = kill_on_the_way_back(&site, &["rollback", "v1", "--dry-run"], || Death {
        site: &site,
        arguments: vec!["rollback", "v1"],
        version: "v1",
        previous: "v2",
        recorded: false,
    });
    println!("a rollback on its way back was killed {deaths} times");
    assert!(deaths > 0 && places > 3, "only {deaths} deaths at {places} places");
}

/// Lets a refused command die before and after every undo; gives how often, and how many places there are. What was
/// undone before may leave another plan.
fn kill_on_the_way_back<'a>(site: &Site, plan: &[&str], death: impl Fn() -> Death<'a>) -> (usize, usize) {
    let (mut round, mut deaths) = (0, 0);
    loop {
        let (nth, place) = next(&mut round, ["undo-before", "undo-after"]);
        let steps = steps(&site.json(plan));
        // Steps after the refused gate are never begun.
        let gate = steps.iter().position(gates_web).unwrap_or(steps.len());
        let mut undone = (0..gate.min(record(&steps))).filter(|step| !steps[*step]["undo"].is_null());
        let Some(step) = undone.nth(nth) else { return (deaths, 2 * nth) };
        let death = death();
        let pid = death.die(&format!("{step}:{place}"));
        println!("killed {place} step {step}");
        let healthy = format!("{} serves again in production and is healthy", death.previous);
        match deaths % 3 {
            0 => drop(death.recover(Next::Abort, pid)),
            1 => drop(death.says(&["resume"], 11, &healthy)),
            _ => drop(death.says(&death.arguments, 11, &healthy)),
        }
        assert_of(site, death.previous, "v1");
        deaths += 1;
    }
}

fn gates_web(step: &Value) -> bool {
    step["action"]["targets"].as_array().is_some_and(|targets| targets.iter().any(|target| target["service"] == "web"))
}
