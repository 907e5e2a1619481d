//! What a gateway tells of the certificates that it gets by itself.

use serde_json::Value;

use super::{GatewayError, Gateways, list};
use crate::certificates::CertificateLine;

impl Gateways {
    /// Each with the host that it is for.
    pub(crate) async fn certificates(&self, gateway: &str) -> Result<Vec<CertificateLine>, GatewayError> {
        let state = self.tell(gateway, ("GET", "/v1/state"), None).await?;
        Ok(list(&state, "listeners").iter().flat_map(of_listener).collect())
    }
}

fn of_listener(listener: &Value) -> Vec<CertificateLine> {
    let until = listener.get("certificates_until").and_then(Value::as_object);
    // A gateway of an earlier version does not say why.
    let failure = |host: &str| listener.get("certificate_failures")?.get(host)?.as_str().map(str::to_owned);
    let line = |(host, until): (&String, &Value)| CertificateLine {
        host: host.clone(),
        until: until.as_str().and_then(|until| until.parse().ok()),
        failure: failure(host),
    };
    until.into_iter().flatten().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::of_listener;

    #[test]
    fn each_host_has_a_line_and_what_there_is_to_say() {
        let listener = json!({
            "bind": "0.0.0.0:443",
            "certificates_until": { "a.example": "2026-12-01T00:00:00Z", "b.example": null },
            "certificate_failures": { "b.example": "connection refused" },
        });
        let lines: Vec<_> = of_listener(&listener).into_iter().map(|line| (line.host, line.until.is_some(), line.failure)).collect();
        assert_eq!(lines, [("a.example".into(), true, None), ("b.example".into(), false, Some("connection refused".into()))]);
        assert!(of_listener(&json!({ "bind": "0.0.0.0:80" })).is_empty());
    }
}
