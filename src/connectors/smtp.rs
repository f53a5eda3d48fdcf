//! The kind `smtp`: an alert is an e-mail.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

use std::sync::Arc;
use std::time::Duration;

use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::times::REQUEST_LIMIT;
use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use schemars::JsonSchema;
use serde::Deserialize;

use self::mail::Mail;
use self::session::{Login, Server};
use super::kind::Kind;
use super::kit::act::with_texts;
use super::kit::addresses::is_loopback_host;
use super::kit::client::install_tls;
use super::kit::exchange::{cut, done};
use super::kit::notice::{Link, Notice, NoticeSettings, is_for_people};
use super::kit::{Act, Acting, Compile};
use crate::live::{Derived, LiveSecret};
use crate::secrets::{Secret, is_reference};

mod mail;
mod session;

const TIMEOUT_MS_MAX: u64 = REQUEST_LIMIT.as_secs() * 1_000;
/// Recipients of one alert; a list of the mail server holds more.
const RECIPIENTS_MAX: usize = 50;
/// Bytes of a mail that a dry run shows.
const SHOWN_BYTES_MAX: usize = 2_048;

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    /// The mail server.
    #[serde(default)]
    #[schemars(length(min = 1))]
    host: String,
    /// Its port; without it 587 for starttls, 465 for tls, and 25 for none.
    #[schemars(range(min = 1))]
    port: Option<u16>,
    /// starttls = encrypted from the second command on, and refused where the server does not offer that; tls = encrypted from the
    /// start; none = in the clear, on this machine only.
    #[serde(default)]
    security: Security,
    /// User name; may be a reference.
    #[schemars(length(min = 1))]
    username: Option<String>,
    /// Password of that user: a reference.
    #[schemars(length(min = 1))]
    password: Option<String>,
    /// The sender, such as "Homeostat <homeostat@example.com>".
    #[serde(default)]
    #[schemars(length(min = 1))]
    from: String,
    /// The CA that signs the server's certificate, in place of those that the system trusts: path of a PEM file, or a reference.
    #[schemars(length(min = 1))]
    ca: Option<String>,
    /// Limit of sending one mail, in milliseconds.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 1, max = TIMEOUT_MS_MAX))]
    timeout_ms: u64,
    #[serde(flatten)]
    notice: NoticeSettings,
}

const fn timeout_ms() -> u64 {
    TIMEOUT_MS_MAX
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Security {
    #[default]
    Starttls,
    Tls,
    None,
}

/// Keys of `[actions.alert.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Who gets the mail: addresses, at most 50.
    #[serde(default)]
    to: Vec<String>,
}

/// A connection of this kind.
pub(crate) struct Smtp {
    server: Arc<Server>,
    from: Mailbox,
    link: Link,
}

impl Kind for Smtp {
    const NAME: &'static str = "smtp";
    const ABOUT: &'static str = "people by e-mail, through a mail server (SMTP)";
    const EXAMPLE: &'static str = r#"[connections.mail]
kind = "smtp"
host = "smtp.example.com"
username = "homeostat"
password = "env:SMTP_PASSWORD"
from = "Homeostat <homeostat@example.com>"

[actions.alert]
connection = "mail"

[actions.alert.with]
to = ["ML on call <ml-oncall@example.com>"]
"#;
    const NOTES: &'static str = "\
Needs: a user who may send as the address in `from`, logged in by PLAIN or LOGIN; without `username` a server that relays for this
machine. OAuth 2 is not supported.

In doubt: when the connection breaks after the mail was handed over, the attempt is sent again. Its `Message-ID` is made of the action's
id, so that mailboxes which compare it show the mail once. `policy = \"at_most_once\"` never sends twice.

Answers 4xx are tried again, 5xx are not. A recipient that is refused is named in the detail; the others get the mail. Mails about one
target refer to the same thread (`References`).

Verified in November 2026 against `aiosmtpd` 1.4.6 of PyPI: STARTTLS, TLS from the start, and login.
";
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        is_for_people(action)
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        if settings.host.is_empty() || settings.host.contains(['/', '@', ' ', ':']) {
            compile.problem(
                "host",
                "is not a host's name, or is missing",
                "write smtp.example.com; the port has a key of its own",
            );
        }
        if settings.security == Security::None && !is_loopback_host(&settings.host) {
            compile.problem(
                "security",
                "is none for another machine: mail and password would travel in the clear",
                "write \"starttls\" or \"tls\"",
            );
        }
        let from = mailbox("from", &settings.from, compile);
        let login = login(&settings, compile);
        let tls = match settings.security {
            Security::None => None,
            _ => Some(tls(&settings, compile)?),
        };
        let link = compile.link(&settings.notice);
        Some(Self {
            server: Arc::new(Server {
                port: settings.port.unwrap_or(match settings.security {
                    Security::Starttls => 587,
                    Security::Tls => 465,
                    Security::None => 25,
                }),
                host: settings.host,
                tls,
                tls_first: settings.security == Security::Tls,
                login,
                timeout: Duration::from_millis(settings.timeout_ms),
                secrets: compile.secrets(),
            }),
            from: from?,
            link,
        })
    }

    fn carry(
        &self,
        _: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        if with.to.is_empty() || with.to.len() > RECIPIENTS_MAX {
            compile.problem(
                "to",
                format!("has {} addresses", with.to.len()),
                format!("write 1 to {RECIPIENTS_MAX}"),
            );
        }
        let to = with
            .to
            .iter()
            .map(|address| mailbox("to", address, compile));
        let to: Vec<Option<Mailbox>> = to.collect();
        Some(Acting::connector(Mails {
            server: Arc::clone(&self.server),
            from: self.from.clone(),
            to: to.into_iter().collect::<Option<_>>()?,
            link: self.link.clone(),
        }))
    }
}

/// `None` where no user is written, or with a problem recorded.
fn login(settings: &Settings, compile: &mut Compile<'_>) -> Option<Login> {
    match (&settings.username, &settings.password) {
        (None, None) => None,
        (Some(username), Some(password)) => {
            let username = if is_reference(username) {
                compile.secret("username", username)?
            } else {
                LiveSecret::fixed(Secret::new(username.as_str()))
            };
            let password = compile.secret("password", password)?;
            Some(Login { username, password })
        }
        (Some(_), None) => {
            compile.problem(
                "password",
                "is missing",
                "write a reference to the password of `username`",
            );
            None
        }
        (None, Some(_)) => {
            compile.problem("username", "is missing", "write the user of `password`");
            None
        }
    }
}

fn tls(settings: &Settings, compile: &mut Compile<'_>) -> Option<Derived<TlsParameters>> {
    install_tls();
    let ca = match &settings.ca {
        Some(ca) => vec![compile.pem("ca", ca)?],
        None => Vec::new(),
    };
    let host = settings.host.clone();
    let made = Derived::new(ca, move |secrets| {
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(ca) = secrets.first() {
            let certificate = Certificate::from_pem(ca.expose().as_bytes());
            let certificate =
                certificate.map_err(|_| "has no certificate in PEM form".to_owned())?;
            tls = tls
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificate);
        }
        tls.build()
            .map_err(|error| format!("cannot be used: {error}"))
    });
    made.map_err(|problem| compile.problem("ca", problem, "write the path of a PEM file"))
        .ok()
}

fn mailbox(key: &str, text: &str, compile: &mut Compile<'_>) -> Option<Mailbox> {
    match text.parse::<Mailbox>() {
        Ok(mailbox) if AsRef::<str>::as_ref(&mailbox.email).is_ascii() => Some(mailbox),
        Ok(_) => {
            compile.problem(
                key,
                format!("`{text}` has an address with letters that not every server takes"),
                "write its domain in ASCII form (xn--…)",
            );
            None
        }
        Err(error) => {
            compile.problem(
                key,
                format!("`{text}` is not an address, or is missing: {error}"),
                "write \"Name <name@example.com>\"",
            );
            None
        }
    }
}

/// Alerts of one configuration over their connection.
struct Mails {
    server: Arc<Server>,
    from: Mailbox,
    to: Vec<Mailbox>,
    link: Link,
}

impl Act for Mails {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let notice = Notice::of(order, &self.link)?;
        let mail = Mail::of(&notice, &self.from, &self.to)?;
        if order.dry_run {
            let to: Vec<&str> = self.to.iter().map(|to| to.email.as_ref()).collect();
            let shown = format!("{}: {}", notice.title, mail.text);
            let shown = cut(&shown, SHOWN_BYTES_MAX);
            return Ok(done(format!(
                "dry run: would send a mail to {} with {shown}",
                to.join(", ")
            )));
        }
        Ok(self.server.deliver(&mail).await)
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let reached = self.server.look().await;
        Ok(with_texts(reached, Notice::of(order, &self.link)))
    }
}
