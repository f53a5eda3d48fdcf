//! The closed list of topics (SPEC §1): name, partitions and who reads them.

/// Which part of the service answers a topic's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers data drift.
    Drift,
    /// Answers degraded models.
    Performance,
    /// Answers the state of the running system: overload, latency, health, and types without a rule.
    Scaling,
    /// Answers steps of a model's life; today it records them.
    Lifecycle,
}

impl Role {
    /// Every role, in the order of the data flow.
    pub const ALL: [Self; 4] = [
        Self::Drift,
        Self::Performance,
        Self::Scaling,
        Self::Lifecycle,
    ];

    /// The name used for actors and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drift => "drift",
            Self::Performance => "performance",
            Self::Scaling => "scaling",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// How the service uses a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Each event yields a recorded decision of the role; the type is fixed by the topic.
    Decide(Role),
    /// The event's own `event_type` says what it is; without one it is a sample and is counted only.
    DecideByType,
    /// A stream of traffic: decoded, checked and counted; no decision is recorded for it.
    Observe,
    /// What every instance holds in memory: it is compacted, and all of it is read at the start.
    Hold,
    /// Events about users: written to [`USERS`], in which each user's events meet.
    Users,
    /// The service's own: written and read by it alone.
    Own,
    /// Of another tool: `[ingest.NAME]` says what its records mean.
    Ingest,
    /// Written by the service or by others for others; not consumed.
    Produce,
}

/// One topic of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Kafka name.
    pub name: &'static str,
    /// Partitions it is created with.
    pub partitions: i32,
    /// The type of its events when they do not carry (or may not carry) one of their own.
    pub event_type: &'static str,
    /// What the service does with it.
    pub usage: Use,
}

const fn topic(name: &'static str, partitions: i32, event_type: &'static str, usage: Use) -> Topic {
    Topic {
        name,
        partitions,
        event_type,
        usage,
    }
}

/// The ledger of decisions (ledger-protocol §3); its partitions are fixed at creation.
pub const LEDGER: &str = "homeostat.ledger";
/// Records that could not be handled, with their original bytes.
pub const DEAD_LETTERS: &str = "homeostat.dead-letters";
/// Events about users, keyed by user; its partitions are fixed at creation.
pub const USERS: &str = "homeostat.users";
/// What the model of recommendations learns; one partition, which every instance reads.
pub const MODEL: &str = "homeostat.model";
/// Where alerts go, and one of the topics consumed.
pub const SYSTEM_ALERTS: &str = "system.alerts";
/// Updates of recommendations, which every instance hands to the users who are connected to it.
pub const PUSH_RECOMMENDATIONS: &str = "push.recommendations";

/// The items that are recommended; the newest record of each is kept.
pub const CATALOG_ITEMS: &str = "catalog.items";

/// Every topic of SPEC §1, in its order, and the catalog's.
pub const TOPICS: [Topic; 21] = [
    topic(
        "data.ingested",
        3,
        "data_ingested",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "data.processed",
        3,
        "data_processed",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "data.quality.issues",
        2,
        "data_quality_issues",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "data.drift.detected",
        2,
        "data_drift_detected",
        Use::Decide(Role::Drift),
    ),
    topic(
        "model.training.started",
        2,
        "model_training_started",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "model.training.completed",
        2,
        "model_training_completed",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "model.evaluation.completed",
        2,
        "model_evaluation_completed",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "model.deployed",
        2,
        "model_deployed",
        Use::Decide(Role::Lifecycle),
    ),
    topic(
        "model.performance.degraded",
        2,
        "model_performance_degraded",
        Use::Decide(Role::Performance),
    ),
    topic("prediction.request", 5, "prediction_request", Use::Observe),
    topic(
        "prediction.completed",
        5,
        "prediction_completed",
        Use::Observe,
    ),
    topic(
        "prediction.feedback",
        3,
        "prediction_feedback",
        Use::Observe,
    ),
    topic("system.metrics", 3, "system_metrics", Use::DecideByType),
    topic(SYSTEM_ALERTS, 2, "system_alert", Use::DecideByType),
    topic("system.health", 2, "system_health", Use::DecideByType),
    topic(
        "business.user.interaction",
        3,
        "user_interaction",
        Use::Users,
    ),
    topic(
        "business.recommendation.clicked",
        3,
        "recommendation_clicked",
        Use::Users,
    ),
    topic(
        "business.feedback.received",
        2,
        "feedback_received",
        Use::Users,
    ),
    topic(
        "recommendations.updated",
        3,
        "recommendations_updated",
        Use::Produce,
    ),
    topic(
        PUSH_RECOMMENDATIONS,
        3,
        "recommendations_update",
        Use::Produce,
    ),
    topic(CATALOG_ITEMS, 3, "catalog_item", Use::Hold),
];

/// [`USERS`] as its reader sees it; how many partitions it has is configured.
pub static USERS_TOPIC: Topic = topic(USERS, 1, "user_event", Use::Own);

/// The topic of that name, if it is one of SPEC §1.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The `source` that published events carry (SPEC §2). Other platform parts use it too, so it says nothing about origin.
pub const SOURCE: &str = "mlops_system";
/// Header on everything the service itself publishes; none of it triggers the service (DESIGN §7).
pub const ORIGIN_HEADER: &str = "homeostat-origin";
/// Topics of this prefix are the service's own: nothing outside publishes to them.
pub const INTERNAL_PREFIX: &str = "homeostat.";

/// Why a topic cannot be published to from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPublishable {
    /// Not one of SPEC §1.
    #[error("unknown topic; use one that `homeostat topics list` names")]
    Unknown,
    /// The service's own.
    #[error(
        "topics of the prefix {INTERNAL_PREFIX} are written by the service alone; use one that `homeostat topics list` names"
    )]
    Internal,
}

/// The topic of that name, if events may be published to it from outside.
pub fn publishable(name: &str) -> Result<&'static Topic, NotPublishable> {
    if name.starts_with(INTERNAL_PREFIX) {
        return Err(NotPublishable::Internal);
    }
    find(name).ok_or(NotPublishable::Unknown)
}
