//! The words of messages, comments and names: those of the field.

use super::support::sources::{Source, sources};

/// Words of a dialect that the code had, and what the field says instead.
const DIALECT: [(&str, &str); 6] = [
    ("told", "reported, logged, shown"),
    ("tell", "report, log, show"),
    ("tells", "reports, says, shows"),
    ("nobody", "no instance, no reader: name the part"),
    ("whoever", "name who it is"),
    ("anew", "again"),
];

#[test]
fn messages_comments_and_names_speak_the_fields_language() {
    for Source {
        path,
        text,
        is_test,
    } in sources()
    {
        if is_test || path.starts_with("benches/") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (number, line) in (1..).zip(code.lines()) {
            let line = line.to_lowercase();
            let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            for word in words {
                let dialect = DIALECT.iter().find(|(known, _)| *known == word);
                assert!(
                    dialect.is_none(),
                    "{path}:{number} says {dialect:?}: the second word is better"
                );
            }
        }
    }
}
