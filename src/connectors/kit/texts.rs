//! Templates of an action that become texts of its request: one under its key, or a table of them.

use std::collections::BTreeMap;

use homeostat_actors::ports::connector::{Answer, Order};

use super::answer::refused;
use super::compile::Compile;
use super::context::Plain;
use super::template::{Purpose, Template};

impl Template {
    /// For an order; `key` is where it is written.
    pub(crate) fn fill(&self, key: &str, order: &Order) -> Result<String, Answer> {
        let text = self.render(&Plain::plain(order));
        text.map_err(|error| refused(format!("the template `{key}` failed: {error}")))
    }
}

/// A table of templates.
pub(crate) struct Texts {
    table: &'static str,
    templates: Vec<(String, Template)>,
}

impl Texts {
    /// Reads the table of that name; `None` with at least one problem recorded.
    pub(crate) fn compile(
        table: &'static str,
        sources: &BTreeMap<String, String>,
        compile: &mut Compile<'_>,
    ) -> Option<Self> {
        let templates = compile.within(table, |compile| {
            let templates = sources.iter().map(|(name, source)| {
                let template = compile.template(name, source, Purpose::Plain)?;
                Some((name.clone(), template))
            });
            templates.collect::<Option<_>>()
        });
        Some(Self::of(table, templates?))
    }

    /// Of templates that were read.
    pub(crate) const fn of(table: &'static str, templates: Vec<(String, Template)>) -> Self {
        Self { table, templates }
    }

    /// Names and texts for an order.
    pub(crate) fn fill(&self, order: &Order) -> Result<Vec<(String, String)>, Answer> {
        let filled = self.templates.iter().map(|(name, template)| {
            let key = format!("{}.{name}", self.table);
            Ok((name.clone(), template.fill(&key, order)?))
        });
        filled.collect()
    }
}
