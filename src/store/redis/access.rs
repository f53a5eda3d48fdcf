//! Where Redis is and who we are there: made of the configuration and its secrets, and again when one of them changes.

use redis::{
    ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsCertificates,
};

use crate::secrets::Secret;

/// Servers named at most: the masters of a cluster, of which any one leads to the others.
const SERVERS_MAX: usize = 64;

/// Places of what is given, in the list of secrets.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Material {
    pub(in crate::store) url: usize,
    pub(in crate::store) username: Option<usize>,
    pub(in crate::store) password: Option<usize>,
    pub(in crate::store) ca: Option<usize>,
    pub(in crate::store) identity: Option<(usize, usize)>,
}

/// Where and how to connect.
pub(in crate::store) struct Access {
    pub(super) servers: Vec<ConnectionInfo>,
    pub(super) certificates: Option<TlsCertificates>,
}

impl Access {
    /// Makes it of secrets, and says why it cannot be made.
    pub(in crate::store) fn new(secrets: &[Secret], material: Material) -> Result<Self, String> {
        let text = |place: usize| secrets.get(place).map_or("", |secret| secret.expose());
        let mut servers = servers(text(material.url))?;
        for server in &mut servers {
            let mut login = server.redis_settings().clone();
            if let Some(username) = material.username {
                login = login.set_username(text(username));
            }
            if let Some(password) = material.password {
                login = login.set_password(text(password));
            }
            let login = login.set_lib_name("homeostat", env!("CARGO_PKG_VERSION"));
            *server = server.clone().set_redis_settings(login);
        }
        let bytes = |place: usize| text(place).as_bytes().to_vec();
        let client_tls = material.identity.map(|(certificate, key)| ClientTlsConfig {
            client_cert: bytes(certificate),
            client_key: bytes(key),
        });
        let root_cert = material.ca.map(bytes);
        if let Some(ca) = &root_cert
            && !String::from_utf8_lossy(ca).contains("-----BEGIN CERTIFICATE-----")
        {
            return Err("has no certificate in PEM form".to_owned());
        }
        let is_tls = servers.iter().all(is_tls);
        let certificates =
            (client_tls.is_some() || root_cert.is_some()).then_some(TlsCertificates {
                client_tls,
                root_cert,
            });
        if certificates.is_some() && !is_tls {
            return Err(
                "is given, and the connection has no TLS: write rediss:// in redis_url".to_owned(),
            );
        }
        let access = Self {
            servers,
            certificates,
        };
        // What is wrong with certificates and keys shows here.
        for server in &access.servers {
            access.client(server).map_err(|error| error.to_string())?;
        }
        Ok(access)
    }

    /// A client for one server. Nothing is connected yet.
    pub(super) fn client(&self, server: &ConnectionInfo) -> redis::RedisResult<redis::Client> {
        match &self.certificates {
            Some(certificates) => {
                redis::Client::build_with_tls(server.clone(), certificates.clone())
            }
            None => redis::Client::open(server.clone()),
        }
    }

    /// Its servers as host:port, for people.
    pub(super) fn shown(&self) -> String {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| server.addr().to_string())
            .collect();
        servers.join(", ")
    }

    /// Whether a password goes over a network in the clear.
    pub(in crate::store) fn is_in_the_clear(&self) -> bool {
        self.servers.iter().any(|server| {
            let ConnectionAddr::Tcp(host, _) = server.addr() else {
                return false;
            };
            server.redis_settings().password().is_some()
                && !crate::connectors::kit::addresses::is_loopback_host(host)
        })
    }
}

fn is_tls(server: &ConnectionInfo) -> bool {
    matches!(server.addr(), ConnectionAddr::TcpTls { .. })
}

/// The servers of a list of URLs. What is wrong is said without the text, which may hold a password.
fn servers(list: &str) -> Result<Vec<ConnectionInfo>, String> {
    const FORM: &str = "is not of the form redis://HOST:PORT/NUMBER (rediss:// with TLS), or several of them with commas between";
    let mut servers = Vec::new();
    for url in list.split(',').map(str::trim) {
        let schemes = ["redis://", "rediss://", "valkey://", "valkeys://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(FORM.to_owned());
        }
        let server = url.into_connection_info().map_err(|_| FORM.to_owned())?;
        if let ConnectionAddr::TcpTls { insecure: true, .. } = server.addr() {
            return Err("ends with #insecure, with which anybody could pose as this Redis: name its CA in store.ca".to_owned());
        }
        servers.push(server);
    }
    if servers.len() > SERVERS_MAX {
        return Err(format!("names more than {SERVERS_MAX} servers"));
    }
    if servers.iter().any(is_tls) && !servers.iter().all(is_tls) {
        return Err("has servers with TLS (rediss://) and without".to_owned());
    }
    let number = |server: &ConnectionInfo| server.redis_settings().db();
    if let Some(first) = servers.first()
        && servers.iter().any(|server| number(server) != number(first))
    {
        return Err("names different databases".to_owned());
    }
    Ok(servers)
}
