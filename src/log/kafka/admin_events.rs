//! Serves the main queue of an admin client, which rust-rdkafka 0.39 never polls: its log, and its wish for a new OAuth token
//! (`AdminClient` polls only its own queue, and `Client::poll_event` is private).
#![allow(
    unsafe_code,
    reason = "rust-rdkafka has no safe call that polls this queue; each call has its proof beside it"
)]

use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::ClientContext as _;
use rdkafka::bindings as native;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;

use super::client::LoneContext;

/// Room for librdkafka's error text.
const ERROR_BYTES: usize = 512;

/// Waits for one event, at most `wait`, and answers it.
pub(super) fn serve(client: &Client<LoneContext>, wait: Duration) {
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client's pointer is valid while `client` is borrowed, and librdkafka's calls on it are thread-safe. The
    // queue and the event are owned here: each is released exactly once, the event before its queue, and nothing borrowed
    // from the event is kept. No other code takes events from this queue.
    unsafe {
        let queue = native::rd_kafka_queue_get_main(client.native_ptr());
        if queue.is_null() {
            return;
        }
        let event = native::rd_kafka_queue_poll(queue, wait);
        if !event.is_null() {
            match native::rd_kafka_event_type(event) {
                native::RD_KAFKA_EVENT_LOG => log(client, event),
                native::RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH => refresh(client),
                _ => {}
            }
            native::rd_kafka_event_destroy(event);
        }
        native::rd_kafka_queue_destroy(queue);
    }
}

/// Passes a log line on.
///
/// # Safety
/// `event` is a valid event of type `LOG`.
unsafe fn log(client: &Client<LoneContext>, event: *mut native::rd_kafka_event_t) {
    let (mut facility, mut text, mut level) =
        (std::ptr::null::<c_char>(), std::ptr::null::<c_char>(), 0);
    // SAFETY: the event is valid by contract; on success both texts are NUL-terminated and live as long as the event, and
    // they are copied before this function returns.
    unsafe {
        let failed =
            native::rd_kafka_event_log(event, &raw mut facility, &raw mut text, &raw mut level);
        if failed == 0 && !facility.is_null() && !text.is_null() {
            let facility = CStr::from_ptr(facility).to_string_lossy();
            let text = CStr::from_ptr(text).to_string_lossy();
            let level = match level {
                ..=3 => RDKafkaLogLevel::Error,
                4 | 5 => RDKafkaLogLevel::Warning,
                6 => RDKafkaLogLevel::Info,
                _ => RDKafkaLogLevel::Debug,
            };
            client.context().log(level, facility.trim(), text.trim());
        }
    }
}

/// Gives the client a token, or says why there is none; it asks again.
fn refresh(client: &Client<LoneContext>) {
    let rk = client.native_ptr();
    let fail = |reason: String| {
        let reason = CString::new(reason.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the client is borrowed, the text is NUL-terminated and copied by the call.
        unsafe { native::rd_kafka_oauthbearer_set_token_failure(rk, reason.as_ptr()) };
    };
    let token = match client.context().generate_oauth_token(None) {
        Ok(token) => token,
        Err(error) => return fail(error.to_string()),
    };
    let texts = CString::new(token.token).and_then(|text| {
        let principal = CString::new(token.principal_name)?;
        Ok((text, principal))
    });
    let Ok((text, principal)) = texts else {
        return fail("the token contains a NUL byte".to_owned());
    };
    let mut error: [c_char; ERROR_BYTES] = [0; ERROR_BYTES];
    // SAFETY: the client is borrowed; both texts are NUL-terminated and copied by the call; there are no extensions; the
    // buffer is as long as is said, and the call terminates what it writes there.
    let (code, reason) = unsafe {
        let code = native::rd_kafka_oauthbearer_set_token(
            rk,
            text.as_ptr(),
            token.lifetime_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            error.as_mut_ptr(),
            error.len(),
        );
        (
            code,
            CStr::from_ptr(error.as_ptr())
                .to_string_lossy()
                .into_owned(),
        )
    };
    if code != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        fail(reason);
    }
}
