//! Whether an address is a neighbour of this network namespace, as the kernel's routing tables have it.
//!
//! Containers of an engine on this very host are neighbours: their bridge is an interface here. They are not where this
//! process has a network namespace of its own, as in a container with the engine's socket mounted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kernel's flag of routes that refuse (`linux/ipv6_route.h`, `linux/route.h`: `RTF_REJECT`).
const REJECT: u32 = 0x0200;

/// Looks the address up; tables that cannot be read lead nowhere.
pub(super) fn is_neighbour(address: IpAddr) -> bool {
    let table = |name: &str| std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap_or_default();
    match address {
        IpAddr::V4(address) => leads_to_v4(&table("route"), address),
        IpAddr::V6(address) => leads_to_v6(&table("ipv6_route"), address),
    }
}

/// Whether the narrowest route has no gateway; the default route never counts, a tunnel may have it.
fn leads_to_v4(table: &str, address: Ipv4Addr) -> bool {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints the bytes of an address as one number of this machine.
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
        let native = |at: usize| number(at).map(|number| u32::from_be_bytes(number.to_ne_bytes()));
        let (destination, gateway, flags, mask) = (native(1)?, native(2)?, number(3)?, native(7)?);
        (u32::from(address) & mask == destination).then_some((mask, gateway == 0 && flags & REJECT == 0))
    };
    narrowest(table.lines().skip(1).filter_map(route))
}

fn leads_to_v6(table: &str, address: Ipv6Addr) -> bool {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| u128::from_str_radix(fields.get(at)?, 16).ok();
        let (destination, length, hop, flags) = (number(0)?, u32::try_from(number(1)?).ok()?, number(4)?, number(8)?);
        let mask = u128::MAX.checked_shl(128_u32.checked_sub(length)?).unwrap_or(0);
        (u128::from(address) & mask == destination & mask).then_some((length, hop == 0 && flags & u128::from(REJECT) == 0))
    };
    narrowest(table.lines().filter_map(route))
}

fn narrowest<T: Ord + Default>(routes: impl Iterator<Item = (T, bool)>) -> bool {
    routes.filter(|(width, _)| *width > T::default()).max_by(|a, b| a.0.cmp(&b.0)).is_some_and(|(_, is_straight)| is_straight)
}

#[cfg(test)]
mod tests {
    use super::{leads_to_v4, leads_to_v6};

    const V4: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth0\t0000000A\t0101A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0\n\
        br0\t0005000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_narrowest_route_decides() {
        for (address, straight) in [("172.17.0.2", true), ("10.0.5.9", true), ("10.0.6.9", false), ("172.18.0.2", false)] {
            assert_eq!(leads_to_v4(V4, address.parse().unwrap()), straight, "{address}");
        }
        assert!(!leads_to_v4("", "172.17.0.2".parse().unwrap()));
        let tunnel = "Iface\ntun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert!(!leads_to_v4(tunnel, "172.17.0.2".parse().unwrap()));
    }

    #[test]
    fn it_does_for_the_newer_addresses_too() {
        let zero = "0".repeat(32);
        let line = |destination: &str, length: &str, hop: &str, flags: &str| {
            format!("{destination} {length} {zero} 00 {hop} 00000100 00000001 00000000 {flags} br0\n")
        };
        let net = "fd000000000000000000000000000000";
        let table = [line(net, "40", &zero, "00000001"), line(&zero, "00", &zero, "00000001"), line(net, "08", net, "00000003")].concat();
        assert!(leads_to_v6(&table, "fd00::2".parse().unwrap()));
        assert!(!leads_to_v6(&table, "fd00:1::2".parse().unwrap()));
        assert!(!leads_to_v6(&table, "2001:db8::2".parse().unwrap()));
        assert!(!leads_to_v6(&line(net, "40", &zero, "00200200"), "fd00::2".parse().unwrap()));
    }
}
