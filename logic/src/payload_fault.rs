//! Why a payload of another tool does not become events.

/// Events that one payload may become at most; a larger one is refused and can be sent in parts.
pub const EVENTS_MAX: usize = 256;

/// Why a payload is refused. The same payload is refused each time; each message says what to add or to send instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadFault {
    /// Another payload.
    #[error("this is no payload of {form}: {problem}")]
    Unlike {
        /// The form's name.
        form: &'static str,
        /// What is missing or wrong.
        problem: String,
    },
    /// No model is named, neither in it nor beside it.
    #[error(
        "the {form} payload names no model{where_}: add ?model=NAME@VERSION to the address, or model = \"NAME@VERSION\" to the [ingest] table of its topic"
    )]
    NoModel {
        /// The form's name.
        form: &'static str,
        /// Where one could be, beginning with a blank; may be empty.
        where_: &'static str,
    },
    /// What is said about the model cannot be read.
    #[error(
        "`{given}` is no reference to a model: write NAME, NAME@VERSION or models:/NAME/VERSION"
    )]
    ModelReference {
        /// As given, cut.
        given: String,
    },
    /// A header or an attribute that is needed is missing.
    #[error("the {form} payload lacks {what}: {remedy}")]
    Lacks {
        /// The form's name.
        form: &'static str,
        /// What it lacks.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It means more events than are published at once.
    #[error(
        "the {form} payload means {events} events; at most {EVENTS_MAX} are taken at once: send it in parts"
    )]
    TooMany {
        /// The form's name.
        form: &'static str,
        /// How many.
        events: usize,
    },
}

impl PayloadFault {
    /// Another payload than this form's.
    pub(crate) fn unlike(form: &'static str, problem: impl Into<String>) -> Self {
        Self::Unlike {
            form,
            problem: problem.into(),
        }
    }
}
