//! `extra_hosts`: names and addresses, as lines or as a mapping.

use indexmap::IndexMap;

use crate::yaml::{Node, Value};

/// Lines `name=address`, sorted. A line may give several addresses, divided by commas.
pub(crate) fn lines(node: &Node) -> Result<Vec<String>, String> {
    let mut hosts: IndexMap<String, Vec<String>> = IndexMap::new();
    match &node.value {
        Value::List(items) => {
            for item in items {
                let text = item.printed().unwrap_or_default();
                let (name, addresses) = text
                    .split_once('=')
                    .or_else(|| text.split_once(':'))
                    .ok_or_else(|| format!("`{text}` names a host without an address; write `name=address`"))?;
                hosts.entry(name.to_owned()).or_default().extend(addresses.split(',').map(bare));
            }
        }
        Value::Map(map) => {
            for (name, entry) in map {
                let addresses = match &entry.node.value {
                    Value::List(list) => list.iter().filter_map(Node::printed).map(|address| bare(&address)).collect(),
                    _ => vec![bare(&entry.node.printed().unwrap_or_default())],
                };
                hosts.insert(name.clone(), addresses);
            }
        }
        _ => return Err("extra hosts are lines or a mapping".to_owned()),
    }
    if let Some(name) = hosts.keys().find(|name| name.is_empty() || name.contains([':', '='])) {
        return Err(format!("`{name}` is not a host name"));
    }
    let mut lines: Vec<String> =
        hosts.iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| format!("{name}={address}"))).collect();
    lines.sort();
    Ok(lines)
}

/// An address without the brackets of IPv6.
fn bare(address: &str) -> String {
    address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|rest| !rest.is_empty()).unwrap_or(address).to_owned()
}
