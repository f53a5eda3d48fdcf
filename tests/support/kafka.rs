//! Finds the Kafka broker the tests shall use.

use std::sync::Once;

/// Address of the broker, from `KAFKA_BOOTSTRAP`. Without it Kafka is not tested: said once, and an error where `CI` is
/// set, because there nobody reads.
pub(crate) fn bootstrap() -> Option<String> {
    static SAID: Once = Once::new();
    let address = std::env::var("KAFKA_BOOTSTRAP")
        .ok()
        .filter(|address| !address.is_empty());
    if address.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "KAFKA_BOOTSTRAP is not set; use scripts/test"
        );
        SAID.call_once(|| eprintln!("not run: Kafka (set KAFKA_BOOTSTRAP or use scripts/test)"));
    }
    address
}
