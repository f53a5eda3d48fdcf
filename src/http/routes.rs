//! The closed list of routes: a line each, in the order in which they are tried.

use actix_web::web;
use actix_web::{HttpResponse, Resource};

use super::problem::{Kind, Problem};
use super::route::Route;
use super::{
    catalog, connection_list, control, cooldowns, dead_letters, decisions, document, inbound,
    index, ledger, pages, probes, publish, publish_lines, recommendations, similar_items, topics,
    users,
};

/// Every route.
pub fn table() -> Vec<Route> {
    let mut table = vec![
        index::route(),
        probes::alive(),
        probes::ready(),
        probes::measured(),
        probes::tree(),
        publish_lines::route(),
        publish::route(),
        decisions::listing(),
        decisions::one(),
        dead_letters::listing(),
        dead_letters::replay(),
        dead_letters::resumption(),
        dead_letters::one(),
        cooldowns::route(),
        catalog::route(),
        catalog::listing(),
        connection_list::route(),
        ledger::route(),
        recommendations::for_anybody(),
        recommendations::popular(),
        recommendations::trending(),
        recommendations::stats(),
        similar_items::route(),
        users::activity::route(),
        users::profile::route(),
        users::recommendations::route(),
        users::similar::route(),
        users::erasure::route(),
        users::stream::route(),
        users::websocket::route(),
        topics::listing(),
        topics::one(),
        control::route(),
        document::route(),
        pages::users::any(),
        pages::users::one(),
        pages::recommendations::route(),
        pages::assets::route(),
    ];
    // Before the route of any topic, whose pattern takes their paths, too.
    let place = table.iter().position(|route| route.name == publish::NAME);
    let place = place.unwrap_or_default();
    table.splice(place..place, inbound::routes());
    table
}

/// The OpenAPI document of the table.
pub fn document() -> serde_json::Value {
    document::document(&table())
}

/// Puts routes into an application; whatever is not among them is a 404 or a 405.
pub(super) fn install(application: &mut web::ServiceConfig, routes: Vec<Route>) {
    for route in routes {
        let (path, method) = (route.path(), route.method());
        let allow = if method == "GET" { "GET, HEAD" } else { method };
        let refuse =
            move || async move { Err::<HttpResponse, _>(Problem::method_not_allowed(allow)) };
        let (handler, headers) = route.into_service();
        let resource: Resource = web::resource(path).route(handler);
        application.service(resource.default_service(web::to(refuse)).wrap(headers));
    }
    application.default_service(web::to(|| async {
        let detail = "nothing is served at this path; GET / lists what is";
        Err::<HttpResponse, _>(Problem::new(Kind::NotFound, detail))
    }));
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::CONTENT_SECURITY_POLICY;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::web::Data;
    use actix_web::{App, HttpResponse};

    use super::super::describe::{Describe, Operation};
    use super::super::guard;
    use super::super::hosts::Hosts;
    use super::*;

    struct Page;

    impl actix_web::Responder for Page {
        type Body = actix_web::body::BoxBody;

        fn respond_to(self, _: &actix_web::HttpRequest) -> HttpResponse {
            HttpResponse::Ok().body("<script src=\"/page.js\"></script>")
        }
    }

    impl Describe for Page {
        fn describe(_: &mut Operation<'_>) {}
    }

    async fn page() -> Page {
        Page
    }

    async fn broken() -> Result<Page, Problem> {
        Err(Problem::new(Kind::Internal, "no page"))
    }

    #[actix_web::test]
    async fn a_route_has_strict_headers_unless_it_names_its_own_and_its_problems_have_them_always()
    {
        const STRICT: &str = "default-src 'none'; frame-ancestors 'none'";
        const SCRIPTS: &str = "default-src 'self'";
        let own = |route: Route| route.header(CONTENT_SECURITY_POLICY, SCRIPTS);
        let routes = move || {
            vec![
                Route::get("/strict", "strict", page),
                own(Route::get("/page", "page", page)),
                own(Route::get("/broken", "broken", broken)),
            ]
        };
        let hosts = Hosts::new(([127, 0, 0, 1], 8470).into(), Vec::new());
        let application = App::new()
            .app_data(Data::new(hosts))
            .wrap(from_fn(guard::guard))
            .configure(move |application| install(application, routes()));
        let service = init_service(application).await;
        for (path, policy) in [
            ("/strict", STRICT),
            ("/page", SCRIPTS),
            ("/broken", STRICT),
            ("/nothing", STRICT),
        ] {
            let request = TestRequest::get()
                .uri(path)
                .insert_header(("host", "127.0.0.1:8470"));
            let response = call_service(&service, request.to_request()).await;
            let headers = response.headers();
            assert_eq!(
                headers.get(CONTENT_SECURITY_POLICY).unwrap(),
                policy,
                "{path}"
            );
            assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
            assert_eq!(headers.get("cache-control").unwrap(), "no-store");
        }
    }
}
