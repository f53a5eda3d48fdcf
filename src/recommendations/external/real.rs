//! The same models behind real servers, which `scripts/model-servers` runs: MLflow's scoring server, and `MLServer` with `KServe`'s
//! protocol. Without them the test says so and ends.

use super::tests::{settings, texts};
use super::*;

/// The address that the script gives.
fn server(variable: &str) -> Option<String> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("not run: {variable} is not set (scripts/model-servers sets it)");
    }
    url
}

#[tokio::test]
async fn real_model_servers_are_asked_as_they_expect_and_their_answers_are_read() {
    for (variable, protocol) in [
        (
            "MODELS_MLFLOW_SCORES_URL",
            "protocol = \"mlflow\"\nmode = \"scores\"",
        ),
        (
            "MODELS_MLFLOW_CANDIDATES_URL",
            "protocol = \"mlflow\"\nmode = \"candidates\"",
        ),
        (
            "MODELS_KSERVE_URL",
            "protocol = \"kserve\"\nmode = \"scores\"\nmodel = \"scores\"",
        ),
        (
            "MODELS_KSERVE_URL",
            "protocol = \"kserve\"\nmode = \"candidates\"\nmodel = \"candidates\"",
        ),
    ] {
        let Some(url) = server(variable) else {
            return;
        };
        let model = settings(&format!(
            "url = \"{url}\"\nanswer_within_ms = 10000\n{protocol}"
        ))
        .unwrap();
        let (recent, candidates) = (texts(&["9", "8"]), texts(&["1", "333", "22"]));
        let ask = Ask {
            user: "7",
            recent: &recent,
            candidates: &candidates,
            k: 3,
        };
        let expected = match model.mode() {
            // By the length of their ids.
            Mode::Scores => ["333", "22", "1"],
            Mode::Candidates => ["9-0", "9-1", "9-2"],
        };
        // The second one over the same connection.
        for _ in 0..2 {
            let list = model.recommend(&ask, &|_| true).await;
            assert_eq!(list, Ok(texts(&expected)), "{variable} {protocol}");
        }
    }
}
