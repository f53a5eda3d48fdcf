//! `data_drift_detected`: the data of a model moved away from what it was trained on (SPEC §3).

use serde_json::json;

use super::{About, AlertText, EventKind, Fact, Notice, NoticeParts, Shape, Subject};
use crate::clock_text::format_time;
use crate::field::{Field, Length, Text};
use crate::language::Language;
use crate::ledger::record::Id;
use crate::severity::Severity;
use crate::topic::{Role, SOURCE, SYSTEM_ALERTS};
use crate::view::EventView;

pub(super) struct DataDriftDetected;

/// How far the data moved.
const SCORE: &str = "drift_score";
/// Type of the event about it.
const DRIFT_ALERT: &str = "drift_alert";
/// Which features moved.
const FEATURES: &str = "affected_features";

impl EventKind for DataDriftDetected {
    fn name(&self) -> &'static str {
        "data_drift_detected"
    }

    fn role(&self) -> Role {
        Role::Drift
    }

    fn about(&self, _: &str) -> About {
        About::Model
    }

    fn facts(&self) -> &'static [Fact] {
        &[
            Fact {
                name: SCORE,
                shape: Shape::Number,
            },
            Fact {
                name: FEATURES,
                shape: Shape::List,
            },
        ]
    }

    /// Its texts read facts only.
    fn remarks(&self, _: &EventView<'_>) -> Vec<String> {
        Vec::new()
    }

    fn alert(&self, view: &EventView<'_>, subject: &Subject<'_>) -> AlertText {
        let Subject {
            target, language, ..
        } = subject;
        let score = language.decimals(view.field(SCORE).value());
        let features = view.field(FEATURES).value();
        let severity = language.severity(subject.severity);
        match language {
            Language::En => {
                let features = match features {
                    Some(Length(1)) => "1 feature".to_owned(),
                    Some(Length(count)) => format!("{count} features"),
                    None => "an unknown number of features".to_owned(),
                };
                AlertText {
                    title: format!("data drift: {target}"),
                    message: format!(
                        "data of model {target} drifted: score {score}, {features} affected, severity {severity}"
                    ),
                }
            }
            Language::Ko => {
                let features = match features {
                    Some(Length(count)) => format!("영향받은 특성 {count}개"),
                    None => "영향받은 특성 수 알 수 없음".to_owned(),
                };
                AlertText {
                    title: format!("데이터 드리프트 감지: {target}"),
                    message: format!(
                        "모델 {target}의 데이터 드리프트 감지: 점수 {score}, {features}, 심각도 {severity}"
                    ),
                }
            }
        }
    }

    fn retrain_reason<'a>(&self, _: &'a str, severity: Severity) -> &'a str {
        match severity {
            Severity::High | Severity::Critical => "data_drift_critical",
            Severity::Low | Severity::Medium => "data_drift_medium",
        }
    }

    fn notice_type(&self) -> Option<&'static str> {
        Some(DRIFT_ALERT)
    }

    /// A drift alert goes to `system.alerts` in every case.
    fn notice(&self, view: &EventView<'_>, parts: &NoticeParts<'_>) -> Option<Notice> {
        let target = parts.subject.target;
        let model_version = match (view.field("model_version"), parts.model_version) {
            (Field::Value(Text(version)), _) => version.into_owned(),
            (_, Some(version)) => format!("{target}@{version}"),
            (_, None) => target.to_owned(),
        };
        Some(Notice {
            topic: SYSTEM_ALERTS,
            key: target.to_owned(),
            value: json!({
                "event_type": DRIFT_ALERT,
                "severity": parts.subject.severity.name().to_uppercase(),
                "model_version": model_version,
                "drift_score": view.field::<f64>(SCORE).value(),
                "message": parts.message,
                "event_id": Id::hash(&[&parts.identity.0, DRIFT_ALERT.as_bytes()]).as_uuid(),
                "timestamp": format_time(parts.now),
                "source": SOURCE,
                "caused_by": parts.event_id,
            }),
        })
    }
}
