//! Names that Kubernetes accepts.

/// Longest name of what becomes a label of pods, such as a Job.
pub(crate) const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Whether it is a namespace, and if not, why.
pub(crate) fn namespace(text: &str) -> Result<(), String> {
    if is_label(text) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is not a namespace: 1 to 63 small letters, digits and hyphens, with a letter or digit at both ends"
        ))
    }
}

/// Whether it is the name of an object, and if not, why.
pub(crate) fn object(text: &str) -> Result<(), String> {
    let fits = text.len() <= SUBDOMAIN_MAX;
    if fits
        && text
            .split('.')
            .all(|part| !part.is_empty() && is_part(part))
    {
        Ok(())
    } else {
        Err(format!(
            "`{text}` is not the name of an object: small letters, digits, hyphens and dots, with a letter or digit at both ends"
        ))
    }
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_MAX).contains(&text.len()) && is_part(text)
}

fn is_part(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.bytes().all(fine) && !text.starts_with('-') && !text.ends_with('-')
}

/// `PREFIX-ID`, at most 63 bytes: letters that no name may have become hyphens, and the prefix is cut, never the id.
pub(crate) fn with_id(prefix: &str, id: &str) -> String {
    let mut slug = String::new();
    for letter in prefix.chars() {
        let letter = letter.to_ascii_lowercase();
        let fine = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        if fine {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(LABEL_MAX.saturating_sub(id.len() + 1));
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        format!("homeostat-{id}")
    } else {
        format!("{slug}-{id}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_the_api_server() {
        for fine in ["a", "0", "fraud-detector", "a1-2", &"a".repeat(63)] {
            assert_eq!(namespace(fine), Ok(()), "{fine}");
            assert_eq!(object(fine), Ok(()), "{fine}");
        }
        for wrong in ["", "-a", "a-", "A", "a_b", "a b", "a/b", "ä", "..", "a..b"] {
            assert!(namespace(wrong).is_err(), "{wrong}");
            assert!(object(wrong).is_err(), "{wrong}");
        }
        assert!(namespace(&"a".repeat(64)).is_err());
        assert!(namespace("a.b").is_err());
        assert_eq!(object("a.b"), Ok(()));
        assert_eq!(object(&"a".repeat(253)), Ok(()));
        assert!(object(&"a".repeat(254)).is_err());
    }

    #[test]
    fn a_prefix_becomes_part_of_a_name_and_is_cut_before_the_id() {
        let id = "0123456789abcdef0123456789abcdef";
        let table = [
            ("retrain-fraud", "retrain-fraud-"),
            ("Fraud Detector v2!", "fraud-detector-v2-"),
            ("", "homeostat-"),
            ("___", "homeostat-"),
            ("모델", "homeostat-"),
            (&"x".repeat(80), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-"),
        ];
        for (prefix, expected) in table {
            assert_eq!(with_id(prefix, id), format!("{expected}{id}"), "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_prefix_the_name_is_valid(prefix in ".{0,100}") {
            let name = with_id(&prefix, "0123456789abcdef0123456789abcdef");
            prop_assert!(is_label(&name), "{}", name);
        }
    }
}
