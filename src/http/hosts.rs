//! The names that the service goes by (issue 13, row 16).
//!
//! A page of another site can make a browser send requests to this machine, also under that site's own name, which it lets
//! point to 127.0.0.1 (DNS rebinding). Such a request carries the site's name in `Host` or `Origin`, so both are compared with
//! the names below. A port plays no part in rebinding, so a `Host` of this machine may have any: tunnels (`ssh -L`,
//! `kubectl port-forward`) change it. Another port on this machine is another site, so in an `Origin` it counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::Deserialize;

/// Longest name of the domain name system.
const NAME_BYTES_MAX: usize = 253;
/// Ports that are left out of a `Host`: those of http and https.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// `host` or `host:port` in one spelling: lower case, without the dot of the root, addresses by value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// Text that is no `host` or `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a host nor host:port, such as proxy.example, proxy.example:8443 or [::1]:8470")]
pub struct NoAuthority;

impl Authority {
    /// Reads what may stand in `Host`: no user information, no IPv6 zone, no path.
    pub fn parse(text: &str) -> Result<Self, NoAuthority> {
        let (host, rest) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or(NoAuthority)?;
            let address: Ipv6Addr = address.parse().map_err(|_| NoAuthority)?;
            (Host::Address(address.to_canonical()), rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Host::parse(host).ok_or(NoAuthority)?, rest)
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            // "host:" is allowed by RFC 9110 and means no port.
            Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().map_err(|_| NoAuthority)?)
            }
            _ => return Err(NoAuthority),
        };
        Ok(Self { host, port })
    }

    /// The host and port of an `Origin`; nothing if it names none, as `null` does.
    fn of_origin(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let mut authority = Self::parse(authority).ok()?;
        let default = match scheme.to_ascii_lowercase().as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        authority.port = authority.port.or(default);
        Some(authority)
    }

    /// Whether this entry of the configuration means `other`: without a port it means every one.
    fn covers(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port.is_none_or(|port| match other.port {
                Some(other) => other == port,
                None => DEFAULT_PORTS.contains(&port),
            })
    }

    /// Whether both are the same place; `other` may leave out a default port.
    fn is_same(&self, other: &Self) -> bool {
        self.host == other.host
            && (self.port == other.port
                || (other.port.is_none()
                    && self.port.is_some_and(|port| DEFAULT_PORTS.contains(&port))))
    }
}

impl TryFrom<String> for Authority {
    type Error = NoAuthority;

    fn try_from(text: String) -> Result<Self, NoAuthority> {
        Self::parse(&text)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let is_label = |label: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(inner)
        };
        (name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label))
            .then(|| Self::Name(name.to_ascii_lowercase()))
    }

    /// A name below `localhost` can belong to no other machine (RFC 6761).
    fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// The names of a running service.
pub(super) struct Hosts {
    listen: SocketAddr,
    allowed: Vec<Authority>,
}

impl Hosts {
    /// Of a service that listens there and is also reached as `allowed`, e.g. through a proxy.
    pub(super) const fn new(listen: SocketAddr, allowed: Vec<Authority>) -> Self {
        Self { listen, allowed }
    }

    /// Where it listens.
    pub(super) const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Whether a request for `host` is meant for this service.
    pub(super) fn takes_host(&self, host: &Authority) -> bool {
        self.is_own(&host.host) || self.allowed.iter().any(|allowed| allowed.covers(host))
    }

    /// Whether a page of `origin` may write, in a request for `host`.
    pub(super) fn takes_origin(&self, origin: &str, host: Option<&Authority>) -> bool {
        let Some(origin) = Authority::of_origin(origin) else {
            return false;
        };
        let own = self.is_own(&origin.host) && origin.port == Some(self.listen.port());
        own || host.is_some_and(|host| origin.is_same(host))
            || self.allowed.iter().any(|allowed| allowed.covers(&origin))
    }

    fn is_own(&self, host: &Host) -> bool {
        host.is_loopback() || *host == Host::Address(self.listen.ip().to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allowed: &[&str]) -> Hosts {
        let allowed = allowed.iter().map(|text| Authority::parse(text).unwrap());
        Hosts::new(([127, 0, 0, 1], 8470).into(), allowed.collect())
    }

    #[test]
    fn a_host_is_this_machine_or_an_allowed_one_in_any_spelling() {
        let hosts = hosts(&["Proxy.Example", "tls.example:443", "[2001:db8::1]:9000"]);
        for (host, taken) in [
            ("127.0.0.1:8470", true),
            ("127.0.0.1", true),
            ("127.9.9.9:1", true),
            ("127.0.0.1.", true),
            ("localhost:8470", true),
            ("LOCALHOST.", true),
            ("localhost:", true),
            ("app.localhost:9000", true),
            ("[::1]:8470", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("proxy.example", true),
            ("PROXY.example.:99", true),
            ("tls.example", true),
            ("tls.example:443", true),
            ("tls.example:8443", false),
            ("[2001:db8:0::1]:9000", true),
            ("[2001:db8::1]", false),
            ("evil.example", false),
            ("evil.example:8470", false),
            ("localhost.evil.example", false),
            ("evillocalhost", false),
            ("127.0.0.1.evil.example", false),
            ("0.0.0.0:8470", false),
            ("[::]:8470", false),
            ("10.0.0.1", false),
            ("2130706433", false),
            ("127.1", false),
            ("sub.proxy.example", false),
        ] {
            let parsed = Authority::parse(host).unwrap();
            assert_eq!(hosts.takes_host(&parsed), taken, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            ":8470",
            "a:b",
            "a:99999",
            "a:-1",
            "a:+1",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
            "user@localhost",
            "localhost@evil.example",
            "http://localhost",
            "localhost/",
            "localhost,evil.example",
            "local host",
            " localhost",
            "*",
            "*.example",
            "bücher.example",
            "%6cocalhost",
        ] {
            assert_eq!(Authority::parse(text), Err(NoAuthority), "{text}");
        }
        assert!(Authority::parse(&"a.".repeat(128)).is_err());
        assert!(Authority::parse(&"a".repeat(64)).is_err());
    }

    #[test]
    fn an_origin_is_the_service_itself_or_an_allowed_host() {
        let hosts = hosts(&["proxy.example", "tls.example:443"]);
        let host = |text: &str| Authority::parse(text).unwrap();
        for (origin, asked, taken) in [
            ("http://127.0.0.1:8470", "127.0.0.1:8470", true),
            ("HTTPS://LOCALHOST:8470", "127.0.0.1:8470", true),
            // Through a tunnel: the page and the request have the same address.
            ("http://localhost:9000", "localhost:9000", true),
            ("http://localhost", "localhost", true),
            ("https://proxy.example", "127.0.0.1:8470", true),
            ("http://proxy.example:8080", "127.0.0.1:8470", true),
            ("https://tls.example", "127.0.0.1:8470", true),
            ("http://tls.example", "127.0.0.1:8470", false),
            // Another server on this machine is another site.
            ("http://localhost:3000", "127.0.0.1:8470", false),
            ("http://localhost:3000", "localhost:8470", false),
            ("http://localhost", "localhost:8470", false),
            ("http://evil.example", "127.0.0.1:8470", false),
            ("http://evil.example:8470", "127.0.0.1:8470", false),
            ("http://user@localhost:8470", "127.0.0.1:8470", false),
            ("http://localhost:8470/", "127.0.0.1:8470", false),
            ("localhost:8470", "127.0.0.1:8470", false),
            ("null", "127.0.0.1:8470", false),
            ("", "127.0.0.1:8470", false),
        ] {
            let asked = host(asked);
            assert_eq!(hosts.takes_origin(origin, Some(&asked)), taken, "{origin}");
        }
    }
}
