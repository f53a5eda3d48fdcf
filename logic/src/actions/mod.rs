//! The closed list of actions that Homeostat can take, one file each.
//!
//! To add one: write its file with a [`KIND`](ActionKind), name the file in the two lists below, and give it its tables in
//! `config/default.toml`. Configuration, command line, metrics and API follow from the list.

mod alert;
mod ignore;
pub mod kind;
mod monitor;
mod retrain;
mod rollback;
mod scale_down;
mod scale_up;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::language::Language;

pub use kind::{ActionKind, ActsOn, Facts, Intents, Quoted, Strength};

macro_rules! actions {
    ($($variant:ident = $file:ident,)+) => {
        /// What the service may do about an event (SPEC §4).
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(rename_all = "snake_case")]
        pub enum Action {
            $(#[doc = concat!("The action `", stringify!($file), "`.")] $variant,)+
        }

        impl Action {
            /// Every action, in the order of the SPEC.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The name used in configuration, records, metrics and the API.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($file),)+
                }
            }

            /// Its key in a table of cooldowns.
            pub const fn cooldown_key(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!(stringify!($file), "_minutes"),)+
                }
            }

            /// What is particular to it.
            pub const fn kind(self) -> &'static ActionKind {
                match self {
                    $(Self::$variant => &$file::KIND,)+
                }
            }
        }
    };
}

actions! {
    Retrain = retrain,
    Rollback = rollback,
    ScaleUp = scale_up,
    ScaleDown = scale_down,
    Alert = alert,
    Monitor = monitor,
    Ignore = ignore,
}

impl Action {
    /// The actions that a connector carries out: all but those that only record that an event was seen.
    pub fn executed() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|action| action.is_executed())
    }

    /// Whether a connector carries it out.
    pub fn is_executed(self) -> bool {
        self.kind().strength > Strength::Records
    }

    /// Its name in texts for people.
    pub fn in_words(self, language: Language) -> &'static str {
        match (language, self.kind().in_korean) {
            (Language::En, _) | (Language::Ko, "") => self.name(),
            (Language::Ko, words) => words,
        }
    }

    /// The action of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
