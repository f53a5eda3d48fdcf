//! Connections, how actions use them, and their secrets.

use homeostat::configuration::effective;
use homeostat_logic::actions::Action;
use homeostat_logic::target::Target;

use crate::loading::{faults, loaded};

#[test]
fn each_fault_of_a_connection_is_at_its_line() {
    let table = [
        (
            "",
            "site.toml:1: connections.jobs.url: is not a URL, or is missing",
        ),
        (
            "url = \"http://example.com/\"",
            "site.toml:3: connections.jobs.url: is plain http",
        ),
        (
            "url = \"ftp://example.com/\"",
            "connections.jobs.url: has the scheme `ftp`",
        ),
        (
            "url = \"https://u:p@example.com/\"",
            "holds a user name or password",
        ),
        (
            "url = \"https://{{ target.name }}/x\"",
            "template in scheme, host or port",
        ),
        (
            "url = \"https://e.org/\"\nretry_statuses = [404, 200]",
            "site.toml:4: connections.jobs.retry_statuses: 200 is out of range; write a list of whole numbers from 400 to 599",
        ),
        (
            "url = \"https://e.org/\"\nretry_statuses = [\"404\"]",
            "connections.jobs.retry_statuses: is text",
        ),
        (
            "url = \"https://e.org/\"\nretry_statuses = [404, 503]\nreject_statuses = [500, 503]",
            "site.toml:5: connections.jobs.reject_statuses: has 503, which is in retry_statuses too; remove it from one of the two",
        ),
        (
            "url = \"https://10.0.0.1/\"",
            "10.0.0.1 is not a public address; write allow_private_addresses",
        ),
        (
            "url = \"https://169.254.169.254/\"\nallow_private_addresses = true",
            "link-local and metadata addresses are never reached",
        ),
        (
            "url = \"https://e.org/{{ target.nam\"",
            "site.toml:3: connections.jobs.url: is not a valid template",
        ),
        (
            "url = \"https://e.org/\"\nsecret = \"hunter2\"",
            "site.toml:4: connections.jobs.secret: holds a secret in the clear",
        ),
        (
            "url = \"https://e.org/\"\nsecret = \"env:SHORT\"",
            "connections.jobs.secret: has 5 bytes; use 24 bytes or more: echo \"whsec_$(openssl rand -base64 32)\"",
        ),
        (
            "url = \"https://e.org/\"\nheaders.Authorization = \"Bearer hunter2\"",
            "site.toml:4: connections.jobs.headers.Authorization: holds a secret",
        ),
        (
            "url = \"https://e.org/\"\nheaders.Webhook-Id = \"x\"",
            "is set by the connector itself",
        ),
        (
            "url = \"https://e.org/\"\nheaders.\"a b\" = \"x\"",
            "is not a header name",
        ),
        (
            "url = \"https://e.org/\"\nheaders.a = \"x\\ny\"",
            "no header value may have",
        ),
        (
            "url = \"https://e.org/\"\nconnect_timeout_ms = 2000\ntimeout_ms = 1000",
            "connect_timeout_ms: 2000 is above timeout_ms (1000)",
        ),
        (
            "url = \"https://e.org/\"\ntimeout_ms = 10001",
            "out of range",
        ),
        ("url = \"env:NOWHERE\"", "NOWHERE is not set"),
        (
            "kin = 3\nurl = \"https://e.org/\"",
            "unknown key; did you mean `kind`?",
        ),
    ];
    for (text, expected) in table {
        let secrets = [("SHORT", "whsec_c2hvcnQ=")];
        let found = faults(
            &format!("[connections.jobs]\nkind = \"webhook\"\n{text}"),
            &secrets,
        );
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:#?}");
    }
}

/// A connection that is right, and an action that uses it.
const USED: &str = "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
                    [actions.retrain]\nconnection = \"jobs\"\n";

#[test]
fn each_fault_of_how_an_action_uses_its_connection_is_at_its_line() {
    let table = [
        (
            "with.body = \"{{ targt }}\"",
            "site.toml:6: actions.retrain.with.body: is not a valid template: unknown template variable `targt`; available: ",
        ),
        (
            "with.body = '''\n{\n{{ x'''",
            "site.toml:6: actions.retrain.with.body: is not a valid template: ",
        ),
        ("with.method = \"GET\"", "use one of POST, PUT, PATCH"),
        ("with.url = \"https://e.org\"", "unknown key"),
        ("with = 3", "actions.retrain.with: is a whole number"),
        (
            "with.probe.headers.x = \"y\"",
            "actions.retrain.with.probe.path: is empty or missing",
        ),
        (
            "with.probe.path = \"/x\"\nwith.probe.headers.Cookie = \"hunter2\"",
            "site.toml:7: actions.retrain.with.probe.headers.Cookie: holds a secret",
        ),
        (
            "with.path = \"/a/{{ target.nam\"",
            "site.toml:6: actions.retrain.with.path: is not a valid template",
        ),
        (
            "[targets.m.actions.retrain]\nconnection = \"job\"",
            "site.toml:7: targets.m.actions.retrain.connection: unknown connection `job`; did you mean `jobs`?",
        ),
        (
            "[targets.m.actions.retrain]\npolicy = \"verify\"",
            "site.toml:7: targets.m.actions.retrain.policy: is \"verify\", and the target cannot be asked; add probe.path to [targets.m.actions.retrain.with]",
        ),
        (
            "[targets.m.actions.retrain]\nconnection = \"log\"\nwith.path = \"/x\"",
            "targets.m.actions.retrain.with: has no effect: the connection is log",
        ),
    ];
    for (text, expected) in table {
        let found = faults(&format!("{USED}{text}"), &[]);
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert!(found[0].contains(expected), "{text}: {found:#?}");
        assert!(!found[0].contains("hunter2"), "{found:#?}");
    }
    let query = "[connections.jobs]\nkind = \"webhook\"\nurl = \"https://e.org?a=b\"\n\
                 [actions.retrain]\nconnection = \"jobs\"\nwith.path = \"/x\"";
    let found = faults(query, &[]);
    assert!(
        found[0].contains("the connection's url has a query"),
        "{found:?}"
    );
}

#[test]
fn the_name_log_is_taken_and_connections_are_few() {
    let found = faults(
        "[connections.log]\nkind = \"webhook\"\nurl = \"https://e.org\"",
        &[],
    );
    assert!(
        found[0].contains("connections.log: is the built-in connection"),
        "{found:?}"
    );
    let one =
        |number| format!("[connections.c{number}]\nkind = \"webhook\"\nurl = \"https://e.org\"\n");
    let many = (0..65).map(one).collect::<Vec<_>>().concat();
    let found = faults(&many, &[]);
    assert!(
        found[0].contains("exceeds the limit of 64 connections"),
        "{found:?}"
    );
}

#[test]
fn an_action_is_verified_where_its_target_can_be_asked() {
    let text = |with| format!("{USED}policy = \"verify\"\n{with}");
    let found = faults(&text(""), &[]);
    assert!(
        found[0].contains("the target cannot be asked; add probe.path to [actions.retrain.with]"),
        "{found:?}"
    );
    loaded(&text("with.probe.path = \"/{{ action_id }}\""), &[]);
}

#[test]
fn what_is_the_same_for_all_actions_is_laid_under_each_and_a_target_over_both() {
    let text = "[connections.a]\nkind = \"webhook\"\nurl = \"https://a.org\"\n\
                [connections.b]\nkind = \"webhook\"\nurl = \"https://b.org\"\n\
                [actions.default]\nconnection = \"a\"\nmax_attempts = 2\nwith.path = \"/all\"\n\
                [actions.scale_up]\nconnection = \"b\"\n\
                [targets.m.actions.retrain]\nconnection = \"b\"\napproval = true\n\
                [targets.\"service/s\".actions.default]\nmax_attempts = 9\n";
    let configuration = loaded(text, &[]);
    let rules = homeostat_logic::rules::Rules::new(&configuration.rules).unwrap();
    let how = |action, target| {
        let how = rules.action(action, &target).unwrap();
        (how.connection.clone(), how.max_attempts, how.approval)
    };
    let other = || Target::model("other");
    assert_eq!(how(Action::Alert, other()), ("a".to_owned(), 2, false));
    assert_eq!(how(Action::ScaleUp, other()), ("b".to_owned(), 2, false));
    assert_eq!(
        how(Action::Retrain, Target::model("m")),
        ("b".to_owned(), 2, true)
    );
    assert_eq!(
        how(Action::Rollback, Target::service("s")),
        ("a".to_owned(), 9, false)
    );
    assert_eq!(
        how(Action::Rollback, Target::model("s")),
        ("a".to_owned(), 2, false)
    );
    let printed = effective(&configuration);
    assert!(
        printed.contains("actions.alert.with.path = \"/all\""),
        "{printed}"
    );
    assert!(!printed.contains("actions.scale_up.with.path"), "{printed}");
    assert!(
        !printed.contains("targets.m.actions.retrain.with.path"),
        "{printed}"
    );
    let connections = &configuration.settings.connections;
    assert!(
        connections
            .find("b", Action::Retrain, &Target::model("m"))
            .is_ok()
    );
    assert!(connections.find("b", Action::Retrain, &other()).is_err());
    assert!(connections.find("a", Action::Retrain, &other()).is_ok());
}

#[test]
fn plain_http_to_this_machine_needs_no_further_key() {
    for host in ["127.0.0.1:9", "localhost:9", "[::1]:9", "LOCALHOST"] {
        let text = format!("[connections.jobs]\nkind = \"webhook\"\nurl = \"http://{host}/hook\"");
        loaded(&text, &[]);
    }
}

#[test]
fn secrets_come_from_variables_and_files_and_are_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "from-the-file\n").unwrap();
    let text = format!(
        "[kafka.options]\n\"sasl.password\" = \"file:{}\"\n\"sasl.username\" = \"env:USERNAME\"\n\
         \"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"PLAIN\"\n\
         [connections.a]\nkind = \"webhook\"\nurl = \"env:HOOK\"\nheaders.Authorization = \"env:TOKEN\"\n\
         [connections.b]\nkind = \"webhook\"\nurl = \"https://e.org/x?key=in-the-query\"\n\
         [connections.c]\nkind = \"webhook\"\nurl = \"https://e.org\"\n\
         [actions.monitor]\nconnection = \"c\"\nwith.probe.path = \"/x?key=in-the-query\"\n",
        path.display()
    );
    let environment = [
        ("USERNAME", "from-the-variable"),
        ("HOOK", "https://hooks.example.com/very-secret"),
        ("TOKEN", "Bearer very-secret"),
    ];
    let configuration = loaded(&text, &environment);
    let options = &configuration.settings.kafka_options;
    assert_eq!(options["sasl.password"].expose(), "from-the-file");
    assert_eq!(options["sasl.username"].expose(), "from-the-variable");
    let printed = format!("{configuration:?}\n{}", effective(&configuration));
    for secret in ["from-the", "very-secret"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert!(!effective(&configuration).contains("in-the-query"));
}
