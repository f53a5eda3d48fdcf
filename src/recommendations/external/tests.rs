//! A model behind a server that answers as it is ordered to: what becomes of each answer, of silence, and of none.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};

use serde_json::{Value, json};

use super::*;
use crate::connectors::kit::Compile;

/// A server that gives each request the next answer; `None`: it is silent.
struct Server {
    url: String,
    requests: Receiver<(String, Value)>,
}

impl Server {
    fn start(answers: Vec<Option<(u16, Value)>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = sync_channel(100);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let request = request(&stream);
                sender.send(request).unwrap();
                match answer {
                    None => silent.push(stream),
                    Some((status, body)) => {
                        let body = body.to_string();
                        let length = body.len();
                        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
                    }
                }
            }
            // Those that wait for an answer are held until the next request comes.
            drop((listener.accept(), silent));
        });
        Self { url, requests }
    }
}

/// The path and the body of a request.
fn request(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    (path, serde_json::from_slice(&body).unwrap())
}

pub(super) fn settings(text: &str) -> Result<External, Vec<String>> {
    let settings: ExternalSettings = toml::from_str(text).unwrap();
    let environment = BTreeMap::new();
    let mut compile = Compile::new(&environment);
    let model = settings.compile("ranker", &mut compile);
    let problems: Vec<String> = compile
        .problems
        .iter()
        .map(|found| format!("{}: {}", found.key.join("."), found.problem))
        .collect();
    model.filter(|_| problems.is_empty()).ok_or(problems)
}

fn model(url: &str, more: &str) -> External {
    settings(&format!("url = \"{url}\"\nanswer_within_ms = 2000\n{more}")).unwrap()
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn recommended(model: &External) -> Result<Vec<String>, Why> {
    let (recent, candidates) = (texts(&["9", "8"]), texts(&["1", "2", "3"]));
    let ask = Ask {
        user: "7",
        recent: &recent,
        candidates: &candidates,
        k: 3,
    };
    model.recommend(&ask, &|item| item != "hidden").await
}

#[tokio::test]
async fn candidates_of_mlflow_are_shown_each_once_and_filled_up_with_ours() {
    for (predictions, expected) in [
        (json!([["a", "b", "c", "d"]]), ["a", "b", "c"]),
        (json!(["a", "hidden", "a", 2.0]), ["a", "2", "1"]),
        (json!([{"item_id": "a"}, {"item_id": 5}]), ["a", "5", "1"]),
        (json!([{"items": ["a", "b", "c"]}]), ["a", "b", "c"]),
    ] {
        let server = Server::start(vec![Some((200, json!({ "predictions": predictions })))]);
        let model = model(
            &server.url,
            "protocol = \"mlflow\"\nmode = \"candidates\"\nids = \"number\"\nrecent_max = 1",
        );
        assert_eq!(
            recommended(&model).await,
            Ok(texts(&expected)),
            "{predictions}"
        );
        let (path, body) = server.requests.recv().unwrap();
        assert_eq!(path, "/invocations");
        let frame = json!({"columns": ["user_id", "recent_items", "k"], "data": [[7, [9], 3]]});
        assert_eq!(body, json!({ "dataframe_split": frame }));
    }
}

#[tokio::test]
async fn scores_sort_our_own_list() {
    for predictions in [
        json!([0.1, 0.3, 0.2]),
        json!([[0.1], [0.3], [0.2]]),
        json!([{"score": 0.1}, {"score": 0.3}, {"score": 0.2}]),
    ] {
        let server = Server::start(vec![Some((200, json!({ "predictions": predictions })))]);
        let model = model(
            &server.url,
            "protocol = \"mlflow\"\nmode = \"scores\"\nform = \"inputs\"",
        );
        assert_eq!(
            recommended(&model).await,
            Ok(texts(&["2", "3", "1"])),
            "{predictions}"
        );
        let (_, body) = server.requests.recv().unwrap();
        assert_eq!(body["inputs"][0], json!({"user_id": "7", "item_id": "1"}));
    }
    // Only the first of ours are scored; the others follow.
    let answer = json!({"model_name": "m", "outputs": [{"name": "y", "shape": [2, 1], "datatype": "FP32", "data": [0.1, 0.2]}]});
    let server = Server::start(vec![Some((200, answer))]);
    let model = model(
        &server.url,
        "protocol = \"kserve\"\nmodel = \"m\"\nversion = \"3\"\nmode = \"scores\"\nscored_max = 2",
    );
    assert_eq!(recommended(&model).await, Ok(texts(&["2", "1", "3"])));
    let (path, body) = server.requests.recv().unwrap();
    assert_eq!(path, "/v2/models/m/versions/3/infer");
    assert_eq!(body["inputs"][1]["shape"], json!([2]));
    assert_eq!(body["inputs"][1]["data"], json!(["1", "2"]));
    assert_eq!(body["inputs"][0]["data"], json!(["7", "7"]));
}

#[tokio::test]
async fn candidates_of_kserve_are_the_tensor_of_their_name() {
    let other = json!({"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]});
    for (tensor, expected) in [
        (
            json!({"name": "item_ids", "shape": [1, 2], "datatype": "BYTES", "data": [["a", "b"]]}),
            ["a", "b", "1"],
        ),
        (
            json!({"name": "items", "shape": [2], "datatype": "INT64", "data": [5, 6]}),
            ["5", "6", "1"],
        ),
        (
            json!({"name": "item_ids", "shape": [1], "datatype": "BYTES", "data": ["YQ=="], "parameters": {"content_type": "base64"}}),
            ["a", "1", "2"],
        ),
    ] {
        let server = Server::start(vec![Some((200, json!({"outputs": [other, tensor]})))]);
        let model = model(
            &server.url,
            "protocol = \"kserve\"\nmodel = \"m\"\nmode = \"candidates\"",
        );
        assert_eq!(recommended(&model).await, Ok(texts(&expected)), "{tensor}");
        let (path, body) = server.requests.recv().unwrap();
        assert_eq!(path, "/v2/models/m/infer");
        let inputs = json!([
            {"name": "user_id", "shape": [1], "datatype": "BYTES", "data": ["7"], "parameters": {"content_type": "str"}},
            {"name": "recent_items", "shape": [2], "datatype": "BYTES", "data": ["9", "8"], "parameters": {"content_type": "str"}},
            {"name": "k", "shape": [1], "datatype": "INT32", "data": [3]},
        ]);
        assert_eq!(body, json!({ "inputs": inputs }));
    }
}

#[tokio::test]
async fn what_is_late_wrong_or_away_is_counted_by_its_reason() {
    let candidates = "protocol = \"mlflow\"\nmode = \"candidates\"\nfailures_max = 0";
    let scores = "protocol = \"mlflow\"\nmode = \"scores\"\nfailures_max = 0";
    for (mode, answer, name) in [
        (
            candidates,
            Some((503, json!({"error": "loading"}))),
            "status",
        ),
        (candidates, Some((200, json!("text"))), "wrong"),
        (
            candidates,
            Some((200, json!({"predictions": [[null]]}))),
            "wrong",
        ),
        (
            candidates,
            Some((200, json!({"predictions": [{"x": 1}]}))),
            "wrong",
        ),
        (
            candidates,
            Some((200, json!({"predictions": ["hidden"]}))),
            "nothing",
        ),
        (
            candidates,
            Some((200, json!({"predictions": []}))),
            "nothing",
        ),
        (scores, Some((200, json!({"predictions": [1, 2]}))), "wrong"),
        (
            scores,
            Some((200, json!({"predictions": [1, 2, "x"]}))),
            "wrong",
        ),
        (candidates, None, "late"),
    ] {
        let server = Server::start(vec![answer.clone()]);
        let limit = if answer.is_none() { 30 } else { 2_000 };
        let model = settings(&format!(
            "url = \"{}\"\nanswer_within_ms = {limit}\n{mode}",
            server.url
        ))
        .unwrap();
        let why = recommended(&model).await.unwrap_err();
        assert_eq!(why.name(), name, "{answer:?}: {why}");
        let counted: Vec<_> = model.counts().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(name, 1)]);
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let model = model(&format!("http://{gone}"), candidates);
    assert_eq!(recommended(&model).await.unwrap_err().name(), "away");
}

#[tokio::test]
async fn a_model_that_fails_in_a_row_is_left_alone_and_its_places_are_given_back() {
    let server = Server::start(vec![Some((500, json!({}))), Some((500, json!({})))]);
    let more = "protocol = \"mlflow\"\nmode = \"candidates\"\nfailures_max = 2\nconcurrency_max = 1\nalone_ms = 60000";
    let model = model(&server.url, more);
    for name in ["status", "status", "open", "open"] {
        assert_eq!(recommended(&model).await.unwrap_err().name(), name);
    }
    assert_eq!(server.requests.try_iter().count(), 2);
}

#[tokio::test]
async fn beyond_its_bound_of_requests_ours_are_used_at_once() {
    let server = Server::start(vec![None]);
    let model = model(
        &server.url,
        "protocol = \"mlflow\"\nmode = \"candidates\"\nconcurrency_max = 1",
    );
    let first = recommended(&model);
    let second = async {
        while server.requests.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        recommended(&model).await
    };
    tokio::select! {
        _ = first => panic!("it is silent"),
        second = second => assert_eq!(second, Err(Why::Busy)),
    }
    // The first was dropped: its place is free again.
    assert!(model.gate.enter(&model.limits).is_ok());
}

#[test]
fn what_is_missing_or_not_meant_is_a_problem_of_its_key() {
    for (text, problem) in [
        (
            "protocol = \"kserve\"\nmode = \"scores\"\nurl = \"https://models.example.com\"",
            "model: is missing",
        ),
        (
            "protocol = \"mlflow\"\nmode = \"scores\"\nurl = \"http://models.example.com\"",
            "url: is plain http",
        ),
        (
            "protocol = \"mlflow\"\nmode = \"scores\"",
            "url: is not a URL",
        ),
        (
            "protocol = \"mlflow\"\nmode = \"scores\"\nurl = \"https://h/{{ target }}\"",
            "url: is a reference or holds an expression",
        ),
        (
            "protocol = \"mlflow\"\nmode = \"scores\"\nurl = \"https://h\"\nheaders.Authorization = \"secret\"",
            "headers.Authorization",
        ),
    ] {
        let problems = settings(text).unwrap_err();
        assert!(
            problems.iter().any(|one| one.contains(problem)),
            "{text}: {problems:?}"
        );
    }
}
