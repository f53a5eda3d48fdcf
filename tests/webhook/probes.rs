//! Targets that are asked whether a request was carried out.

use homeostat_actors::ports::connector::Probe;

use crate::server::{Behaviour, Server, connector, order};

async fn ask(port: u16, path: &str, keys: &str) -> Option<Probe> {
    let table = format!("url = \"http://127.0.0.1:{port}/\"\n{keys}[probe]\npath = \"{path}\"");
    let connector = connector(&table, &[]);
    assert!(connector.can_be_probed());
    connector.probe(order()).await
}

#[tokio::test]
async fn a_probe_gets_the_one_thing_that_the_action_makes_and_reads_yes_or_no_from_the_status() {
    for (status, said) in [
        ("200 OK", "found"),
        ("404 Not Found", "absent"),
        ("410 Gone", "absent"),
        ("302 Found", "nothing"),
        ("401 Unauthorized", "nothing"),
        ("503 Service Unavailable", "nothing"),
    ] {
        let mut server = Server::responding(status, "", "run 7").await;
        let answer = ask(server.port, "/runs/{{ action_id }}", "").await.unwrap();
        let (kind, evidence) = match answer {
            Probe::Found(evidence) => ("found", evidence),
            Probe::Absent(evidence) => ("absent", evidence),
            Probe::NoAnswer(reason) => ("nothing", reason),
        };
        assert_eq!(kind, said, "{status}");
        assert!(evidence.contains("/runs/abab") && evidence.ends_with(&format!("{status}: run 7")));
        let request = server.received.recv().await.unwrap();
        let line = format!("GET /runs/{} HTTP/1.1", "ab".repeat(16));
        assert_eq!((request.line, request.body.as_str()), (line, ""));
    }
}

#[tokio::test]
async fn a_target_that_gives_no_answer_says_nothing_and_one_without_a_probe_cannot_be_asked() {
    for behaviour in [Behaviour::Close, Behaviour::Hang, Behaviour::Reset] {
        let server = Server::start(behaviour).await;
        let keys = "timeout_ms = 300\nconnect_timeout_ms = 300\n";
        let answer = ask(server.port, "/", keys).await;
        assert!(matches!(answer, Some(Probe::NoAnswer(_))), "{answer:?}");
    }
    let nobody = ask(1, "/", "").await;
    assert!(matches!(nobody, Some(Probe::NoAnswer(_))), "{nobody:?}");
    let plain = connector("url = \"http://127.0.0.1:1/\"", &[]);
    assert!(!plain.can_be_probed());
    assert_eq!(plain.probe(order()).await, None);
}
