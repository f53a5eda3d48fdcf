//! A manifest whose texts are templates. It is read as YAML before anything is put into it, and each text is rendered by itself: no
//! value of an event can add a field, and no value needs quotes.

use homeostat_actors::ports::connector::{Answer, Order};
use serde_json::{Map, Value};

use crate::connectors::kit::{Compile, Plain, Purpose, Template, refused};

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 64;

/// A manifest of one object.
#[derive(Clone, Debug)]
pub(crate) struct Manifest(Node);

#[derive(Clone, Debug)]
enum Node {
    Fixed(Value),
    Text(Template),
    List(Vec<Self>),
    Fields(Vec<(String, Self)>),
}

impl Manifest {
    /// Reads the YAML of a key; `None` with at least one problem recorded.
    pub(crate) fn compile(key: &str, yaml: &str, compile: &mut Compile<'_>) -> Option<Self> {
        let value: Value = match serde_saphyr::from_str(yaml) {
            Ok(value) => value,
            Err(error) => {
                compile.problem(
                    key,
                    format!("is not YAML of one object: {error}"),
                    "correct it; put quotes around texts that begin with {{",
                );
                return None;
            }
        };
        if !value.is_object() {
            compile.problem(key, "is not YAML of one object", "write a manifest");
            return None;
        }
        Self::of(key, value, compile)
    }

    /// The texts of a value as templates.
    pub(crate) fn of(key: &str, value: Value, compile: &mut Compile<'_>) -> Option<Self> {
        node(key, value, 0, compile).map(Self)
    }

    /// For an order.
    pub(crate) fn render(&self, key: &str, order: &Order) -> Result<Value, Answer> {
        render(&self.0, &Plain::plain(order))
            .map_err(|error| refused(format!("a template in `{key}` failed: {error}")))
    }
}

fn node(key: &str, value: Value, depth: usize, compile: &mut Compile<'_>) -> Option<Node> {
    if depth == DEPTH_MAX {
        compile.problem(key, "is nested too deeply", "make it flatter");
        return None;
    }
    Some(match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            Node::Text(compile.template(key, &text, Purpose::Plain)?)
        }
        Value::Array(list) => {
            let list = list.into_iter();
            let list: Option<Vec<Node>> = list
                .map(|value| node(key, value, depth + 1, compile))
                .collect();
            Node::List(list?)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields: Option<Vec<(String, Node)>> = fields
                .map(|(name, value)| Some((name, node(key, value, depth + 1, compile)?)))
                .collect();
            Node::Fields(fields?)
        }
        fixed => Node::Fixed(fixed),
    })
}

fn render(node: &Node, context: &Plain<'_>) -> Result<Value, String> {
    Ok(match node {
        Node::Fixed(value) => value.clone(),
        Node::Text(template) => Value::String(template.render(context)?),
        Node::List(list) => {
            let list: Result<Vec<Value>, String> =
                list.iter().map(|node| render(node, context)).collect();
            Value::Array(list?)
        }
        Node::Fields(fields) => {
            let fields = fields
                .iter()
                .map(|(name, node)| Ok((name.clone(), render(node, context)?)));
            Value::Object(fields.collect::<Result<Map<String, Value>, String>>()?)
        }
    })
}
