//! Certificates that the gateway of a deployment gets by itself, from a real authority.

use std::time::{Duration, Instant};

use chora_core::plan::gateway::GATEWAY;
use chora_testkit::free_port;

use super::edge::{PAIR, kill, once, plain, shown};
use super::pebble::Pebble;
use super::site::Site;

fn manifest(http: u16, https: u16, tls: &str) -> String {
    format!(
        "
environments:
  production: {{ gate_timeout: 5s, http_port: 127.0.0.1:{http}, https_port: 127.0.0.1:{https}, tls: {{ {tls} }} }}
services:
  web: {{ hosts: [shop.example], health: {{ endpoint: {{ http: /health, port: 8080 }} }} }}
"
    )
}

/// Waits for what an authority has its part in, at most a minute.
fn in_a_while<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: never within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_host_gets_its_certificate_in_either_way_and_keeps_it() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let (site, https) = (Site::new(PAIR, ""), free_port());
        let authority = Pebble::start(&site, https);
        let acme =
            format!("acme: {{ directory: '{}', contact: ops@shop.example, ca: ca.pem, challenge: {challenge} }}", authority.directory);
        site.chora.write("chora.yaml", manifest(site.port, https, &acme));
        site.release("v1");
        let client = authority.client();
        let answer = in_a_while("a certificate", || once(&client, https, "shop.example", "/").ok());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("web v1"), "{challenge}: {answer}");
        let sent = plain(site.port, "shop.example", "/a");
        assert!(sent.starts_with("HTTP/1.1 301") && sent.contains(&format!("https://shop.example:{https}/a")), "{sent}");
        let status = site.json(&["status"]);
        assert!(status["certificates"][0]["until"].is_string() && status["certificates"][0]["failure"].is_null(), "{status:#}");
        assert!(site.chora.run(["status"]).stdout.contains("certificate: shop.example until 20"));
        let (first, gateway) = (shown(&client, https), site.running(GATEWAY)["Id"].clone());

        // Whoever could order another one would fail.
        drop(authority);
        site.release("v2");
        assert!(once(&client, https, "shop.example", "/").unwrap().contains("web v2"));
        kill(&site);
        in_a_while("it serves again", || once(&client, https, "shop.example", "/").ok());
        assert_eq!((shown(&client, https), &site.running(GATEWAY)["Id"]), (first, &gateway));
    }
}

#[test]
fn an_authority_that_cannot_be_reached_is_named_and_everything_else_is_served() {
    let (site, https) = (Site::new(PAIR, ""), free_port());
    // Nobody listens there inside the gateway's container. What it would be believed by comes from this machine.
    let tls = "redirect: false, acme: { directory: 'https://127.0.0.1:9/dir' }";
    site.chora.write("chora.yaml", manifest(site.port, https, tls));
    let deployed = site.json(&["deploy", "--quiet", "--version", "v1"]);
    assert!(deployed["warnings"].to_string().contains("shop.example cannot be asked over TLS yet: its certificate is"), "{deployed:#}");
    assert!(plain(site.port, "shop.example", "/").contains("web v1"));
    let status = in_a_while("the reason", || {
        let ran = site.chora.run(["status"]);
        ran.stdout.contains("certificate: shop.example has none yet: client error").then_some(ran)
    });
    assert!(status.stdout.contains("refused"), "{status}");
    let log = site.chora.run(["logs", GATEWAY]);
    assert!(log.to_string().contains("no certificate was issued, it is tried again: "), "{log}");
    site.release("v2");
    assert!(plain(site.port, "shop.example", "/").contains("web v2"));
    let again = site.chora.run(["deploy", "--quiet", "--json"]).json();
    assert_eq!(again["outcome"], "unchanged", "{again:#}");
    assert!(again["warnings"].to_string().contains("ordered again by itself: client error"), "{again:#}");
}
