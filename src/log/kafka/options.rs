//! Which options of the Kafka client an operator may set, by librdkafka's names (kafka-client §10): security and network.
//! What decides about delivery, commits, groups or sizes belongs to the adapter; nothing loads code, and the identity of
//! brokers is always checked.

/// Taken as they are.
const PLAIN: [&str; 34] = [
    "api.version.request.timeout.ms",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "log.connection.close",
    "metadata.max.age.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.scope",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.username",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
];

/// Taken as references only.
const SECRET: [&str; 6] = [
    "sasl.oauthbearer.client.secret",
    "sasl.password",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.key.password",
    "ssl.key.pem",
];

/// Whether an option holds a secret.
pub fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
}

/// Whether an option may be set at all.
pub fn is_allowed(name: &str) -> bool {
    PLAIN.contains(&name) || is_secret(name)
}

/// All that may be set.
pub fn allowed() -> Vec<&'static str> {
    PLAIN.into_iter().chain(SECRET).collect()
}
