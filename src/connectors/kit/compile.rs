//! Turning a table of settings into something that can send: what was found on the way, with the key that has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::samples::Sample;
use super::signature::Signer;
use super::template::{Purpose, Template};
use super::trial::trial;
use crate::live::{Derived, LiveSecret, any, live};
use crate::secrets::is_reference;

/// Something wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key below the table.
    pub key: Vec<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// A compilation under way. All problems are collected, not only the first; with any of them, what was compiled is not used.
pub(crate) struct Compile<'a> {
    environment: &'a BTreeMap<String, String>,
    /// Names of the tables around the key that is being read.
    below: Vec<String>,
    secrets: Vec<LiveSecret>,
    /// Orders that templates are tried on.
    samples: &'a [Sample],
    /// What keeps the table from being used.
    pub(crate) problems: Vec<Problem>,
    /// What works and is probably not meant.
    pub(crate) doubts: Vec<Problem>,
}

impl<'a> Compile<'a> {
    /// With the variables that references may name.
    pub(crate) const fn new(environment: &'a BTreeMap<String, String>) -> Self {
        Self {
            environment,
            below: Vec::new(),
            secrets: Vec::new(),
            samples: &[],
            problems: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// The variables that references may name.
    pub(crate) const fn environment(&self) -> &BTreeMap<String, String> {
        self.environment
    }

    /// With orders on which each template is tried.
    pub(crate) const fn trying(mut self, samples: &'a [Sample]) -> Self {
        self.samples = samples;
        self
    }

    /// Reads keys of a table in the table.
    pub(crate) fn within<T>(&mut self, table: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.below.push(table.to_owned());
        let read = read(self);
        self.below.pop();
        read
    }

    /// Records a problem of a key.
    pub(crate) fn problem(
        &mut self,
        key: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let found = self.found(key, problem.into(), remedy.into());
        self.problems.push(found);
    }

    /// Records a doubt about a key.
    pub(crate) fn doubt(&mut self, key: &str, problem: &str, remedy: &str) {
        let found = self.found(key, problem.to_owned(), remedy.to_owned());
        self.doubts.push(found);
    }

    fn found(&self, key: &str, problem: String, remedy: String) -> Problem {
        let own = std::iter::once(key.to_owned());
        Problem {
            key: self.below.iter().cloned().chain(own).collect(),
            problem,
            remedy,
        }
    }

    /// The secret that a reference names. It never appears in answers of this connection ([`Compile::secrets`]).
    pub(crate) fn secret(&mut self, key: &str, reference: &str) -> Option<LiveSecret> {
        self.secret_of_form(key, reference, any)
    }

    /// A secret without which a connection is none.
    pub(crate) fn required(&mut self, key: &str, reference: &str) -> Option<LiveSecret> {
        if reference.is_empty() {
            self.problem(key, "is missing", "write env:NAME or file:PATH");
            return None;
        }
        self.secret(key, reference)
    }

    /// Records a problem of a `url` that is itself the credential and is written in the clear.
    pub(crate) fn secret_url(&mut self, url: &str) {
        if !url.is_empty() && !is_reference(url) {
            self.problem(
                "url",
                "holds a secret in the clear: who knows this address can post to it",
                "write env:NAME or file:PATH and put the address into that variable or file",
            );
        }
    }

    /// A secret that must have a form; `check` says what is wrong with a value.
    pub(crate) fn secret_of_form(
        &mut self,
        key: &str,
        reference: &str,
        check: fn(&str) -> Option<String>,
    ) -> Option<LiveSecret> {
        match live(reference, self.environment, check) {
            Ok(secret) => {
                self.secrets.push(secret.clone());
                Some(secret)
            }
            Err(error) => {
                self.problem(key, error.to_string(), error.remedy());
                None
            }
        }
    }

    /// The secrets read so far: their values are masked wherever a service echoes them.
    pub(crate) fn secrets(&self) -> Vec<LiveSecret> {
        self.secrets.clone()
    }

    /// A signer of Standard Webhooks from a reference to its secret.
    pub(crate) fn signer(&mut self, key: &str, reference: &str) -> Option<Arc<Derived<Signer>>> {
        let secret = self.secret(key, reference)?;
        match Signer::new(&secret.current()) {
            Ok(signer) => {
                if let Some((problem, remedy)) = signer.doubt() {
                    self.doubt(key, problem, remedy);
                }
            }
            Err(error) => {
                self.problem(key, error.to_string(), error.remedy());
                return None;
            }
        }
        let key = key.to_owned();
        let signer = Derived::new(vec![secret], move |secrets| {
            let secret = secrets.first().ok_or_else(String::new)?;
            Signer::new(secret).map_err(|error| format!("{key} {error}; {}", error.remedy()))
        });
        signer.ok().map(Arc::new)
    }

    /// A template whose values are made safe for `purpose`, tried on sample orders; for JSON it is a whole document.
    pub(crate) fn template(
        &mut self,
        key: &str,
        source: &str,
        purpose: Purpose,
    ) -> Option<Template> {
        match Template::compile(source, purpose) {
            Ok(template) => {
                match trial(&template, purpose, self.samples) {
                    Some(found) if found.is_doubt => {
                        self.doubt(key, &found.problem, &found.remedy);
                    }
                    Some(found) => {
                        self.problem(key, found.problem, found.remedy);
                        return None;
                    }
                    None => {}
                }
                Some(template)
            }
            Err(problem) => {
                self.problem(
                    key,
                    format!("is not a valid template: {problem}"),
                    "correct it (https://docs.rs/minijinja, page syntax)",
                );
                None
            }
        }
    }
}
