//! Addresses of Kafka brokers, as the configuration and the command line take them.

use std::net::Ipv6Addr;

/// What is right.
pub(super) const REMEDY: &str = "write HOST:PORT, several separated by commas, port 1 to 65535";

/// What is wrong with a list of addresses, each with what to do; empty if it is right.
pub fn problems(list: &str) -> Vec<(String, String)> {
    list.split(',').filter_map(problem).collect()
}

fn problem(server: &str) -> Option<(String, String)> {
    let fault = |problem: String, remedy: &str| Some((problem, remedy.to_owned()));
    let text = server.trim();
    if text.is_empty() {
        let problem = "has a comma with no address before or after it".to_owned();
        return fault(problem, "remove the comma");
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let problem = format!("`{text}` has a scheme (`{scheme}://`)");
        let rest = rest.trim_end_matches('/');
        return fault(
            problem,
            &format!("write `{rest}`; set the protocol as \"security.protocol\" in kafka.options"),
        );
    }
    if text.contains([';', ' ', '\t', '|', '\n']) {
        let problem = format!("`{text}` is not one address");
        return fault(problem, "separate addresses by commas");
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| is_host(host)) else {
        let remedy = if is_host(text) {
            format!("add the port: `{text}:9092`")
        } else {
            REMEDY.to_owned()
        };
        return fault(format!("`{text}` is not a broker address"), &remedy);
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    if is_port {
        return None;
    }
    let problem = format!("`{text}` is not a broker address: `{port}` is not a port");
    fault(problem, &format!("write `{host}:PORT`, port 1 to 65535"))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_are_right() {
        for list in [
            "localhost:9092",
            "a:1, b.example.com:65535",
            "10.0.0.1:9092,kafka_1:9092",
            "[::1]:9092",
            "[2001:db8::1]:9092",
        ] {
            assert_eq!(problems(list), [], "{list}");
        }
    }

    #[test]
    fn each_other_form_is_refused_with_what_would_be_right() {
        let table = [
            (
                "http://host:9092",
                "has a scheme (`http://`)",
                "write `host:9092`",
            ),
            ("SASL_SSL://host:9092/", "has a scheme", "write `host:9092`"),
            ("a:1;b:2", "`a:1;b:2` is not one address", "commas"),
            ("a;b", "`a;b` is not one address", "commas"),
            ("a:1 b:2", "`a:1 b:2` is not one address", "commas"),
            ("a:1,", "has a comma with no address", "remove the comma"),
            (",a:1", "has a comma with no address", "remove the comma"),
            (
                "a:1,,b:2",
                "has a comma with no address",
                "remove the comma",
            ),
            (
                "host",
                "`host` is not a broker address",
                "add the port: `host:9092`",
            ),
            (
                "[::1]",
                "`[::1]` is not a broker address",
                "add the port: `[::1]:9092`",
            ),
            ("host:", "`` is not a port", "write `host:PORT`"),
            ("host:0", "`0` is not a port", "write `host:PORT`"),
            ("host:65536", "`65536` is not a port", "write `host:PORT`"),
            ("host:+1", "`+1` is not a port", "write `host:PORT`"),
            ("host:kafka", "`kafka` is not a port", "write `host:PORT`"),
            (
                ":9092",
                "`:9092` is not a broker address",
                "write HOST:PORT",
            ),
            ("::1:9092", "is not a broker address", "write HOST:PORT"),
            ("u@host:9092", "is not a broker address", "write HOST:PORT"),
            ("host:9092/topic", "is not a port", "write `host:PORT`"),
        ];
        for (list, problem, remedy) in table {
            let found = problems(list);
            assert_eq!(found.len(), 1, "{list}: {found:?}");
            let (found_problem, to_do) = &found[0];
            assert!(found_problem.contains(problem), "{list}: {found_problem}");
            assert!(to_do.contains(remedy), "{list}: {to_do}");
        }
    }
}
