//! Pages for people: what is served, with which headers, and how it is found from where a page was asked for.

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::asking::get;
use crate::outside::Outside;

/// Pages, with what is between them and the root.
const PAGES: [(&str, &str); 5] = [
    ("/users", "./"),
    ("/users/7", "../"),
    ("/users/a%2Fb%20%3Cscript%3E", "../"),
    ("/users/7/", "../../"),
    ("/recommendations", "./"),
];
const SCRIPTS: &str = "script-src 'self'";
const STRICT: &str = "default-src 'none'; frame-ancestors 'none'";

async fn ask(outside: &Outside, method: Method, path: &str, tag: Option<&str>) -> Response {
    let request = outside.client.request(method, outside.url(path));
    let request = match tag {
        Some(tag) => request.header("if-none-match", tag),
        None => request,
    };
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// `VERSION/FILE` of an asset, as the pages name it.
pub(crate) async fn asset(outside: &Outside, file: &str) -> String {
    let page = ask(outside, Method::GET, "/users", None).await;
    let page = page.text().await.unwrap();
    let (_, rest) = page.split_once("./assets/").unwrap();
    let (version, _) = rest.split_once('/').unwrap();
    format!("{version}/{file}")
}

#[tokio::test]
async fn a_page_runs_its_own_scripts_alone_and_is_asked_about_each_time() {
    let outside = Outside::start();
    for (path, root) in PAGES {
        let page = ask(&outside, Method::GET, path, None).await;
        assert_eq!(page.status(), 200, "{path}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), "no-cache");
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        let policy = header(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains(SCRIPTS));
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = header(&page, "etag").to_owned();
        let text = page.text().await.unwrap();
        assert!(!text.contains("{{"), "{path}: {text}");
        assert!(text.contains(&format!("data-root=\"{root}\"")), "{path}");
        assert!(text.contains(&format!("\"{root}assets/")), "{path}");
        // Nothing of the address is in the text, no script or style in it, and no address outside.
        assert!(!text.contains("a/b") && !text.contains("%2F"));
        assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains("://"));
        assert!(!text.contains(" onclick=") && !text.contains("<script>"));

        let same = ask(&outside, Method::GET, path, Some(&tag)).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            header(&same, "content-security-policy"),
            header(
                &ask(&outside, Method::GET, path, None).await,
                "content-security-policy"
            )
        );
        let other = ask(&outside, Method::GET, path, Some("\"other\"")).await;
        assert_eq!(other.status(), 200);
        let head = ask(&outside, Method::HEAD, path, None).await;
        assert_eq!(
            (head.status(), header(&head, "etag")),
            (StatusCode::OK, tag.as_str())
        );
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        let post = ask(&outside, Method::POST, path, None).await;
        assert_eq!(
            (post.status(), header(&post, "allow")),
            (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD")
        );
    }
    // The root differs, and with it the text.
    let [one, other] = ["/users/7", "/users/7/"].map(|path| ask(&outside, Method::GET, path, None));
    assert_ne!(header(&one.await, "etag"), header(&other.await, "etag"));
}

#[tokio::test]
async fn every_asset_that_a_page_names_is_there_and_kept_for_ever() {
    let outside = Outside::start();
    let mut seen = 0;
    for path in ["/users/7", "/recommendations"] {
        let page = ask(&outside, Method::GET, path, None)
            .await
            .text()
            .await
            .unwrap();
        for named in page.split("assets/").skip(1) {
            let name = named.split('"').next().unwrap();
            let file = ask(&outside, Method::GET, &format!("/assets/{name}"), None).await;
            assert_eq!(file.status(), 200, "{name}");
            assert_eq!(
                header(&file, "cache-control"),
                "public, max-age=31536000, immutable"
            );
            let media = match name.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                _ => "image/svg+xml",
            };
            assert_eq!(header(&file, "content-type"), media, "{name}");
            let tag = header(&file, "etag").to_owned();
            assert!(!file.bytes().await.unwrap().is_empty());
            let same = ask(
                &outside,
                Method::GET,
                &format!("/assets/{name}"),
                Some(&tag),
            )
            .await;
            assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen} assets");
}

#[tokio::test]
async fn what_is_no_asset_is_not_found_and_not_kept() {
    let outside = Outside::start();
    let known = asset(&outside, "user.js").await;
    let version = known.split('/').next().unwrap();
    for path in [
        format!("/assets/{version}/nothing.js"),
        format!("/assets/{version}/..%2Fshell.html"),
        format!("/assets/{version}"),
        "/assets/0000000000000000/user.js".to_owned(),
        "/assets".to_owned(),
        "/users/7/more".to_owned(),
        "/user".to_owned(),
    ] {
        let answer = ask(&outside, Method::GET, &path, None).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
        assert_eq!(header(&answer, "content-security-policy"), STRICT, "{path}");
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn answers_of_the_api_run_no_scripts() {
    let outside = Outside::start();
    for path in [
        "/",
        "/livez",
        "/api/v1/decisions",
        "/api/v1/users/7/profile",
        "/api/v1/openapi.json",
    ] {
        let answer = ask(&outside, Method::GET, path, None).await;
        assert_eq!(header(&answer, "content-security-policy"), STRICT, "{path}");
        assert_eq!(header(&answer, "cache-control"), "no-store", "{path}");
    }
    let page = outside
        .client
        .get(outside.url("/users/7"))
        .header("host", "evil.example");
    assert_eq!(page.send().await.unwrap().status(), 421);
}

#[tokio::test]
async fn several_items_of_the_catalog_are_answered_at_once() {
    let outside = Outside::start();
    let (status, found) = get(&outside, "/api/v1/catalog?item=7&item=unknown&item=7.0").await;
    assert_eq!(status, 200);
    let ids: Vec<_> = found["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["item_id"])
        .collect();
    assert_eq!(ids, [&json!("7"), &json!("7")]);
    let many = vec!["item=7"; 101].join("&");
    for query in ["", "items=7", "item=7&k=1", many.as_str()] {
        let (status, problem) = get(&outside, &format!("/api/v1/catalog?{query}")).await;
        assert_eq!(
            (status, &problem["type"]),
            (400, &json!("urn:homeostat:problem:bad-parameter")),
            "{query:.20}"
        );
    }
    let most = vec!["item=7"; 100].join("&");
    assert_eq!(
        get(&outside, &format!("/api/v1/catalog?{most}")).await.0,
        200
    );
}
