//! Orders that a template cannot take, and actions that a configuration does not have.

use homeostat_actors::ports::connector::{Binding, Connections, NotBound, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use homeostat_logic::target::Target;

use crate::server::{Server, connector, order, send_to};

#[tokio::test]
async fn an_order_that_a_template_cannot_take_is_refused_without_a_request() {
    let mut server = Server::responding("200 OK", "", "").await;
    // What fails for every order is found when the configuration is read; these fail for this target alone.
    for body in [
        "{{ params.metadata.absent }}",
        "no JSON",
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
    ] {
        let keys = format!(
            "body = '{{% if target.name == \"fraud/eu\" %}}{body}{{% else %}}{{}}{{% endif %}}'"
        );
        let answer = send_to(&server, &keys).await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true),
            "{keys}"
        );
        assert!(
            answer.detail.contains("template `body`"),
            "{}",
            answer.detail
        );
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_target_named_like_a_parent_folder_never_changes_the_path() {
    let mut server = Server::responding("200 OK", "", "").await;
    let table = format!(
        "url = \"http://127.0.0.1:{}/models/{{{{ target.name }}}}/x\"",
        server.port
    );
    let connector = connector(&table, &[]);
    for name in ["..", "."] {
        let answer = connector
            .send(Order {
                target: Target::model(name),
                ..order()
            })
            .await;
        assert_eq!(
            (answer.outcome, answer.permanent),
            (FinishOutcome::Failed, true),
            "{name}"
        );
    }
    assert_eq!(server.count(), 0);
    let tricky = Target::model("../../admin?x=#@evil.org:1");
    connector
        .send(Order {
            target: tricky,
            ..order()
        })
        .await;
    let request = server.received.recv().await.unwrap();
    assert_eq!(
        request.line,
        "POST /models/..%2F..%2Fadmin%3Fx%3D%23%40evil.org%3A1/x HTTP/1.1"
    );
}

#[test]
fn an_action_of_a_connection_that_the_configuration_does_not_have_is_named() {
    let target = Target::model("m");
    let mut connections = Connections::default();
    let found = connections.find("jobs", Action::Retrain, &target);
    assert_eq!(
        found.unwrap_err(),
        NotBound::NoConnection("jobs".to_owned())
    );
    let connector = connector("url = \"http://127.0.0.1:1/\"", &[]);
    let kind = "webhook";
    connections.bind(
        "jobs",
        Action::Alert,
        None,
        Binding {
            kind,
            connector,
            dry_run: false,
        },
    );
    let error = connections
        .find("jobs", Action::Retrain, &target)
        .unwrap_err();
    assert!(
        error.to_string().contains("name it in [actions.retrain]"),
        "{error}"
    );
    assert!(connections.find("jobs", Action::Alert, &target).is_ok());
}
