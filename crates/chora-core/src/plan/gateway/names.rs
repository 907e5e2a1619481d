//! Names that the gateway finds containers by.

use std::collections::BTreeSet;

use super::{edge_ports, has_gateway};
use crate::compose::Stack;

/// Longest label of a name that can be resolved (RFC 1035 §2.3.4).
pub const LONGEST_LABEL: usize = 63;

/// The services that the gateway sends requests to and would not find, with their fixed names.
#[must_use]
pub fn unresolvable(stack: &Stack) -> Vec<(&str, &str)> {
    if !has_gateway(stack) {
        return Vec::new();
    }
    let routed: BTreeSet<&str> = edge_ports(stack).into_iter().map(|edge| edge.service).collect();
    let named = routed.into_iter().filter_map(|service| Some((service, stack.services.get(service)?.container_name.as_deref()?)));
    named.filter(|(_, name)| name.split('.').any(|label| label.len() > LONGEST_LABEL)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::add_gateway;
    use super::unresolvable;
    use crate::compose::{Port, Service, Stack};
    use crate::model::environment::EnvironmentClass::{Development, Production};

    #[test]
    fn only_long_names_that_the_gateway_looks_up_are_none() {
        let service = |name: String, published: bool| Service {
            container_name: Some(name),
            ports: if published { vec![Port { target: 80, ..Port::default() }] } else { Vec::new() },
            networks: [("default".to_owned(), None)].into_iter().collect(),
            ..Service::default()
        };
        let (just, long) = ("a".repeat(63), "a".repeat(64));
        let services = [
            ("just", service(just.clone(), true)),
            ("long", service(long.clone(), true)),
            ("dotted", service(format!("{just}.{just}"), true)),
            ("inside", service(long.clone(), false)),
        ];
        let services = services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect();
        let mut stack = Stack { services, ..Stack::default() };
        add_gateway(&mut stack, Development);
        assert!(unresolvable(&stack).is_empty(), "the engine publishes the ports");
        add_gateway(&mut stack, Production);
        assert_eq!(unresolvable(&stack), [("long", long.as_str())]);
    }
}
