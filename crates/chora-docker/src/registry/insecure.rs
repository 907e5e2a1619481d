//! Registries that need not show who they are: those of the machine itself, and those that the engine was told of
//! (`insecure-registries`). As engines do, they are asked with TLS first, by whomever it is certified, then without.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use chora_core::ports::EngineError;
use http_body_util::Full;
use hyper::Request;
use rustls::ClientConfig;
use serde::Deserialize;

use super::{CONNECTING, Http};
use crate::client::{Call, Client};
use crate::transport::{TlsFiles, client_config};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EngineSettings {
    registry_config: Option<RegistrySettings>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RegistrySettings {
    index_configs: Option<indexmap::IndexMap<String, IndexSettings>>,
    #[serde(rename = "InsecureRegistryCIDRs")]
    networks: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct IndexSettings {
    secure: Option<bool>,
}

/// Whether a registry is one of these.
pub(super) async fn is_insecure(client: &Client, host: &str) -> Result<bool, EngineError> {
    if is_loopback(host) {
        return Ok(true);
    }
    let settings: EngineSettings = client.document(Call::get("/info", "the engine")).await?;
    let RegistrySettings { index_configs, networks } = settings.registry_config.unwrap_or_default();
    if let Some(told) = index_configs.unwrap_or_default().get(host).and_then(|index| index.secure) {
        return Ok(!told);
    }
    let networks: Vec<Network> = networks.unwrap_or_default().iter().filter_map(|text| Network::parse(text)).collect();
    // Of these no other registry is.
    if networks.iter().all(|network| network.address.is_loopback()) {
        return Ok(false);
    }
    let addresses = addresses(host).await;
    Ok(addresses.iter().any(|address| networks.iter().any(|network| network.holds(*address))))
}

/// The addresses of a host; none where its name is not known here.
async fn addresses(host: &str) -> Vec<IpAddr> {
    let name = name(host);
    match name.parse() {
        Ok(address) => vec![address],
        Err(_) => tokio::net::lookup_host((name, 443)).await.map_or_else(|_| Vec::new(), |found| found.map(|found| found.ip()).collect()),
    }
}

/// Addresses that begin with the same bits.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        Some(Self { address: address.parse().ok()?, bits: bits.parse().ok()? })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()).checked_shr(32_u32.saturating_sub(self.bits)) == Some(0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.bits == 0 || (own.to_bits() ^ other.to_bits()).checked_shr(128_u32.saturating_sub(self.bits)) == Some(0)
            }
            _ => false,
        }
    }
}

/// Scheme and host by which a registry is to be asked.
pub(super) async fn base(http: &Http, host: &str) -> String {
    let tls = format!("https://{host}");
    let question = Request::head(format!("{tls}/v2/")).body(Full::<Bytes>::default());
    let speaks = match question {
        Ok(question) => tokio::time::timeout(CONNECTING, http.request(question)).await.is_ok_and(|answer| answer.is_ok()),
        Err(_) => false,
    };
    if speaks { tls } else { format!("http://{host}") }
}

fn is_loopback(host: &str) -> bool {
    let name = name(host);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A host without its port.
fn name(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or_else(|| host.split(':').next().unwrap_or(host))
}

/// Settings of a client to which any certificate is good enough.
pub(super) fn accepting() -> Result<ClientConfig, String> {
    client_config(&TlsFiles { skips_verification: true, ..TlsFiles::default() }).map(Arc::unwrap_or_clone)
}

#[cfg(test)]
mod tests {
    use super::{EngineSettings, Network, is_loopback};

    #[test]
    fn registries_of_this_machine_are_known() {
        for (host, expected) in
            [("localhost:5000", true), ("127.0.0.1:5000", true), ("[::1]:5000", true), ("ghcr.io", false), ("10.0.0.1:5000", false)]
        {
            assert_eq!(is_loopback(host), expected, "{host}");
        }
    }

    #[test]
    fn networks_are_read_as_the_engine_writes_them() {
        let text = r#"{"RegistryConfig":{"InsecureRegistryCIDRs":["10.1.0.0/16","::1/128"],"IndexConfigs":null}}"#;
        let networks = serde_json::from_str::<EngineSettings>(text).unwrap().registry_config.unwrap().networks.unwrap();
        let networks: Vec<Network> = networks.iter().filter_map(|text| Network::parse(text)).collect();
        for (address, expected) in
            [("10.1.2.3", true), ("10.2.0.1", false), ("::1", true), ("::2", false), ("::ffff:10.1.0.9", true), ("192.168.0.1", false)]
        {
            assert_eq!(networks.iter().any(|network| network.holds(address.parse().unwrap())), expected, "{address}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds("8.8.8.8".parse().unwrap()));
    }
}
