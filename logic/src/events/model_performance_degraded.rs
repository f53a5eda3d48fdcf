//! `model_performance_degraded`: a model predicts worse than its baseline (SPEC §3).

use super::{About, AlertText, EventKind, Fact, Shape, Subject};
use crate::actions::Action;
use crate::field::{Field, Text};
use crate::language::Language;
use crate::naming::{ModelField, shown};
use crate::topic::Role;
use crate::view::EventView;

pub(super) struct ModelPerformanceDegraded;

/// How much the model lost.
const DROP: &str = "performance_drop";
const CURRENT: &str = "current_performance";
const BASELINE: &str = "baseline_performance";
/// What the event asks for itself: RETRAIN, ROLLBACK or NONE.
const REQUIRED: &str = "action_required";

impl EventKind for ModelPerformanceDegraded {
    fn name(&self) -> &'static str {
        "model_performance_degraded"
    }

    fn role(&self) -> Role {
        Role::Performance
    }

    fn about(&self, _: &str) -> About {
        About::Model
    }

    fn model_field(&self) -> ModelField {
        ModelField::Name
    }

    fn facts(&self) -> &'static [Fact] {
        &[
            Fact {
                name: DROP,
                shape: Shape::Number,
            },
            Fact {
                name: CURRENT,
                shape: Shape::Either,
            },
            Fact {
                name: BASELINE,
                shape: Shape::Either,
            },
        ]
    }

    fn required(&self, view: &EventView<'_>) -> Option<Action> {
        match Required::of(&view.field(REQUIRED)) {
            Required::Action(action) => Some(action),
            Required::Nothing | Required::Unknown => None,
        }
    }

    fn remarks(&self, view: &EventView<'_>) -> Vec<String> {
        let required: Field<Text<'_>> = view.field(REQUIRED);
        let is = match &required {
            Field::Value(Text(text)) => shown(text.trim()),
            Field::Wrong(kind) => (*kind).to_owned(),
            Field::Missing => String::new(),
        };
        let unknown = (Required::of(&required) == Required::Unknown).then(|| {
            format!("{REQUIRED} is {is}, not RETRAIN, ROLLBACK or NONE; the matrix decided")
        });
        let quoted = [CURRENT, BASELINE].into_iter().filter_map(|name| {
            let value = view.field::<f64>(name);
            value.remark(name, "a number; it is not quoted")
        });
        unknown.into_iter().chain(quoted).collect()
    }

    fn alert(&self, view: &EventView<'_>, subject: &Subject<'_>) -> AlertText {
        let Subject {
            target, language, ..
        } = subject;
        let drop = view.field::<f64>(DROP).value();
        let current = language.decimals(view.field(CURRENT).value());
        let baseline = language.decimals(view.field(BASELINE).value());
        let severity = language.severity(subject.severity);
        match language {
            Language::En => {
                let lost = drop.map_or_else(
                    || "an unknown share".to_owned(),
                    |drop| language.percent(Some(drop)),
                );
                AlertText {
                    title: format!("model performance degraded: {target}"),
                    message: format!(
                        "model {target} lost {lost}: now {current}, baseline {baseline}, severity {severity}"
                    ),
                }
            }
            Language::Ko => AlertText {
                title: format!("모델 성능 저하: {target}"),
                message: format!(
                    "모델 {target}의 성능 저하: 하락폭 {}, 현재 {current}, 기준 {baseline}, 심각도 {severity}",
                    language.percent(drop)
                ),
            },
        }
    }
}

/// What the event asks for itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    /// Absent, null, empty or `NONE`.
    Nothing,
    Action(Action),
    /// Anything else: the matrix decides.
    Unknown,
}

impl Required {
    fn of(field: &Field<Text<'_>>) -> Self {
        let text = match field {
            Field::Missing => return Self::Nothing,
            Field::Wrong(_) => return Self::Unknown,
            Field::Value(Text(text)) => text.trim(),
        };
        match text {
            _ if text.eq_ignore_ascii_case("RETRAIN") => Self::Action(Action::Retrain),
            _ if text.eq_ignore_ascii_case("ROLLBACK") => Self::Action(Action::Rollback),
            _ if text.is_empty() || text.eq_ignore_ascii_case("NONE") => Self::Nothing,
            _ => Self::Unknown,
        }
    }
}
