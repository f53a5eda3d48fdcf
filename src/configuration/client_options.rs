//! Which options of the Kafka client an operator may set (kafka-client §10): security, network and size. Everything that
//! decides about delivery, commits or groups belongs to the service; nothing loads code or calls foreign addresses.

/// Taken as they are.
const PLAIN: [&str; 41] = [
    "api.version.request.timeout.ms",
    "batch.size",
    "broker.address.family",
    "broker.address.ttl",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "log.connection.close",
    "max.in.flight",
    "message.max.bytes",
    "metadata.max.age.ms",
    "queued.max.messages.kbytes",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
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
    "topic.metadata.refresh.interval.ms",
];

/// Taken as references only.
const SECRET: [&str; 6] = [
    "sasl.password",
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];

/// Whether an option holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
}

/// Whether an option may be set at all.
pub(super) fn is_allowed(name: &str) -> bool {
    PLAIN.contains(&name) || is_secret(name)
}

/// All that may be set.
pub(super) fn allowed() -> Vec<&'static str> {
    PLAIN.into_iter().chain(SECRET).collect()
}
