//! Why a broker's certificate does not pass. librdkafka only says that it does not; a second look with rustls, at the same
//! broker and with the same CA, distinguishes an expired one from a foreign one. It decides nothing: the connection has failed already.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};

/// Longest wait for the broker, per step.
const WAIT: Duration = Duration::from_secs(2);

/// The reason in words, with what to do. `ca`: certificates as PEM, if other than the system's are configured.
pub(super) fn why(broker: &str, ca: Option<&[u8]>) -> String {
    let reason = ca.and_then(|ca| look(broker, ca)).map(|error| match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of broker {broker} has expired; renew it")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of broker {broker} is not valid yet; check the clocks")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate of broker {broker} is for another host name; use a name that it has in kafka.bootstrap_servers and in the broker's advertised.listeners, or renew it with this name"
            )
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate of broker {broker} is not signed by the CA in kafka.tls.ca")
        }
        other => format!("the certificate of broker {broker} is not accepted: {other}"),
    });
    reason.unwrap_or_else(|| {
        format!(
            "the certificate of broker {broker} is not accepted: it is not signed by a trusted CA, has expired, or is for another host name; set kafka.tls.ca to the CA that signed it"
        )
    })
}

fn look(broker: &str, ca: &[u8]) -> Option<CertificateError> {
    let (host, _) = broker.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(ca).flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let address = broker.to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, WAIT).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    stream.set_write_timeout(Some(WAIT)).ok()?;
    let error: io::Error = connection.complete_io(&mut stream).err()?;
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(error) => Some(error.clone()),
        _ => None,
    }
}
