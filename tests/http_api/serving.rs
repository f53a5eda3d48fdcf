//! The server itself: bytes that are no HTTP, its end, and its address.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use homeostat::http::{ServeError, Server};

use crate::asking::get;
use crate::outside::Outside;

#[test]
fn bytes_that_are_no_http_get_an_answer_or_an_end() {
    let outside = Outside::start();
    for bytes in [
        b"\x16\x03\x01\x02\x00".as_slice(),
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = std::net::TcpStream::connect(outside.server.address()).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn the_server_stops_in_time_and_frees_its_address() {
    let outside = Outside::start();
    let address = outside.server.address();
    assert_eq!(get(&outside, "/livez").await.0, 200);
    assert!(outside.server.stop(Duration::from_secs(10)));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_address_that_cannot_be_served_is_refused_with_the_remedy() {
    let outside = Outside::start();
    let taken = outside.server.address().to_string();
    let state = || crate::outside::parts(&outside.log, &outside.answers, &outside.metrics);
    for (listen, expected) in [
        (taken.as_str(), "set http.listen"),
        ("nonsense", "set http.listen"),
    ] {
        let error = Server::start(listen, state()).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let exposed = Server::start("0.0.0.0:0", state()).map(|_| ());
    assert!(matches!(exposed, Err(ServeError::Exposed { .. })));
}
