//! The kind `mlflow`: a rollback moves an alias of MLflow's model registry back to an earlier version.

#![allow(
    clippy::doc_markdown,
    reason = "the comments of keys are read in TOML, by people who are not used to backticks"
)]

mod choice;
mod record;
mod registry;

use std::sync::Arc;

use futures_util::future::join;
use homeostat_actors::ports::connector::{Answer, Connector, Finding, Order, Probe};
use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::FinishOutcome;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::kind::Kind;
use super::kit::exchange::{done, either, not_sent};
use super::kit::{
    Act, Acting, Compile, CredentialSettings, Credentials, Purpose, Service, ServiceSettings,
    Template, refused,
};
use crate::live::LiveSecret;
use choice::Move;
use record::LAST_ACTION;
use registry::{Aliased, Registry};

/// Tag of a version: the version that was in use before it.
const PREVIOUS_TAG: &str = "homeostat.previous";
/// Value of the stable tag on a version that was rolled back.
const ROLLED_BACK: &str = "rolled_back";

/// Keys of `[connections.NAME]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    #[serde(flatten)]
    service: ServiceSettings,
    #[serde(flatten)]
    credentials: CredentialSettings,
}

/// Keys of `[actions.ACTION.with]`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct With {
    /// Name of the registered model, a template; without it the target's name. A service is rolled back only with it.
    #[schemars(length(min = 1))]
    model: Option<String>,
    /// The alias that says which version is in use; it is moved.
    #[serde(default = "champion")]
    #[schemars(length(min = 1))]
    alias: String,
    /// Tag of versions that may be gone back to. A version that was rolled back gets it with the value rolled_back.
    #[serde(default = "validation_status")]
    #[schemars(regex(pattern = r"^[^`]+$"))]
    stable_tag: String,
    /// Value of that tag.
    #[serde(default = "stable")]
    #[schemars(length(min = 1))]
    stable_value: String,
    /// Alias that says which version was in use before, where you keep one.
    #[serde(default = "previous_champion")]
    #[schemars(length(min = 1))]
    previous_alias: String,
    /// Seconds after its event within which a rollback whose event names no version (model_version) is tied to the version that the
    /// alias leads to. MLflow does not say when an alias was moved: beyond that, it may have been moved by others since the event, and
    /// the rollback is refused.
    #[serde(default = "unnamed_within_s")]
    #[schemars(range(min = 1, max = 86_400), extend("default" = 60))]
    unnamed_within_s: u32,
}

const fn unnamed_within_s() -> u32 {
    60
}

fn champion() -> String {
    "champion".to_owned()
}

fn validation_status() -> String {
    "validation_status".to_owned()
}

fn stable() -> String {
    "stable".to_owned()
}

fn previous_champion() -> String {
    "previous_champion".to_owned()
}

/// A connection of this kind.
#[derive(Debug)]
pub(crate) struct Mlflow {
    service: Arc<Service>,
    credentials: Credentials,
}

impl Kind for Mlflow {
    const NAME: &'static str = "mlflow";
    const ABOUT: &'static str = "the model registry of MLflow";
    const EXAMPLE: &'static str = r#"[connections.registry]
kind = "mlflow"
url = "https://mlflow.example.com"
username = "homeostat"
password = "env:MLFLOW_PASSWORD"

[actions.rollback]
connection = "registry"
policy = "verify"

[actions.rollback.with]
alias = "champion"
"#;
    const NOTES: &'static str = include_str!("mlflow/notes.md");
    type Settings = Settings;
    type With = With;

    fn carries(action: Action) -> bool {
        action == Action::Rollback
    }

    fn probed_by() -> Option<&'static str> {
        Some("")
    }

    fn connect(settings: Settings, compile: &mut Compile<'_>) -> Option<Self> {
        let credentials = compile.credentials(&settings.credentials);
        let service = Service::of_api(&settings.service, compile)?;
        Some(Self {
            service: Arc::new(service),
            credentials: credentials?,
        })
    }

    fn carry(
        &self,
        _action: Action,
        with: With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        let model = with.model.as_ref();
        let model = model.map(|source| compile.template("model", source, Purpose::Plain));
        for (key, alias) in [
            ("alias", &with.alias),
            ("previous_alias", &with.previous_alias),
        ] {
            let digits = alias.strip_prefix(['v', 'V']).unwrap_or_default();
            let is_version = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            if is_version || alias == "latest" {
                compile.problem(
                    key,
                    format!("is `{alias}`, which MLflow keeps for itself"),
                    "write another alias",
                );
                return None;
            }
        }
        Some(Acting::connector(Rollback {
            service: Arc::clone(&self.service),
            credentials: self.credentials.clone(),
            model: match model {
                Some(template) => Some(template?),
                None => None,
            },
            alias: with.alias,
            stable_tag: with.stable_tag,
            stable_value: with.stable_value,
            previous_alias: with.previous_alias,
            unnamed_within_s: with.unnamed_within_s,
            secrets: compile.secrets(),
        }))
    }
}

/// Rollbacks over a connection.
struct Rollback {
    service: Arc<Service>,
    credentials: Credentials,
    /// `None` = the target's name.
    model: Option<Template>,
    alias: String,
    stable_tag: String,
    stable_value: String,
    previous_alias: String,
    unnamed_within_s: u32,
    secrets: Vec<LiveSecret>,
}

impl Act for Rollback {
    async fn carry_out(&self, order: &Order) -> Result<Answer, Answer> {
        let registry = self.registry(order);
        let Some(fixed) = Move::of(order) else {
            // The instance that made the bid did not know this connection, or could not choose. A version that is chosen now
            // is not on the ledger, and another attempt might choose one further back.
            let chosen = self.choose(&registry).await?;
            if order.dry_run {
                return self.moved(&registry, &chosen).await;
            }
            return Ok(not_sent(format!(
                "nothing was sent, because the version to go back to was not fixed before this attempt; the next one fixes it: {chosen}"
            )));
        };
        self.moved(&registry, &fixed).await
    }

    fn can_be_asked(&self) -> bool {
        true
    }

    async fn ask(&self, order: &Order) -> Result<Probe, Answer> {
        let registry = self.registry(order);
        let Some(fixed) = Move::of(order) else {
            return Ok(Probe::Absent(
                "no version was fixed for this order, so that nothing was sent".to_owned(),
            ));
        };
        let Move {
            model,
            alias,
            from,
            to,
            ..
        } = &fixed;
        let current = match registry.alias(model, alias).await? {
            Aliased::Version(version) => version.version,
            Aliased::NoAlias(said) => {
                return Ok(Probe::Absent(format!(
                    "alias {alias} of {model} was removed by others: {said}"
                )));
            }
        };
        if current == *to {
            // The attempt that moved it may have ended before it wrote the tags, by which the next rollback knows the version that was left.
            let found = format!("alias {alias} of {model} leads to version {to}");
            return Ok(match self.completed(&registry, &fixed).await? {
                None => Probe::Found(found),
                Some(missing) if missing.may_mend => {
                    Probe::NoAnswer(format!("{found}; {missing}; they are written again"))
                }
                Some(missing) => Probe::Found(format!("{found}; {missing}")),
            });
        }
        if self.is_recorded(&registry, model).await? {
            return Ok(Probe::Found(format!(
                "tag {LAST_ACTION} of {model} names this action; since then others moved the alias to version {current}"
            )));
        }
        // Another attempt compares before it moves, so that nothing of others is overwritten.
        Ok(Probe::Absent(format!(
            "alias {alias} of {model} leads to version {current}; it was to go from {from} to {to}"
        )))
    }

    async fn look(&self, order: &Order) -> Result<Vec<Finding>, Answer> {
        let registry = self.registry(order);
        let mut findings = Vec::new();
        match registry.server().await {
            Ok(reply) if reply.is_success() => {
                let text = reply.text();
                let is_version =
                    text.len() < 40 && text.starts_with(|letter: char| letter.is_ascii_digit());
                findings.push(if is_version {
                    Finding::Fine(format!("MLflow {}", text.trim()))
                } else {
                    Finding::Unsure(format!(
                        "the service does not say its version as MLflow does: {}",
                        reply.detail
                    ))
                });
            }
            Ok(reply) => findings.push(reply.finding(String::new)),
            Err(answer) => {
                return Ok(vec![Finding::unreachable(answer.detail)]);
            }
        }
        findings.push(match self.choose(&registry).await {
            Ok(chosen) => Finding::Fine(format!("would move {chosen}")),
            Err(answer) => Finding::wrong(
                answer.detail,
                "see what it says; a rollback of another model may be possible",
            ),
        });
        Ok(findings)
    }

    /// The move, beside the parameters. What cannot be mended is said by the attempt, as its outcome.
    async fn fix(&self, order: &Order) -> Result<Option<Value>, Answer> {
        if Move::of(order).is_some() {
            return Ok(None);
        }
        match self.choose(&self.registry(order)).await {
            Ok(chosen) => chosen.beside(&order.params).map(Some),
            Err(answer) if answer.permanent => Ok(None),
            Err(answer) => Err(answer),
        }
    }
}

impl Rollback {
    fn registry<'a>(&'a self, order: &'a Order) -> Registry<'a> {
        Registry {
            talk: self.service.talk(order, &self.secrets),
            credentials: &self.credentials,
        }
    }

    async fn moved(&self, registry: &Registry<'_>, fixed: &Move) -> Result<Answer, Answer> {
        let Move {
            model,
            alias,
            from,
            to,
            ..
        } = fixed;
        // At once: a server under load takes seconds for each.
        let questions = join(self.current(registry, fixed), registry.version(model, to));
        let (current, found) = questions.await;
        let current = current?;
        if current == *to {
            let detail = format!("alias {alias} of {model} leads to version {to} already");
            return Ok(done(self.recorded_again(registry, fixed, detail).await));
        }
        if current != *from {
            return Err(refused(format!(
                "alias {alias} of {model} leads to version {current}, not to {from}: it was changed by others, and is left as it is"
            )));
        }
        let found = found?.ok_or_else(|| {
            refused(format!(
                "version {to} of {model} was deleted; name another in the event's to_version"
            ))
        })?;
        if let Some(why) = self.unfit(&found) {
            return Err(refused(format!(
                "version {to} of {model} cannot be gone back to any more: {why}"
            )));
        }
        let asked = registry.move_alias(model, alias, to).await;
        let answer = either(asked.map(|reply| {
            // A page in place of an answer comes from something before MLflow.
            let is_json = !reply.is_success() || reply.json::<Value>().is_ok();
            if is_json {
                reply.outcome()
            } else {
                reply.answer(FinishOutcome::Unknown, false)
            }
        }));
        if registry.talk.order.dry_run {
            return Ok(Answer {
                detail: format!("would move {fixed}: {}", answer.detail),
                ..answer
            });
        }
        self.confirmed(registry, fixed, answer).await
    }

    /// What the alias leads to by now decides, where the answer leaves it open.
    async fn confirmed(
        &self,
        registry: &Registry<'_>,
        fixed: &Move,
        answer: Answer,
    ) -> Result<Answer, Answer> {
        if !matches!(answer.outcome, FinishOutcome::Done | FinishOutcome::Unknown) {
            return Ok(answer);
        }
        let said = &answer.detail;
        match self.current(registry, fixed).await {
            Ok(current) if current == fixed.to => {
                let detail = format!("moved {fixed}: {said}");
                Ok(done(self.recorded(registry, fixed, detail).await))
            }
            Ok(current) => Ok(Answer {
                outcome: FinishOutcome::Unknown,
                detail: format!(
                    "{said}; the alias leads to version {current}, not to {}",
                    fixed.to
                ),
                ..answer
            }),
            Err(question) => Ok(Answer {
                detail: format!("{said}; not confirmed: {}", question.detail),
                ..answer
            }),
        }
    }

    /// The version that the alias of a move leads to.
    async fn current(&self, registry: &Registry<'_>, fixed: &Move) -> Result<String, Answer> {
        match registry.alias(&fixed.model, &fixed.alias).await? {
            Aliased::Version(version) => Ok(version.version),
            Aliased::NoAlias(said) => Err(refused(format!(
                "alias {} of {} was removed by others: {said}",
                fixed.alias, fixed.model
            ))),
        }
    }
}
