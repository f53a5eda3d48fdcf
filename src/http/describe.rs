//! What the arguments and answers of a handler say of themselves. The OpenAPI document follows from it, so it cannot name
//! a parameter that no handler reads, or a body of another type.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::{Kind, Problem};

/// Adds to the description of an operation what a type means for it; most mean nothing.
pub(super) trait Describe {
    /// Adds it.
    fn describe(_operation: &mut Operation<'_>) {}
}

/// The schemas that the document names, apart for what is read and what is written: the same type may differ.
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a type as it is written; a reference to it if it has a name.
    pub(super) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// Every schema with a name.
    pub(super) fn into_named(mut self) -> Map<String, Value> {
        let mut named = self.read.take_definitions(true);
        named.extend(self.written.take_definitions(true));
        named
    }
}

/// One operation of the document, as far as it is described.
pub(super) struct Operation<'a> {
    schemas: &'a mut Schemas,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    security: Option<Value>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(schemas: &'a mut Schemas) -> Self {
        Self {
            schemas,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            security: None,
        }
    }

    /// The schema of a type as it is read.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Schema {
        self.schemas.read.subschema_for::<T>()
    }

    /// Each field of `T` is a parameter of the path, the query or a header.
    pub(super) fn parameters<T: JsonSchema>(&mut self, place: &str) {
        let schema = T::json_schema(&mut self.schemas.read).to_value();
        let Some(Value::Object(fields)) = schema.get("properties").cloned() else {
            return;
        };
        let required = |name: &str| {
            let listed = schema.get("required").and_then(Value::as_array);
            listed.is_some_and(|names| names.iter().any(|one| one == name))
        };
        for (name, mut field) in fields {
            without_null(&mut field);
            let description = field
                .as_object_mut()
                .and_then(|one| one.remove("description"));
            let mut parameter = json!({
                "name": name,
                "in": place,
                "required": place == "path" || required(&name),
                "schema": field,
            });
            if let (Some(text), Some(parameter)) = (description, parameter.as_object_mut()) {
                parameter.insert("description".to_owned(), text);
            }
            self.parameters.push(parameter);
        }
    }

    /// What the body may be, by media type.
    pub(super) fn body(&mut self, required: bool, content: &Value) {
        self.body = Some(json!({"required": required, "content": content}));
    }

    /// An answer without a fault.
    pub(super) fn answer(&mut self, status: u16, description: &str, media: &str, schema: &Value) {
        let answer = json!({"description": description, "content": {media: {"schema": schema}}});
        self.answers.insert(status, answer);
    }

    /// An answer in JSON; its description is that of its type.
    pub(super) fn json_answer<T: JsonSchema>(&mut self, status: u16) {
        let schema = self.schemas.written::<T>();
        let description = T::json_schema(&mut self.schemas.written);
        let description = description.get("description").and_then(Value::as_str);
        let description = description.unwrap_or_default().to_owned();
        self.answer(status, &description, "application/json", &schema);
    }

    /// The operation may be answered with this problem.
    pub(super) fn problem(&mut self, kind: Kind) {
        let problem = json!({"$ref": "#/components/responses/Problem"});
        self.answers
            .entry(kind.status().as_u16())
            .or_insert(problem);
    }

    /// Who may ask.
    pub(super) fn security(&mut self, alternatives: Value) {
        self.security = Some(alternatives);
    }

    /// As the document has it.
    pub(super) fn into_fields(self) -> Map<String, Value> {
        let answers = self.answers.into_iter();
        let answers: Map<String, Value> = answers
            .map(|(status, answer)| (status.to_string(), answer))
            .collect();
        let mut fields = Map::from_iter([("responses".to_owned(), Value::Object(answers))]);
        if !self.parameters.is_empty() {
            fields.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        let more = [("requestBody", self.body), ("security", self.security)];
        for (name, value) in more {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        }
        fields
    }
}

/// A parameter that may stay away is never null.
fn without_null(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if fields.get("default").is_some_and(Value::is_null) {
        fields.remove("default");
    }
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut either)) = fields.remove("anyOf") {
        either.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        if let [Value::Object(only)] = either.as_slice() {
            fields.extend(only.clone());
        } else {
            fields.insert("anyOf".to_owned(), Value::Array(either));
        }
    }
}

impl<T: ?Sized> Describe for Data<T> {}

impl Describe for HttpRequest {}

/// The bytes of a connection that was upgraded.
impl Describe for Payload {}

impl<T: JsonSchema> Describe for Path<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameters::<T>("path");
    }
}

impl<T: JsonSchema> Describe for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.json_answer::<T>(200);
    }
}

impl<T: Describe> Describe for Result<T, Problem> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

macro_rules! arguments {
    ($($name:ident)*) => {
        impl<$($name: Describe),*> Describe for ($($name,)*) {
            #[allow(unused_variables, reason = "a handler may take no argument")]
            fn describe(operation: &mut Operation<'_>) {
                $($name::describe(operation);)*
            }
        }
    };
}

arguments!();
arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);
arguments!(A B C D E F G);
arguments!(A B C D E F G H);
