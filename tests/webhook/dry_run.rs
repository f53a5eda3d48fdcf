//! A dry run shows what would be sent, and sends nothing.

use homeostat_logic::ledger::record::FinishOutcome;

use crate::server::{Server, connector, order};

#[tokio::test]
async fn a_dry_run_is_done_shows_the_request_without_secrets_and_sends_nothing() {
    let mut server = Server::responding("200 OK", "", "").await;
    let table = format!(
        concat!(
            "url = \"http://127.0.0.1:{}/jobs\"\n",
            "headers = {{ Authorization = \"env:TOKEN\" }}\n",
            "path = \"/{{{{ target.name }}}}\"\n",
            "body = '{{\"model\": \"{{{{ target.name }}}}\", \"key\": \"Bearer s3cret\"}}'\n"
        ),
        server.port
    );
    let connector = connector(&table, &[("TOKEN", "Bearer s3cret")]);
    let mut order = order();
    order.dry_run = true;
    let answer = connector.send(order).await;
    assert_eq!(answer.outcome, FinishOutcome::Done);
    let shown = format!(
        "dry run: would send POST http://127.0.0.1:{}/jobs/fraud%2Feu with {{\"model\": \"fraud/eu\", \"key\": \"***\"}}",
        server.port
    );
    assert_eq!(answer.detail, shown);
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_dry_run_fails_as_the_real_one_would_on_a_template() {
    let mut server = Server::responding("200 OK", "", "").await;
    let table = format!(
        "url = \"http://127.0.0.1:{}/\"\nbody = '{{% if target.name == \"fraud/eu\" %}}no JSON{{% else %}}{{}}{{% endif %}}'\n",
        server.port
    );
    let mut order = order();
    order.dry_run = true;
    let answer = connector(&table, &[]).send(order).await;
    assert!(answer.permanent, "{}", answer.detail);
    assert_eq!(server.count(), 0);
}
