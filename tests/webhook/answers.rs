//! What each kind of answer means, and what of it is kept.

use std::time::Duration;

use homeostat_actors::ports::connector::Answer;
use homeostat_logic::ledger::record::FinishOutcome;
use tokio::net::TcpListener;

use crate::server::{Behaviour, Server, send, send_to};

#[tokio::test]
async fn each_status_of_a_server_has_its_outcome_and_pause() {
    use FinishOutcome::{Done, Failed, Unknown};
    // Status, header, outcome, pause, permanent.
    let table = [
        ("200 OK", "retry-after: 5\r\n", Done, None, false),
        ("202 Accepted", "", Done, None, false),
        ("302 Found", "location: /elsewhere\r\n", Failed, None, true),
        ("400 Bad Request", "retry-after: 5\r\n", Failed, None, true),
        ("401 Unauthorized", "", Failed, None, true),
        ("404 Not Found", "", Failed, None, true),
        ("408 Request Timeout", "", Unknown, None, false),
        ("409 Conflict", "", Unknown, None, false),
        ("410 Gone", "", Failed, None, true),
        ("425 Too Early", "", Unknown, None, false),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            Failed,
            Some(7_000),
            false,
        ),
        ("429 Too Many Requests", "", Failed, Some(1_000), false),
        (
            "429 Too Many Requests",
            "retry-after: Tue, 14 Nov 2023 22:13:30 GMT\r\n",
            Failed,
            Some(9_877),
            false,
        ),
        ("500 Internal Server Error", "", Unknown, None, false),
        (
            "503 Service Unavailable",
            "retry-after: 30\r\n",
            Unknown,
            Some(30_000),
            false,
        ),
    ];
    for (status, headers, outcome, retry_after_ms, permanent) in table {
        let mut server = Server::responding(status, headers, "why").await;
        let answer = send_to(&server, "").await;
        assert_eq!(answer.outcome, outcome, "{status}");
        assert_eq!(answer.retry_after_ms, retry_after_ms, "{status}");
        assert_eq!(answer.permanent, permanent, "{status}");
        assert!(
            answer.detail.contains(status) && answer.detail.ends_with(": why"),
            "{}",
            answer.detail
        );
        assert_eq!(
            server.count(),
            1,
            "{status}: never again, and never elsewhere"
        );
    }
}

#[tokio::test]
async fn a_connection_can_say_what_statuses_of_its_service_mean() {
    use FinishOutcome::{Done, Failed, Unknown};
    let keys = "retry_statuses = [404, 409, 503]\nreject_statuses = [408, 500]";
    // Status, outcome, permanent, a failure of the service.
    let table = [
        ("200 OK", Done, false, false),
        ("404 Not Found", Failed, false, false),
        ("409 Conflict", Unknown, false, false),
        ("503 Service Unavailable", Unknown, false, true),
        ("408 Request Timeout", Failed, true, false),
        ("500 Internal Server Error", Failed, true, false),
        ("502 Bad Gateway", Unknown, false, true),
        ("403 Forbidden", Failed, true, false),
    ];
    for (status, outcome, permanent, trouble) in table {
        let server = Server::responding(status, "", "why").await;
        let answer = send_to(&server, keys).await;
        let said = (answer.outcome, answer.permanent, answer.trouble);
        assert_eq!(said, (outcome, permanent, trouble), "{status}");
    }
}

#[tokio::test]
async fn without_an_answer_the_outcome_is_unknown_once_bytes_have_left() {
    for (behaviour, detail) in [
        (Behaviour::Close, "the connection broke"),
        (Behaviour::Reset, "the connection broke"),
        (Behaviour::Hang, "no answer within the time limit"),
        (
            Behaviour::RespondAndHang(b"HTTP/1.1 20".to_vec()),
            "no answer within the time limit",
        ),
        (
            Behaviour::Respond(b"no HTTP at all\r\n\r\n".to_vec()),
            "the connection broke",
        ),
    ] {
        let server = Server::start(behaviour).await;
        let answer = send_to(&server, "timeout_ms = 300").await;
        assert_eq!(answer.outcome, FinishOutcome::Unknown, "{}", answer.detail);
        assert!(answer.detail.contains(detail), "{}", answer.detail);
        assert!(!answer.permanent);
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for url in [
        format!("http://127.0.0.1:{port}/"),
        // A name that cannot exist (RFC 6761).
        "https://nowhere.invalid/".to_owned(),
    ] {
        let answer = send(&format!("url = \"{url}\""), &[]).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
        assert!(answer.detail.contains("no connection"), "{}", answer.detail);
    }
}

#[tokio::test]
async fn a_handshake_that_fails_or_never_ends_sent_nothing() {
    let deaf = Server::start(Behaviour::Hang).await;
    let plain = Server::start(Behaviour::Reset).await;
    for port in [deaf.port, plain.port] {
        let table = format!("url = \"https://127.0.0.1:{port}/\"\nconnect_timeout_ms = 200");
        let answer = send(&table, &[]).await;
        assert_eq!(answer.outcome, FinishOutcome::NotSent, "{}", answer.detail);
    }
}

#[tokio::test]
async fn an_endless_or_broken_body_changes_nothing_about_the_status_and_is_cut() {
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..64 {
        endless.extend_from_slice(b"10000\r\n");
        endless.extend(std::iter::repeat_n(b'x', 0x1_0000));
        endless.extend_from_slice(b"\r\n");
    }
    let hanging = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nstart".to_vec();
    for behaviour in [
        Behaviour::Respond(endless),
        Behaviour::RespondAndHang(hanging),
    ] {
        let server = Server::start(behaviour).await;
        let answer = send_to(&server, "timeout_ms = 300").await;
        assert_eq!(answer.outcome, FinishOutcome::Done);
        assert!(
            answer.detail.len() <= Answer::DETAIL_BYTES_MAX,
            "{}",
            answer.detail.len()
        );
    }
}

#[tokio::test]
async fn secrets_echoed_by_a_server_do_not_reach_the_record() {
    let server = Server::responding("500 Oops", "", "you sent s3cret-token\u{7} and more").await;
    let table = format!(
        "url = \"env:HOOK\"\nheaders = {{ Authorization = \"env:TOKEN\" }}\n# {}",
        server.port
    );
    let hook = format!("http://127.0.0.1:{}/services/T0/hidden", server.port);
    let answer = send(&table, &[("TOKEN", "s3cret-token"), ("HOOK", &hook)]).await;
    assert_eq!(
        answer.detail,
        format!(
            "POST http://127.0.0.1:{}/***: 500 Internal Server Error: you sent ***  and more",
            server.port
        )
    );
}

#[tokio::test]
async fn a_secret_across_the_end_of_what_is_kept_is_masked_as_a_whole() {
    let body = format!("{}s3cret-token", "x".repeat(1_018));
    let server = Server::responding("500 Oops", "", &body).await;
    let table = format!(
        "url = \"http://127.0.0.1:{}/\"\nheaders = {{ Authorization = \"env:TOKEN\" }}",
        server.port
    );
    let answer = send(&table, &[("TOKEN", "s3cret-token")]).await;
    assert!(answer.detail.ends_with("xxx***"), "{}", answer.detail);
}

#[tokio::test]
async fn the_answer_comes_within_the_timeout_of_the_table() {
    let server = Server::start(Behaviour::Hang).await;
    let sent = send_to(&server, "timeout_ms = 200");
    // Far below the default of ten seconds: it is the table's limit that ended it.
    let answer = tokio::time::timeout(Duration::from_secs(5), sent)
        .await
        .unwrap();
    assert_eq!(answer.outcome, FinishOutcome::Unknown);
}
