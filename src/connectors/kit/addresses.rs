//! Which addresses an endpoint may reach. Names are resolved by [`CheckedResolver`], and the connection goes to the addresses
//! that passed, so that a name cannot point elsewhere between check and connection (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How far an endpoint may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses.
    Public,
    /// This machine: what a URL of `localhost` means.
    Loopback,
    /// Public, private and loopback ones: what `allow_private_addresses` means.
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Public,
    Loopback,
    Private,
    /// No service of an operator lives there: link-local (where clouds serve credentials), multicast, unspecified.
    Never,
}

/// Credential services of clouds that are not link-local.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

impl Reach {
    /// Whether an address may be connected to.
    pub(crate) fn permits(self, address: IpAddr) -> bool {
        match class(address) {
            Class::Public => self != Self::Loopback,
            Class::Loopback => self != Self::Public,
            Class::Private => self == Self::Private,
            Class::Never => false,
        }
    }
}

/// Whether a host of a URL is this machine by its very name.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || literal(host).is_some_and(|address| class(address) == Class::Loopback)
}

/// The address a host of a URL is, if it is no name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

fn class(address: IpAddr) -> Class {
    if METADATA.contains(&address) {
        return Class::Never;
    }
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => {
            embedded_v4(address).map_or_else(|| class_v6(address), |inner| class(inner.into()))
        }
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    let [first, second, third, _] = address.octets();
    match first {
        0 | 224..=255 => Class::Never,
        169 if second == 254 => Class::Never,
        127 => Class::Loopback,
        10 => Class::Private,
        172 if (16..32).contains(&second) => Class::Private,
        192 if second == 168 || (second == 0 && third == 0) => Class::Private,
        // Shared address space of carriers, used inside clusters; and the range for benchmarks.
        100 if (64..128).contains(&second) => Class::Private,
        198 if (18..20).contains(&second) => Class::Private,
        _ => Class::Public,
    }
}

fn class_v6(address: Ipv6Addr) -> Class {
    let [first, ..] = address.segments();
    if address.is_loopback() {
        Class::Loopback
    } else if address.is_unspecified() || address.is_multicast() || first & 0xffc0 == 0xfe80 {
        Class::Never
    } else if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 {
        Class::Private
    } else {
        Class::Public
    }
}

/// The IPv4 address that an IPv6 one embeds: mapped, NAT64 or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(from(high, low))
        }
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

/// Why a name was not connected to.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} resolves only to addresses that are not allowed ({addresses}); set allow_private_addresses if that is meant"
)]
pub(crate) struct AddressRefused {
    host: String,
    addresses: String,
}

/// Resolves names and leaves out what may not be reached.
#[derive(Debug)]
pub(crate) struct CheckedResolver(pub(crate) Reach);

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let (permitted, refused): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|address| reach.permits(address.ip()));
            if permitted.is_empty() {
                let addresses: Vec<String> = refused
                    .iter()
                    .map(|address| address.ip().to_string())
                    .collect();
                return Err(AddressRefused {
                    host,
                    addresses: addresses.join(", "),
                }
                .into());
            }
            let addresses: Addrs = Box::new(permitted.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reach_permits_its_addresses_and_no_others() {
        // Address, then whether public, loopback and private reach permit it.
        let table = [
            ("93.184.216.34", true, false, true),
            ("2606:2800:220:1::1", true, false, true),
            ("127.0.0.1", false, true, true),
            ("127.255.255.254", false, true, true),
            ("::1", false, true, true),
            ("::ffff:127.0.0.1", false, true, true),
            ("10.0.0.1", false, false, true),
            ("172.15.255.255", true, false, true),
            ("172.16.0.1", false, false, true),
            ("172.31.255.255", false, false, true),
            ("172.32.0.0", true, false, true),
            ("192.168.1.1", false, false, true),
            ("100.64.0.1", false, false, true),
            ("fd12::1", false, false, true),
            ("::ffff:10.0.0.1", false, false, true),
            ("64:ff9b::a00:1", false, false, true),
            ("2002:a00:1::", false, false, true),
            ("169.254.169.254", false, false, false),
            ("::ffff:169.254.169.254", false, false, false),
            ("fd00:ec2::254", false, false, false),
            ("100.100.100.200", false, false, false),
            ("fe80::1", false, false, false),
            ("0.0.0.0", false, false, false),
            ("::", false, false, false),
            ("224.0.0.1", false, false, false),
            ("255.255.255.255", false, false, false),
        ];
        for (address, public, loopback, private) in table {
            let ip: IpAddr = address.parse().unwrap();
            assert_eq!(
                [Reach::Public, Reach::Loopback, Reach::Private].map(|reach| reach.permits(ip)),
                [public, loopback, private],
                "{address}"
            );
        }
    }
}
