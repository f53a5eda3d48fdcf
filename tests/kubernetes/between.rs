//! A server between connector and cluster: it passes requests on, and can do something before one, or lose an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use http::Request;
use kube::Client;
use kube::client::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::lab::Lab;

/// What is done before a change is passed on.
pub(crate) type Before = Arc<dyn Fn(Client) -> BoxFuture<'static, ()> + Send + Sync>;

/// What happens to the next change, once.
#[derive(Clone)]
pub(crate) enum Next {
    /// Something changes in the cluster before it arrives.
    Before(Before),
    /// It is carried out, and its answer is lost.
    Lose,
}

/// Keys of a connection that goes through such a server.
pub(crate) async fn between(lab: &Lab, next: Next) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = lab.client.clone();
    let armed = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(
                stream,
                client.clone(),
                next.clone(),
                Arc::clone(&armed),
            ));
        }
    });
    let path = lab.folder.path().join(format!("between-{port}"));
    let file = format!(
        "{{apiVersion: v1, kind: Config, clusters: [{{name: a, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}], \
         users: [{{name: a, user: {{token: none}}}}], contexts: [{{name: a, context: {{cluster: a, user: a}}}}], current-context: a}}"
    );
    std::fs::write(&path, file).unwrap();
    format!("kubeconfig = {path:?}\nnamespace = {:?}\n", lab.namespace)
}

async fn serve(mut stream: TcpStream, client: Client, next: Next, armed: Arc<AtomicBool>) {
    while let Some((request, changes)) = read(&mut stream).await {
        let now = changes && armed.swap(false, Ordering::SeqCst);
        if now && let Next::Before(before) = &next {
            before(client.clone()).await;
        }
        let response = client.send(request).await.unwrap();
        if now && matches!(next, Next::Lose) {
            return;
        }
        let status = response.status();
        let body = response.into_body().collect_bytes().await.unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
    }
}

/// A request without its credentials, and whether it changes something.
async fn read(stream: &mut TcpStream) -> Option<(Request<Body>, bool)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&some[..read]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut line = lines.next().unwrap().split(' ');
    let (method, path) = (line.next().unwrap(), line.next().unwrap());
    let header = |name: &str| {
        let mut lines = head.lines();
        lines.find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).await.unwrap();
        body.extend_from_slice(&some[..read]);
    }
    let content = header("content-type").unwrap_or_else(|| "application/json".to_owned());
    let changes = method != "GET" && !path.contains("selfsubject");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", content);
    Some((request.body(Body::from(body)).unwrap(), changes))
}
