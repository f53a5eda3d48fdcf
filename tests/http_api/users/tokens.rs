//! Who may read what is a user's.

use homeostat::push::HubSettings;
use homeostat_logic::push::token::sign;
use tokio_tungstenite::tungstenite::Error;

use super::sockets::try_connect;
use super::{PATIENCE, Stream};
use crate::asking::answer;
use crate::outside::users::{Connected, SECRET};
use crate::outside::{NOW, TOKEN};

const STREAM: &str = "/api/v1/users/7/stream";

fn connected() -> Connected {
    Connected::start_with(HubSettings::default(), Some(SECRET))
}

#[tokio::test]
async fn a_stream_is_opened_with_the_users_token_or_the_operators_and_no_other() {
    let connected = connected();
    let good = sign(SECRET.as_bytes(), "7", NOW, 60_000);
    let other = sign(SECRET.as_bytes(), "8", NOW, 60_000);
    let forged = sign(b"another secret of thirty-two byte", "7", NOW, 60_000);
    let expired = sign(SECRET.as_bytes(), "7", NOW - 60_000, 60_000);
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    for (token, status, kind) in [
        (good.as_str(), 200, ""),
        (TOKEN, 200, ""),
        (&other, 403, "other-user"),
        (&forged, 401, "wrong-user-token"),
        (&expired, 401, "wrong-user-token"),
        (&unsigned, 401, "wrong-user-token"),
        ("nonsense", 401, "wrong-user-token"),
        ("", 401, "no-user-token"),
    ] {
        let encoded = token.replace(' ', "%20");
        let client = &connected.outside.client;
        let url = connected.outside.url(STREAM);
        let with_header = client.get(&url).bearer_auth(token);
        let with_query = client.get(format!("{url}?token={encoded}"));
        for request in [with_header, with_query] {
            if status == 200 {
                drop(Stream::of(request).await);
            } else {
                let (got, problem) = answer(request).await;
                assert_eq!(got, status, "{token}: {problem}");
                assert_eq!(problem["type"], format!("urn:homeostat:problem:{kind}"));
                assert!(!problem.to_string().contains(SECRET));
                assert!(token.is_empty() || !problem.to_string().contains(token));
            }
        }
    }
    let basic = connected.outside.client.get(connected.outside.url(STREAM));
    let (status, problem) = answer(basic.basic_auth("7", Some("x"))).await;
    assert_eq!(status, 401);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("homeostat users token"), "{detail}");
    let refused = |reason: &str| {
        let series = format!("homeostat_user_token_refusals_total{{reason=\"{reason}\"}}");
        connected.metric(&series)
    };
    assert_eq!(refused("other_user"), 2.0);
    assert_eq!(refused("signature"), 4.0);
    assert_eq!(refused("expired"), 2.0);
    assert_eq!(refused("missing"), 3.0);
}

#[tokio::test]
async fn a_refusal_names_the_scheme() {
    let connected = connected();
    let client = &connected.outside.client;
    let url = connected.outside.url(STREAM);
    let missing = client.get(&url).send().await.unwrap();
    assert_eq!(missing.headers()["www-authenticate"], "Bearer");
    let wrong = client.get(&url).bearer_auth("x").send().await.unwrap();
    let scheme = &wrong.headers()["www-authenticate"];
    assert_eq!(scheme, r#"Bearer error="invalid_token""#);
}

#[tokio::test]
async fn a_websocket_shows_its_token_as_a_subprotocol() {
    let connected = connected();
    let good = sign(SECRET.as_bytes(), "7", NOW, 60_000);
    let other = sign(SECRET.as_bytes(), "8", NOW, 60_000);
    let path = "/api/v1/users/7/ws";
    for (offered, status) in [
        (format!("homeostat, bearer.{good}"), 101),
        (format!("bearer.{good},homeostat"), 101),
        (format!("homeostat, bearer.{other}"), 403),
        ("homeostat, bearer.nonsense".to_owned(), 401),
        ("homeostat".to_owned(), 401),
    ] {
        let headers = [("sec-websocket-protocol", offered.as_str())];
        match try_connect(&connected, path, &headers).await {
            Ok(_) => assert_eq!(status, 101, "{offered}"),
            Err(Error::Http(refused)) => assert_eq!(refused.status(), status, "{offered}"),
            Err(error) => panic!("{offered}: {error}"),
        }
    }
    let with_query = format!("{path}?token={good}");
    assert!(try_connect(&connected, &with_query, &[]).await.is_ok());
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    let connected = connected();
    let short = sign(SECRET.as_bytes(), "7", NOW, 1_000);
    let url = connected.outside.url(STREAM);
    let stream = Stream::of(connected.outside.client.get(url).bearer_auth(short)).await;
    let rest = tokio::time::timeout(PATIENCE, stream.rest()).await.unwrap();
    assert!(rest.contains("\"why\":\"expired\""), "{rest}");
    connected.open(0).await;
}
