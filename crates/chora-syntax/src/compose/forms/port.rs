//! The short form of a port: `[[address:]host:]container[/protocol]`, each port possibly a range.

use std::net::IpAddr;

/// One published port after a range was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShortPort {
    pub(crate) host_ip: String,
    pub(crate) published: String,
    pub(crate) target: u16,
    pub(crate) protocol: String,
}

/// Reads a short form; ports come in the order of their text, as the reference sorts them.
pub(crate) fn parse(text: &str) -> Result<Vec<ShortPort>, String> {
    let (address, host, container) = split(text);
    let (container, protocol) = container.split_once('/').map_or((container, "tcp"), |(port, protocol)| (port, protocol));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("protocol `{protocol}` is none of tcp, udp, sctp"));
    }
    let address = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return Err(format!("`{address}` is not an IP address"));
    }
    let (start, end) = range(container).ok_or_else(|| format!("`{container}` is not a container port"))?;
    let host_range = if host.is_empty() { None } else { Some(range(host).ok_or_else(|| format!("`{host}` is not a host port"))?) };
    if let Some((host_start, host_end)) = host_range
        && host_end - host_start != end - start
        && start != end
    {
        return Err(format!("ranges `{host}` and `{container}` differ in length"));
    }
    let mut ports: Vec<ShortPort> = (start..=end)
        .map(|target| ShortPort {
            host_ip: address.to_owned(),
            published: published(host_range, target - start, start == end),
            target,
            protocol: protocol.clone(),
        })
        .collect();
    ports.sort_by_cached_key(|port| port.target.to_string());
    Ok(ports)
}

fn published(host: Option<(u16, u16)>, offset: u16, single: bool) -> String {
    match host {
        None => String::new(),
        Some((start, end)) if single && start != end => format!("{start}-{end}"),
        Some((start, _)) => start.saturating_add(offset).to_string(),
    }
}

fn split(text: &str) -> (&str, &str, &str) {
    let Some((before, container)) = text.rsplit_once(':') else { return ("", "", text) };
    before.rsplit_once(':').map_or(("", before, container), |(address, host)| (address, host, container))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let mut parts = text.split('-');
    let start = number(parts.next()?)?;
    let end = parts.next().map_or(Some(start), number)?;
    (start <= end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn shown(text: &str) -> String {
        let ports = match parse(text) {
            Ok(ports) => ports,
            Err(message) => return message,
        };
        let one = |port: &super::ShortPort| format!("{}|{}|{}/{}", port.host_ip, port.published, port.target, port.protocol);
        ports.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_short_form_is_read() {
        for (text, expected) in [
            ("80", "||80/tcp"),
            ("8080:80/UDP", "|8080|80/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1|8080|80/tcp"),
            ("127.0.0.1::80", "127.0.0.1||80/tcp"),
            ("[::1]:8080:80", "::1|8080|80/tcp"),
            ("::1:8080:80", "::1|8080|80/tcp"),
            ("8000-9000:80", "|8000-9000|80/tcp"),
            ("3000-3001:9-10", "|3001|10/tcp |3000|9/tcp"),
            ("a:80", "`a` is not a host port"),
            ("80:a", "`a` is not a container port"),
            ("80/icmp", "protocol `icmp` is none of tcp, udp, sctp"),
            ("1-2:1-3", "ranges `1-2` and `1-3` differ in length"),
            ("x:1:2", "`x` is not an IP address"),
            ("70000", "`70000` is not a container port"),
            ("", "`` is not a container port"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
