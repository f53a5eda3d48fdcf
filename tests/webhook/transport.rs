//! How a service is reached: its own CA, a client certificate, a proxy, credentials that are rotated while the service runs.

use std::sync::Arc;

use homeostat_logic::ledger::record::FinishOutcome;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, connector, order, send};

/// A CA with its files in a folder.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// A certificate for this machine and its key, in PEM form.
    fn issue(&self) -> (String, String) {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Issues one and writes it where a connection finds it, as a rotation does: each file takes the place of the last one.
    fn write(&self) {
        let (certificate, key) = self.issue();
        for (name, text) in [("client.pem", certificate), ("client.key", key)] {
            let new = self.folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, self.folder.path().join(name)).unwrap();
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// A server with TLS that answers 200 to whatever comes; with `clients`, only to clients with a certificate of that CA.
async fn secured(authority: &Authority, clients: Option<&Authority>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = authority.issue();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.issuer.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the server, or is not trusted, is gone here.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut bytes = [0; 4_096];
                if stream.read(&mut bytes).await.is_ok() {
                    let answer =
                        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer).await.ok();
                    stream.shutdown().await.ok();
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_service_of_a_ca_of_ones_own_is_trusted_when_the_connection_names_it_and_only_then() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = secured(&authority, None).await;
    let url = format!("url = \"https://localhost:{port}/\"\n");
    let answer = send(
        &format!("{url}ca = \"{}\"\n", authority.path("ca.pem")),
        &[],
    )
    .await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    for ca in [
        String::new(),
        format!("ca = \"{}\"\n", other.path("ca.pem")),
    ] {
        let answer = send(&format!("{url}{ca}"), &[]).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
        assert!(answer.detail.contains("certificate"), "{}", answer.detail);
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_follows_its_files() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let port = secured(&authority, Some(&new)).await;
    old.write();
    let table = format!(
        "url = \"https://localhost:{port}/\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        authority.path("ca.pem"),
        old.path("client.pem"),
        old.path("client.key"),
    );
    let connector = connector(&table, &[]);
    let refused = connector.send(order()).await;
    assert_ne!(refused.outcome, FinishOutcome::Done, "{}", refused.detail);
    new.write();
    for name in ["client.pem", "client.key"] {
        std::fs::rename(new.path(name), old.path(name)).unwrap();
    }
    let taken = connector.send(order()).await;
    assert_eq!(taken.outcome, FinishOutcome::Done, "{}", taken.detail);
}

#[tokio::test]
async fn requests_go_through_the_proxy_of_the_connection_and_never_through_the_environments() {
    let mut proxy = Server::responding("200 OK", "", "").await;
    let url = "url = \"http://service.invalid/hook\"\nallow_http = true\n";
    let named = format!("{url}proxy = \"http://127.0.0.1:{}\"\n", proxy.port);
    let answer = send(&named, &[]).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let request = proxy.received.recv().await.unwrap();
    assert_eq!(request.line, "POST http://service.invalid/hook HTTP/1.1");
    // By reference, with a password that is not shown.
    let secret = format!("http://anna:pa55word@127.0.0.1:{}", proxy.port);
    let by_reference = format!("{url}proxy = \"env:PROXY\"\n");
    let answer = send(&by_reference, &[("PROXY", &secret)]).await;
    assert_eq!(answer.outcome, FinishOutcome::Done, "{}", answer.detail);
    let request = proxy.received.recv().await.unwrap();
    assert!(request.headers["proxy-authorization"].starts_with("Basic "));
    assert!(!answer.detail.contains("pa55word"));
    let environment = [("HTTP_PROXY", &*secret), ("http_proxy", &*secret)];
    let answer = send(url, &environment).await;
    assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
    assert_eq!(proxy.count(), 0);
}

#[tokio::test]
async fn credentials_and_signatures_follow_their_files() {
    let mut server = Server::responding("200 OK", "", "").await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, folder.path().join(name)).unwrap();
    };
    let file = |name: &str| format!("file:{}", folder.path().join(name).display());
    let secret = |letter: char| format!("whsec_{}", String::from(letter).repeat(32));
    write("token", "Bearer first");
    write("secret", &secret('a'));
    let connector = connector(
        &format!(
            "url = \"http://127.0.0.1:{}/\"\nheaders = {{ Authorization = \"{}\" }}\nsecret = \"{}\"\n",
            server.port,
            file("token"),
            file("secret")
        ),
        &[],
    );
    let mut sent = async || {
        assert_eq!(connector.send(order()).await.outcome, FinishOutcome::Done);
        let mut headers = server.received.recv().await.unwrap().headers;
        let mut taken = |name| headers.remove(name).unwrap();
        (taken("authorization"), taken("webhook-signature"))
    };
    let first = sent().await;
    assert_eq!(first.0, "Bearer first");
    write("token", "Bearer second");
    write("secret", &secret('b'));
    let second = sent().await;
    assert_eq!(second.0, "Bearer second");
    assert_ne!(first.1, second.1);
    // What is no header value and no secret of the scheme is not used.
    write("token", "Bearer \u{1}");
    write("secret", "short");
    assert_eq!(sent().await, second);
}
