//! One mail, one session with the mail server, step by step: up to which step it came decides what a failure means.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use homeostat_actors::ports::connector::{Answer, Finding};
use homeostat_logic::ledger::record::FinishOutcome;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::super::kit::addresses::Reach;
use super::super::kit::exchange::{cut, done, not_sent};
use super::super::kit::refused;
use super::mail::Mail;
use crate::live::{Derived, LiveSecret};

/// Bytes of the server's words that are kept.
const WORDS_BYTES_MAX: usize = 1_024;

/// The mail server behind a connection.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None` = in the clear.
    pub(super) tls: Option<Derived<TlsParameters>>,
    /// Encrypted before the first word, and not by STARTTLS.
    pub(super) tls_first: bool,
    pub(super) login: Option<Login>,
    /// Of the whole session.
    pub(super) timeout: Duration,
    pub(super) secrets: Vec<LiveSecret>,
}

/// Who logs in.
pub(super) struct Login {
    pub(super) username: LiveSecret,
    pub(super) password: LiveSecret,
}

impl Server {
    /// Hands a mail over, once.
    pub(super) async fn deliver(&self, mail: &Mail) -> Answer {
        let handing = AtomicBool::new(false);
        let session = tokio::time::timeout(self.timeout, self.hand_over(mail, &handing)).await;
        let answer = session.unwrap_or_else(|_| {
            Err(lost(
                "no answer within the time limit",
                handing.load(Ordering::SeqCst),
            ))
        });
        let mut answer = answer.unwrap_or_else(|answer| answer);
        let detail = self.mask(&answer.detail);
        answer.detail = format!(
            "{}:{}: {}",
            self.host,
            self.port,
            cut(&detail, WORDS_BYTES_MAX)
        );
        answer
    }

    async fn hand_over(&self, mail: &Mail, handing: &AtomicBool) -> Result<Answer, Answer> {
        let mut session = self.open().await?;
        let sender = MailFrom::new(Some(mail.from.clone()), Vec::new());
        step(session.command(sender).await, "sender")?;
        let (mut taken, mut refusals) = (0, Vec::new());
        for to in &mail.to {
            match session.command(Rcpt::new(to.clone(), Vec::new())).await {
                Ok(_) => taken += 1,
                Err(error) if error.status().is_some() => refusals.push((to, error)),
                Err(error) => return Err(failure(&error, "recipient", false)),
            }
        }
        let words = refusals
            .iter()
            .map(|(to, error)| format!("{to} was refused: {error}"));
        let words = words.collect::<Vec<_>>().join("; ");
        if taken == 0 {
            let permanent = refusals.iter().all(|(_, error)| error.is_permanent());
            return Err(Answer {
                permanent,
                outcome: FinishOutcome::Failed,
                ..refused(words)
            });
        }
        step(session.command(Data).await, "content")?;
        handing.store(true, Ordering::SeqCst);
        let response = session.message(&mail.bytes).await;
        let response = response.map_err(|error| failure(&error, "content", true))?;
        // The mail is handed over; how the session ends changes nothing about it.
        let quit = session.quit().await.is_ok();
        tracing::trace!(quit, "session with the mail server ended");
        let said: Vec<&str> = response.message().collect();
        let said = format!(
            "taken for {taken} of {}: {} {}",
            mail.to.len(),
            response.code(),
            said.join(" ")
        );
        Ok(done(
            [said, words]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("; "),
        ))
    }

    /// Connects, encrypts and logs in.
    async fn open(&self) -> Result<AsyncSmtpConnection, Answer> {
        let addresses = self.addresses().await?;
        let hello = ClientId::default();
        let tls = self.tls.as_ref().map(|tls| (*tls.current()).clone());
        let first = tls.clone().filter(|_| self.tls_first);
        let session = AsyncSmtpConnection::connect_tokio1(
            &*addresses,
            Some(self.timeout),
            &hello,
            first,
            None,
        );
        let mut session = step(session.await, "greeting")?;
        if let Some(tls) = tls.filter(|_| !self.tls_first) {
            if !session.can_starttls() {
                return Err(refused(
                    "the server does not offer STARTTLS, so that nothing was sent; write security = \"tls\", or check host and port".to_owned(),
                ));
            }
            step(session.starttls(tls, &hello).await, "STARTTLS")?;
        }
        if let Some(login) = &self.login {
            let (username, password) = (login.username.current(), login.password.current());
            let credentials =
                Credentials::new(username.expose().to_owned(), password.expose().to_owned());
            step(
                session.auth(DEFAULT_MECHANISMS, &credentials).await,
                "login",
            )?;
        }
        Ok(session)
    }

    /// Link-local addresses, where clouds serve credentials, are never reached.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Answer> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let found =
            found.map_err(|error| not_sent(format!("the name cannot be resolved: {error}")))?;
        let permitted: Vec<_> = found
            .filter(|address| Reach::Private.permits(address.ip()))
            .collect();
        if permitted.is_empty() {
            return Err(refused(
                "resolves only to addresses that are never reached".to_owned(),
            ));
        }
        Ok(permitted)
    }

    /// Whether a mail could be handed over: all but the mail itself is tried.
    pub(super) async fn look(&self) -> Finding {
        let opened = tokio::time::timeout(self.timeout, self.open()).await;
        let problem = match opened {
            Ok(Ok(mut session)) => {
                let how = if session.is_encrypted() {
                    "encrypted"
                } else {
                    "in the clear"
                };
                let who = if self.login.is_some() {
                    "logged in"
                } else {
                    "without login"
                };
                // What it says to the end of the session is of no use.
                session.abort().await;
                return Finding::Fine(format!("the mail server answers, {how}, {who}"));
            }
            Ok(Err(answer)) => answer.detail,
            Err(_) => "no answer within the time limit".to_owned(),
        };
        Finding::wrong(
            self.mask(&problem),
            "check host, port, security, username and password of the connection",
        )
    }

    fn mask(&self, text: &str) -> String {
        let secrets = self.secrets.iter();
        let masked = secrets.fold(text.to_owned(), |text, secret| secret.mask(&text));
        masked.replace(|letter: char| letter.is_control(), " ")
    }
}

fn step<T>(result: Result<T, Error>, what: &str) -> Result<T, Answer> {
    result.map_err(|error| failure(&error, what, false))
}

/// What a failed step means: the server's own no is final by its code; silence is a doubt once the mail was handed over.
fn failure(error: &Error, what: &str, handing: bool) -> Answer {
    if error.status().is_some() || error.is_client() {
        return Answer {
            permanent: error.is_permanent() || error.is_client(),
            ..refused(format!("{what}: {error}"))
        };
    }
    lost(&format!("{what}: {error}"), handing)
}

fn lost(what: &str, handing: bool) -> Answer {
    let mut answer = not_sent(what.to_owned());
    if handing {
        answer.outcome = FinishOutcome::Unknown;
        answer.detail.push_str("; the mail may have been taken");
    }
    answer
}
