//! Who may use Redis, and how it is reached: passwords that change, users with few rights, TLS.

use std::path::Path;

use homeostat_actors::ports::user_store::{Entry, StoreError, UserStore};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::server::{Server, cli};
use crate::world::{opened, put, until};

async fn why_unavailable(store: &dyn UserStore) -> String {
    match store.change(vec![put(Entry::Profile, "u", 1)]).await {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, path).unwrap();
}

#[tokio::test]
async fn a_password_follows_its_file_and_is_never_shown() {
    let Some(mut server) = Server::start(&["--requirepass", "first-password"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    let url = server.url();
    let none = opened(&format!("redis_url = \"{url}\""), folder.path(), &[]);
    let why = why_unavailable(&*none).await;
    assert!(
        why.contains("NOAUTH") && why.contains("store.password"),
        "{why}"
    );
    replace(&file, "wrong-password\n");
    let section = format!(
        "redis_url = \"{url}\"\npassword = \"file:{}\"",
        file.display()
    );
    let store = opened(&section, folder.path(), &[]);
    let why = why_unavailable(&*store).await;
    assert!(
        why.contains("store.password") && !why.contains("wrong-password"),
        "{why}"
    );
    replace(&file, "first-password\n");
    until(|| store.change(vec![put(Entry::Profile, "u", 1)])).await;
    // It is changed on both sides; connections end, as with a restart.
    server.kill();
    replace(&file, "second-password\n");
    server.restart(&["--requirepass", "second-password"]);
    until(|| store.change(vec![put(Entry::Profile, "u", 2)])).await;
    let debug = format!(
        "{:?}",
        crate::world::configured(&section, folder.path(), &[]).settings
    );
    assert!(!debug.contains("second-password"));
}

#[tokio::test]
async fn a_url_with_its_password_comes_by_reference() {
    let Some(server) = Server::start(&["--requirepass", "p@ss word"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("redis://:p%40ss%20word@127.0.0.1:{}/3", server.port());
    let store = opened(
        "redis_url = \"env:REDIS_URL\"",
        folder.path(),
        &[("REDIS_URL", &url)],
    );
    store
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    let found = cli(server.port(), &["-a", "p@ss word", "-n", "3", "DBSIZE"]);
    assert_eq!(found, "1");
}

/// The rights that docs/store.md names.
fn rights() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/store.md"));
    let page = page.unwrap();
    let line = page.lines().find(|line| line.starts_with("ACL SETUSER"));
    let words = line.unwrap().split_whitespace().map(str::to_owned);
    words.collect()
}

#[tokio::test]
async fn a_user_with_the_rights_of_the_docs_can_do_all_of_it_and_no_other() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rights = rights();
    let words: Vec<&str> = rights.iter().map(String::as_str).collect();
    assert_eq!(server.cli(&words), "OK");
    let folder = tempfile::tempdir().unwrap();
    let section = format!(
        "redis_url = \"{}\"\nusername = \"homeostat\"\npassword = \"env:PASSWORD\"",
        server.url()
    );
    let environment = [("PASSWORD", "PASSWORD")];
    let store = opened(&section, folder.path(), &environment);
    server.cli(&["SCRIPT", "FLUSH"]);
    let changes = Entry::ALL.map(|entry| put(entry, "u", 1));
    store.change(changes.to_vec()).await.unwrap();
    assert_eq!(store.profiles(None, 10).await.unwrap().users.len(), 1);
    for size in [3_000_000, 10] {
        store.put_blob("model", vec![1; size]).await.unwrap();
        assert_eq!(store.blob("model").await.unwrap().unwrap().len(), size);
    }
    server.cli(&["ACL", "SETUSER", "homeostat", "-set", "-evalsha"]);
    let why = why_unavailable(&*store).await;
    assert!(
        why.contains("NOPERM") && why.contains("docs/store.md"),
        "{why}"
    );
    server.cli(&["ACL", "SETUSER", "homeostat", "+set", "+evalsha"]);
    until(|| store.change(vec![put(Entry::Profile, "u", 2)])).await;
}

/// Certificates of a CA of one's own: its PEM, then certificate and key for 127.0.0.1.
fn certificates() -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Another name than that of what it signs, which would count as signed by itself.
    ca.distinguished_name
        .push(DnType::CommonName, "CA of a test");
    let ca_pem = ca.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(ca, key);
    let own = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
    let leaf = leaf.unwrap().signed_by(&own, &issuer).unwrap();
    (ca_pem, leaf.pem(), own.serialize_pem())
}

#[tokio::test]
async fn tls_takes_a_ca_of_ones_own_and_shows_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, certificate, key) = certificates();
    let (ca, certificate, key) = (
        file("ca.pem", &ca),
        file("certificate.pem", &certificate),
        file("key.pem", &key),
    );
    let other = file("other.pem", &certificates().0);
    let arguments = [
        "--tls-port",
        "{port}",
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "yes",
    ];
    let Some(server) = Server::start(&arguments) else {
        return;
    };
    let url = format!("redis_url = \"rediss://127.0.0.1:{}\"", server.port());
    let own = format!("certificate = \"{certificate}\"\nkey = \"{key}\"");
    let good = format!("{url}\nca = \"{ca}\"\n{own}");
    let store = opened(&good, folder.path(), &[]);
    store
        .change(vec![put(Entry::Profile, "u", 1)])
        .await
        .unwrap();
    for bad in [
        format!("{url}\nca = \"{other}\"\n{own}"),
        format!("{url}\n{own}"),
        format!("{url}\nca = \"{ca}\""),
        format!("redis_url = \"redis://127.0.0.1:{}\"", server.port()),
    ] {
        let store = opened(&bad, folder.path(), &[]);
        let why = why_unavailable(&*store).await;
        assert!(why.contains("Redis 127.0.0.1"), "{why}");
        println!("{why}");
    }
}
