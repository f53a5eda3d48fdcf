//! The alert about an action that ended badly: which action, how it ended, after how many attempts.

use super::language_of;
use crate::actions::Action;
use crate::language::Language;
use crate::ledger::phase::Phase;
use crate::ledger::record::Id;
use crate::params::Params;
use crate::target::Target;

/// How an action ended.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// What was to be done.
    pub action: Action,
    /// About what.
    pub target: &'a Target,
    /// How it ended.
    pub phase: &'a Phase,
    /// Attempts made.
    pub attempts: usize,
    /// Attempts allowed.
    pub attempts_max: u32,
    /// Its id.
    pub id: Id,
}

impl Failure<'_> {
    /// As a sentence; the English one is also a reason.
    pub fn sentence(&self, language: Language) -> String {
        let Self {
            action,
            target,
            phase,
            attempts,
            attempts_max,
            id,
        } = self;
        match language {
            Language::En => format!(
                "{action} of {target} ended {} after {attempts} of {attempts_max} attempts (action {id})",
                phase.name()
            ),
            Language::Ko => format!(
                "{} {} {} 조치 결과: {}(시도 {attempts}/{attempts_max}회, 조치 ID {id})",
                language.target_kind(target.kind),
                target.name,
                action.in_words(language),
                ended_in_korean(phase),
            ),
        }
    }
}

const fn ended_in_korean(phase: &Phase) -> &'static str {
    match phase {
        Phase::Failed => "실패",
        Phase::Unknown { .. } => "결과 확인 불가",
        Phase::Expired => "기한 만료",
        Phase::Cancelled => "취소",
        Phase::Superseded => "다른 조치로 대체",
        Phase::Suppressed => "보류",
        Phase::Done => "완료",
        Phase::Waiting { .. }
        | Phase::Approval
        | Phase::Ready { .. }
        | Phase::Started { .. }
        | Phase::Doubt { .. } => "진행 중",
    }
}

/// Puts the failure before title and message of the alert that was written down before it was known, in the alert's
/// language.
pub fn escalate(params: &mut Params, failure: &Failure<'_>) {
    let language = language_of(params);
    let sentence = failure.sentence(language);
    let (title, message) = match language {
        Language::En => (
            "action failed: ".to_owned(),
            format!("{sentence}. It was about: "),
        ),
        Language::Ko => ("조치 실패: ".to_owned(), format!("{sentence}. 원래 알림: ")),
    };
    for (field, before) in [("title", title), ("message", message)] {
        if let Some(text) = params.text(field) {
            params.set(field, &format!("{before}{text}").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_action_is_named_before_the_alert_in_its_language() {
        let target = Target::model("churn");
        let failure = Failure {
            action: Action::Retrain,
            target: &target,
            phase: &Phase::Failed,
            attempts: 5,
            attempts_max: 5,
            id: Id([7; 16]),
        };
        let id = Id([7; 16]);
        let alert = |language: Option<&str>| {
            let mut params: Params = serde_json::json!({"title": "T", "message": "M"}).into();
            if let Some(language) = language {
                params.set("language", &language.into());
            }
            escalate(&mut params, &failure);
            (
                params.text("title").unwrap(),
                params.text("message").unwrap(),
            )
        };
        let (title, message) = alert(None);
        assert_eq!(title, "action failed: T");
        assert_eq!(
            message,
            format!(
                "retrain of model/churn ended failed after 5 of 5 attempts (action {id}). It was about: M"
            )
        );
        let (title, message) = alert(Some("ko"));
        assert_eq!(title, "조치 실패: T");
        assert_eq!(
            message,
            format!("모델 churn 재학습 조치 결과: 실패(시도 5/5회, 조치 ID {id}). 원래 알림: M")
        );
    }
}
