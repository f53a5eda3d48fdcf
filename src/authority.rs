//! A host and its port as people and browsers write them, in one spelling.

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
    pub(crate) fn of_origin(origin: &str) -> Option<Self> {
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
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.host == other.host
            && self.port.is_none_or(|port| match other.port {
                Some(other) => other == port,
                None => DEFAULT_PORTS.contains(&port),
            })
    }

    /// Whether both are the same place; `other` may leave out a default port.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.host == other.host
            && (self.port == other.port
                || (other.port.is_none()
                    && self.port.is_some_and(|port| DEFAULT_PORTS.contains(&port))))
    }
}

impl Authority {
    /// Whether it names this machine, by which the service listens there.
    pub(crate) fn is_of(&self, listen: SocketAddr) -> bool {
        self.host.is_loopback() || self.host == Host::Address(listen.ip().to_canonical())
    }

    /// The port, if it names one.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.port
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
