//! Texts of alerts as they are recorded: in the language of the target, by the configured template, and never lost.

use homeostat_logic::actions::Action;
use homeostat_logic::ledger::record::Decision;
use homeostat_logic::rules::Rules;

use crate::support::{noon, proposed, rules};

const DRIFT: &str =
    r#"{"severity":"HIGH","model_version":"churn@7","drift_score":0.5,"affected_features":["a"]}"#;

fn decided(raw: &str, rules: &Rules) -> (Decision, Option<serde_json::Value>) {
    let proposal = proposed("data.drift.detected", raw, rules, noon());
    let decision = proposal.propose.decisions[0].clone();
    (decision, proposal.notice.map(|notice| notice.value))
}

#[test]
fn a_korean_alert_records_its_language_and_an_english_one_is_as_the_spec_says() {
    let (decision, notice) = decided(DRIFT, &rules("language = \"ko\""));
    let alert = decision.escalation.params.value();
    assert_eq!(alert["title"], "데이터 드리프트 감지: churn");
    assert_eq!(
        alert["message"],
        "모델 churn의 데이터 드리프트 감지: 점수 0.500, 영향받은 특성 1개, 심각도 높음"
    );
    assert_eq!(alert["language"], "ko");
    assert_eq!(notice.unwrap()["message"], alert["message"]);
    assert!(
        decision.reasons.iter().all(|reason| reason.is_ascii()),
        "{:?}",
        decision.reasons
    );
    let (decision, _) = decided(DRIFT, &rules(""));
    let alert = decision.escalation.params.value();
    let fields: Vec<&String> = alert.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["message", "severity", "source_event", "timestamp", "title"]
    );
    let of_the_target = rules("[targets.\"model/churn\"]\nlanguage = \"ko\"");
    assert_eq!(
        decided(DRIFT, &of_the_target).0.escalation.params.value()["language"],
        "ko"
    );
    let other = DRIFT.replace("churn", "fraud");
    let alert = decided(&other, &of_the_target).0.escalation.params.value();
    assert_eq!(alert["title"], "data drift: fraud");
}

#[test]
fn a_doubt_is_said_in_korean_and_keeps_its_details() {
    let doubted = r#"{"severity":"HIGH","model_version":42,"drift_score":0.5}"#;
    let (decision, _) = decided(doubted, &rules("language = \"ko\""));
    assert_eq!(decision.ladder[0].action, Action::Alert);
    let message = decision.ladder[0].params.text("message").unwrap();
    assert!(
        message
            .contains(". 어느 모델인지 알려 주는 필드가 없음, 재학습 대신 담당자에게 알림 (상세: "),
        "{message}"
    );
}

#[test]
fn a_template_that_fails_leaves_the_built_in_text_and_a_reason() {
    let broken =
        "[texts.data_drift_detected]\ntitle = '{{ event.size - 1 }}'\nmessage = 'M {{ target }}'";
    let (decision, notice) = decided(&DRIFT.replacen('{', r#"{"size":"x","#, 1), &rules(broken));
    let alert = decision.escalation.params.value();
    assert_eq!(alert["title"], "data drift: churn");
    assert_eq!(alert["message"], "M churn");
    assert_eq!(notice.unwrap()["message"], "M churn");
    let named = |reason: &&String| {
        reason.starts_with("texts.data_drift_detected.title cannot be rendered for this event: ")
    };
    assert_eq!(
        decision.reasons.iter().filter(named).count(),
        1,
        "{:?}",
        decision.reasons
    );
}
