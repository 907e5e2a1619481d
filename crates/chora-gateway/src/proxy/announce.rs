//! Tells a container's router that somebody has the container's address again.
//!
//! Who connects to an address that nobody has asks for it once a second and keeps what is to be sent until then. The first packet from
//! that address ends the waiting: without it clients of a gateway that was killed would wait longer than its start takes.

use std::net::{Ipv4Addr, UdpSocket};

const ROUTES: &str = "/proc/net/route";
/// What comes there is thrown away (RFC 863).
const DISCARD: u16 = 9;
/// The flag of a route that leads to a router.
const TO_ROUTER: u32 = 2;

/// Sends nothing to the router of a container; outside of containers there is nobody who waits.
pub(super) fn announce() {
    if std::process::id() != 1 {
        return;
    }
    let routes = std::fs::read_to_string(ROUTES).unwrap_or_default();
    for router in routers(&routes) {
        if let Err(error) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| socket.send_to(&[], (router, DISCARD))) {
            tracing::debug!(%error, %router, "the router was not told that the gateway serves");
        }
    }
}

/// The routers of the default routes in the kernel's table: addresses in it are the machine's numbers of their bytes.
fn routers(routes: &str) -> Vec<Ipv4Addr> {
    let router = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let mut number = || u32::from_str_radix(fields.next()?, 16).ok();
        let (destination, router, flags) = (number()?, number()?, number()?);
        (destination == 0 && flags & TO_ROUTER != 0).then(|| Ipv4Addr::from(router.to_ne_bytes()))
    };
    routes.lines().skip(1).filter_map(router).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::routers;

    #[test]
    fn only_default_routes_lead_to_a_router() {
        let native = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let (router, network) = (native([172, 18, 0, 1]), native([172, 18, 0, 0]));
        let table = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t{router}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth1\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t{network}\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        );
        assert_eq!(routers(&table), [Ipv4Addr::new(172, 18, 0, 1)]);
        assert_eq!(routers(""), Vec::<Ipv4Addr>::new());
        assert_eq!(routers("Iface\nnonsense\n"), Vec::<Ipv4Addr>::new());
    }
}
