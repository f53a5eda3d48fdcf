//! What a kind of connection is: one file that implements [`Kind`], and one line in [`super::KINDS`].

use std::marker::PhantomData;
use std::sync::Arc;

use homeostat_actors::ports::connector::Connector;
use homeostat_logic::actions::Action;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::common::Common;
use super::kit::Compile;
use crate::schema::schema_of;

/// A kind of connection. A value of the type is one connection, `[connections.NAME]`, checked and ready.
pub(crate) trait Kind: Sized + Send + Sync + 'static {
    /// `kind = "…"` in the configuration, and the label of metrics.
    const NAME: &'static str;
    /// What it reaches, in a few words.
    const ABOUT: &'static str;
    /// A connection of this kind and an action that uses it, as they are written; a test loads it.
    const EXAMPLE: &'static str;
    /// For the documentation, in Markdown: what it needs (rights, scopes), what an attempt in doubt means, and against which
    /// versions of the service it is tested.
    const NOTES: &'static str = "";
    /// The policy of its actions where none is written, if it is another than that of the defaults.
    const POLICY: Option<&'static str> = None;
    /// Keys of `[connections.NAME]` besides `kind` and [`Common`]'s. Comments, bounds and defaults of its fields are the documentation.
    type Settings: DeserializeOwned + JsonSchema;
    /// Keys of `[actions.ACTION.with]`.
    type With: DeserializeOwned + JsonSchema;

    /// Whether it can carry out an action.
    fn carries(_action: Action) -> bool {
        true
    }

    /// The key of `with` that lets targets be probed, where there is one.
    fn probed_by() -> Option<&'static str> {
        None
    }

    /// Makes a connection ready; `None` with at least one problem recorded.
    fn connect(settings: Self::Settings, compile: &mut Compile<'_>) -> Option<Self>;

    /// Makes an action over this connection ready; `None` with at least one problem recorded. Whether its target can be probed
    /// is said by the connector ([`Connector::can_be_probed`]).
    fn carry(
        &self,
        action: Action,
        with: Self::With,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>>;
}

/// A kind in the list of kinds.
pub(crate) trait AnyKind: Sync {
    fn name(&self) -> &'static str;
    fn about(&self) -> &'static str;
    fn example(&self) -> &'static str;
    fn notes(&self) -> &'static str;
    fn policy(&self) -> Option<&'static str>;
    fn carries(&self, action: Action) -> bool;
    fn probed_by(&self) -> Option<&'static str>;
    /// Schema of `[connections.NAME]`, with `kind` and [`Common`]'s.
    fn settings_schema(&self) -> Value;
    /// Schema of `[actions.ACTION.with]`.
    fn with_schema(&self) -> Value;
    fn connect(
        &self,
        settings: toml::Value,
        compile: &mut Compile<'_>,
    ) -> Option<Box<dyn Connection>>;
}

/// Keys that every connection has.
pub(crate) fn common(settings: &toml::Value, compile: &mut Compile<'_>) -> Option<Common> {
    let common: Common = read(settings.clone(), compile)?;
    common.check(compile);
    Some(common)
}

/// A connection of any kind.
pub(crate) trait Connection {
    /// See [`Kind::carry`].
    fn carry(
        &self,
        action: Action,
        with: toml::Value,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>>;
}

/// The entry of a kind in the list.
pub(crate) struct Entry<K>(PhantomData<fn() -> K>);

impl<K: Kind> Entry<K> {
    pub(super) const NEW: Self = Self(PhantomData);
}

impl<K: Kind> AnyKind for Entry<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn about(&self) -> &'static str {
        K::ABOUT
    }

    fn example(&self) -> &'static str {
        K::EXAMPLE
    }

    fn notes(&self) -> &'static str {
        K::NOTES
    }

    fn policy(&self) -> Option<&'static str> {
        K::POLICY
    }

    fn carries(&self, action: Action) -> bool {
        K::carries(action)
    }

    fn probed_by(&self) -> Option<&'static str> {
        K::probed_by()
    }

    fn settings_schema(&self) -> Value {
        let mut schema = schema_of::<K::Settings>();
        let kind = json!({ "type": "string", "enum": [K::NAME], "description": "Kind of the connection." });
        let mut common = schema_of::<Common>();
        let common = common.get_mut("properties").map(Value::take);
        // A kind without keys of its own has none yet.
        if let Some(schema) = schema.as_object_mut() {
            schema.entry("properties").or_insert_with(|| json!({}));
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
        if let Some(Value::Object(keys)) = schema.get_mut("properties") {
            keys.insert("kind".to_owned(), kind);
            if let Some(Value::Object(common)) = common {
                keys.extend(common);
            }
        }
        schema
    }

    fn with_schema(&self) -> Value {
        schema_of::<K::With>()
    }

    fn connect(
        &self,
        settings: toml::Value,
        compile: &mut Compile<'_>,
    ) -> Option<Box<dyn Connection>> {
        let connection = K::connect(read(settings, compile)?, compile)?;
        Some(Box::new(connection))
    }
}

impl<K: Kind> Connection for K {
    fn carry(
        &self,
        action: Action,
        with: toml::Value,
        compile: &mut Compile<'_>,
    ) -> Option<Arc<dyn Connector>> {
        Kind::carry(self, action, read(with, compile)?, compile)
    }
}

/// The checks against the schema leave nothing to refuse here; should they disagree with a type, that is a problem too.
fn read<T: DeserializeOwned>(table: toml::Value, compile: &mut Compile<'_>) -> Option<T> {
    let typed = table.try_into().map_err(|error: toml::de::Error| {
        compile.problem("", error.message(), "correct the value");
    });
    typed.ok()
}
