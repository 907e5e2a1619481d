//! Routes as the gateway's table says them.

use chora_core::compose::EdgeTls;
use chora_core::plan::gateway::{Route, SharedRoute};
use serde_json::{Map, Value, json};

/// The document of `PUT /v1/table` (docs/guide/gateway.md).
pub(super) fn table(routes: &[Route]) -> Value {
    let listeners: Vec<Value> = routes.iter().map(listener).chain(doors(routes)).collect();
    let services: Map<String, Value> = routes
        .iter()
        .map(|route| {
            let mut service = json!({ "active": { "name": route.release, "addresses": route.addresses } });
            if let (Some(seconds), Some(fields)) = (route.drain_seconds, service.as_object_mut()) {
                fields.insert("drain_ms".to_owned(), json!(seconds.saturating_mul(1000)));
            }
            (route.backend(), service)
        })
        .collect();
    json!({ "version": 1, "listeners": listeners, "services": services })
}

fn listener(route: &Route) -> Value {
    let bind = bind(route.port);
    let backend = json!({ "service": route.backend() });
    match route.protocol.as_deref() {
        Some("http") => json!({ "bind": bind, "http": { "routes": [backend] } }),
        Some("tcp") => json!({ "bind": bind, "tcp": backend }),
        _ => json!({ "bind": bind, "auto": backend }),
    }
}

fn bind(port: u16) -> String {
    format!("0.0.0.0:{port}")
}

/// The ports that services share, with what goes where by host and path.
fn doors(routes: &[Route]) -> Vec<Value> {
    let Some(any) = routes.iter().find_map(|route| route.shared.as_ref()) else { return Vec::new() };
    let shared = routes.iter().filter_map(|route| Some((route, route.shared.as_ref()?)));
    let by_host: Vec<Value> = shared.flat_map(|(route, shared)| places(shared, &route.backend())).collect();
    let plain = json!({ "bind": bind(any.http), "http": { "routes": by_host } });
    let (Some(tls), Some(https)) = (&any.tls, any.https) else { return vec![plain] };
    let secure = json!({ "bind": bind(https), "http": { "routes": by_host }, "tls": entry(tls) });
    let redirect = json!({ "redirect_to_https": { "port": any.public_https.unwrap_or(443) } });
    let plain = if tls.redirect { json!({ "bind": bind(any.http), "http": redirect }) } else { plain };
    vec![plain, secure]
}

fn places(shared: &SharedRoute, backend: &str) -> Vec<Value> {
    let hosts: Vec<Option<&str>> =
        if shared.hosts.is_empty() { vec![None] } else { shared.hosts.iter().map(|host| Some(host.as_str())).collect() };
    let paths: Vec<&str> = if shared.paths.is_empty() { vec!["/"] } else { shared.paths.iter().map(String::as_str).collect() };
    let place = |host: Option<&str>, path: &str| match host {
        Some(host) => json!({ "service": backend, "host": host, "prefix": path }),
        None => json!({ "service": backend, "prefix": path }),
    };
    hosts.into_iter().flat_map(|host| paths.iter().map(move |path| place(host, path))).collect()
}

/// What is absent stays so: the gateway knows no nulls in their place.
fn entry(tls: &EdgeTls) -> Value {
    let mut entry = Map::new();
    entry.extend(tls.hsts_seconds.map(|seconds| ("hsts_seconds".to_owned(), json!(seconds))));
    if !tls.certificates.is_empty() {
        entry.insert("certificates".to_owned(), json!(tls.certificates));
    }
    entry.extend(tls.acme.as_ref().map(|acme| ("acme".to_owned(), json!(acme))));
    Value::Object(entry)
}

#[cfg(test)]
mod tests {
    use chora_core::compose::{EdgeAcme, EdgeCertificate, EdgeTls};
    use chora_core::plan::gateway::{Route, SharedRoute};
    use serde_json::{Value, json};

    use super::table;

    fn route(service: &str, port: u16, hosts: &[&str], paths: &[&str], tls: Option<&EdgeTls>) -> Route {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let shared = SharedRoute {
            hosts: words(hosts),
            paths: words(paths),
            http: 80,
            https: tls.map(|_| 443),
            public_https: tls.map(|_| 8443),
            tls: tls.cloned(),
        };
        Route {
            port,
            service: service.to_owned(),
            release: "r1".to_owned(),
            addresses: vec![format!("{service}-1:8000")],
            protocol: Some("http".to_owned()),
            drain_seconds: None,
            shared: Some(shared),
        }
    }

    fn doors(tls: Option<&EdgeTls>) -> Vec<Value> {
        let routes = [route("web", 40_000, &["a.example", "b.example"], &[], tls), route("api", 40_001, &[], &["/api"], tls)];
        let document = table(&routes);
        assert!(document["services"]["web"].is_object() && document["services"]["api"].is_object(), "{document:#}");
        document["listeners"].as_array().unwrap()[2..].to_vec()
    }

    #[test]
    fn services_share_a_port_by_host_and_path() {
        let routes = json!([
            { "service": "web", "host": "a.example", "prefix": "/" },
            { "service": "web", "host": "b.example", "prefix": "/" },
            { "service": "api", "prefix": "/api" },
        ]);
        assert_eq!(doors(None), [json!({ "bind": "0.0.0.0:80", "http": { "routes": routes } })]);
    }

    #[test]
    fn with_tls_there_is_a_second_port_and_the_first_one_leads_to_it() {
        let certificate =
            EdgeCertificate { hosts: vec!["a.example".into()], certificate: "/run/secrets/c".into(), key: "/run/secrets/k".into() };
        let acme = EdgeAcme { directory: "https://ca/dir".into(), hosts: vec!["b.example".into()], ..EdgeAcme::default() };
        let tls = EdgeTls { redirect: true, hsts_seconds: Some(60), certificates: vec![certificate], acme: Some(acme) };
        let both = doors(Some(&tls));
        assert_eq!(both[0], json!({ "bind": "0.0.0.0:80", "http": { "redirect_to_https": { "port": 8443 } } }));
        let wanted = json!({
            "hsts_seconds": 60,
            "certificates": [{ "hosts": ["a.example"], "certificate": "/run/secrets/c", "key": "/run/secrets/k" }],
            "acme": { "directory": "https://ca/dir", "hosts": ["b.example"] },
        });
        assert_eq!(both[1]["tls"], wanted);
        assert_eq!(both[1]["bind"], "0.0.0.0:443");
        let open = doors(Some(&EdgeTls { redirect: false, ..tls }));
        assert_eq!(open[0]["http"]["routes"], both[1]["http"]["routes"]);
    }
}
