//! How users are connected, and why a connection ends: what the client is sent, and what is counted.

/// How a user is connected.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Channel {
    /// Server-sent events.
    Sse,
    /// A WebSocket.
    Websocket,
}

impl Channel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sse, Self::Websocket];

    /// The label value.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum End {
    /// The client closed it, or cannot be reached.
    Left,
    /// The client does not read what it is sent.
    Slow,
    /// The client answers no ping.
    Silent,
    /// The user opened too many others since.
    Replaced,
    /// The token has expired.
    Expired,
    /// The user was erased.
    Erased,
    /// The service ends.
    Stopped,
    /// A frame is larger than allowed.
    FrameTooLarge,
    /// The client sent what is no WebSocket.
    Protocol,
}

impl End {
    /// The label value.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The close code of a WebSocket (RFC 6455 §7.4); those from 4000 on are this service's own.
    pub const fn code(self) -> u16 {
        match self {
            Self::Left => 1_000,
            Self::Stopped => 1_001,
            Self::Protocol => 1_002,
            Self::FrameTooLarge => 1_009,
            Self::Expired => 4_401,
            Self::Slow | Self::Silent => 4_408,
            Self::Erased => 4_410,
            Self::Replaced => 4_429,
        }
    }

    /// What the client is sent, at most 123 bytes.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Left => "closed",
            Self::Slow => "the client did not read what it was sent",
            Self::Silent => "the client did not answer pings",
            Self::Replaced => {
                "the user opened more connections than are allowed; this was the oldest"
            }
            Self::Expired => "the token has expired; connect again with a new one",
            Self::Erased => "the user was erased",
            Self::Stopped => "the service ends; connect again",
            Self::FrameTooLarge => "the frame is too large",
            Self::Protocol => "the frame is not valid",
        }
    }

    /// Milliseconds after which the client should connect again; `spread` is a number of this connection, so that not all come
    /// back at the same time.
    pub const fn retry_ms(self, spread: u64) -> u64 {
        match self {
            // Otherwise more pages than places would replace each other all the time.
            Self::Replaced => 60_000,
            _ => RETRY_MS + spread.wrapping_mul(2_654_435_761) % RETRY_MS,
        }
    }

    /// The last event of a stream of server-sent events.
    pub fn as_event(self, spread: u64) -> String {
        let (name, reason) = (self.name(), self.reason());
        let retry = self.retry_ms(spread);
        format!(
            "retry: {retry}\nevent: closed\ndata: {{\"type\":\"closed\",\"why\":\"{name}\",\"reason\":\"{reason}\"}}\n\n"
        )
    }
}

/// Pause before a client connects again, at least.
pub const RETRY_MS: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [End; 9] = [
        End::Left,
        End::Slow,
        End::Silent,
        End::Replaced,
        End::Expired,
        End::Erased,
        End::Stopped,
        End::FrameTooLarge,
        End::Protocol,
    ];

    #[test]
    fn every_end_has_a_code_that_may_be_sent_and_a_reason_that_fits_into_its_frame() {
        assert_eq!(ALL.len(), <End as strum::VariantNames>::VARIANTS.len());
        for end in ALL {
            let code = end.code();
            assert!(matches!(code, 1_000..=1_003 | 1_007..=1_011 | 4_000..=4_999));
            assert!(end.reason().len() <= 123);
            let event = end.as_event(1);
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            let data: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
            assert_eq!(data["why"], end.name());
            assert!(event.ends_with("\n\n") && event.matches("\n\n").count() == 1);
        }
    }

    #[test]
    fn clients_come_back_at_different_times_and_replaced_ones_much_later() {
        let pauses: std::collections::BTreeSet<u64> = (0..100)
            .map(|spread| End::Stopped.retry_ms(spread))
            .collect();
        assert!(pauses.len() > 50, "{pauses:?}");
        assert!(
            pauses
                .iter()
                .all(|pause| (RETRY_MS..2 * RETRY_MS).contains(pause))
        );
        assert_eq!(End::Replaced.retry_ms(3), 60_000);
    }
}
