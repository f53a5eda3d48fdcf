//! The names that the service goes by (issue 13, row 16).
//!
//! A page of another site can make a browser send requests to this machine, also under that site's own name, which it lets
//! point to 127.0.0.1 (DNS rebinding). Such a request carries the site's name in `Host` or `Origin`, so both are compared with
//! the names below. A port plays no part in rebinding, so a `Host` of this machine may have any: tunnels (`ssh -L`,
//! `kubectl port-forward`) change it. Another port on this machine is another site, so in an `Origin` it counts.

use std::net::SocketAddr;

use crate::authority::Authority;

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
        host.is_of(self.listen) || self.allowed.iter().any(|allowed| allowed.covers(host))
    }

    /// Whether a page of `origin` may write, in a request for `host`.
    pub(super) fn takes_origin(&self, origin: &str, host: Option<&Authority>) -> bool {
        let Some(origin) = Authority::of_origin(origin) else {
            return false;
        };
        let own = origin.is_of(self.listen) && origin.port() == Some(self.listen.port());
        own || host.is_some_and(|host| origin.is_same(host))
            || self.allowed.iter().any(|allowed| allowed.covers(&origin))
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
