//! Every event type without a file: it has what [`EventKind`] gives by default.

use super::EventKind;
use crate::language::Language;

pub(super) struct Other;

impl EventKind for Other {
    fn name(&self) -> &'static str {
        "other"
    }

    fn words(&self, event_type: &str, language: Language) -> String {
        let mut known = IN_KOREAN.iter();
        let known = known.find(|(name, _)| *name == event_type);
        match (language, known) {
            (Language::Ko, Some((_, words))) => (*words).to_owned(),
            _ => event_type.replace('_', " "),
        }
    }
}

/// The types of our own topics and orders; any other type is called by its name.
const IN_KOREAN: [(&str, &str); 11] = [
    ("data_ingested", "데이터 수집"),
    ("data_processed", "데이터 처리"),
    ("data_quality_issues", "데이터 품질 문제"),
    ("model_training_started", "모델 학습 시작"),
    ("model_training_completed", "모델 학습 완료"),
    ("model_evaluation_completed", "모델 평가 완료"),
    ("model_deployed", "모델 배포"),
    ("system_metrics", "시스템 지표 이벤트"),
    ("system_alert", "시스템 경보"),
    ("system_health", "시스템 상태 이벤트"),
    ("operator_forced", "운영자 지시 조치"),
];
