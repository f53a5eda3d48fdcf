//! The ways in which platforms write down which model they mean, read as one name and perhaps a version or an alias
//! (issue 13, row 6).
//!
//! | form | who writes it | read as |
//! | --- | --- | --- |
//! | `churn`, `churn@7`, `churn@champion` | SPEC §3 | `churn`, version `7`, `champion` |
//! | `models:/churn`, `models:/churn/7`, `models:/churn@champion`, `models://registry/churn/7` | `MLflow` | the same |
//! | `churn:7`, `registry:5000/team/churn:7` | `BentoML`, images, Weights & Biases | what is before the last colon |
//! | `azureml:churn:7`, `…/models/churn/versions/7`, `…/models/churn@7` | Azure ML, Vertex AI, `KServe`, Triton | the segment behind `models` |
//! | `arn:aws:sagemaker:…:model-package/churn/7` | `SageMaker` | the resource's name |
//! | `churn/7`, `churn/v1.2`, `churn/champion` | URL paths | name and version, because the last part looks like one |
//! | `org/name` | Hugging Face | a name with a slash |
//!
//! Anything else with a scheme (`runs:/…`, `s3://…`, `https://…`) says where files are and not which model it is: it is no
//! reference. Case is kept, blanks around the parts are not.

/// A model, and which of its versions if the reference says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelReference<'a> {
    /// Name; never empty, without control characters.
    pub name: &'a str,
    /// Version, alias or stage as it was written; never empty.
    pub version: Option<&'a str>,
}

/// Aliases and stages that are taken for a version behind a slash: those that `MLflow`, `BentoML` and Azure ML define or
/// recommend. Any other word behind a slash is part of the name.
const ALIASES: [&str; 8] = [
    "latest",
    "champion",
    "challenger",
    "production",
    "staging",
    "archived",
    "stable",
    "none",
];

/// Written `name@version`.
impl std::fmt::Display for ModelReference<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)?;
        self.version
            .map_or(Ok(()), |version| write!(formatter, "@{version}"))
    }
}

/// Reads a reference; `None` when the text is none.
pub fn parse(text: &str) -> Option<ModelReference<'_>> {
    let text = text.trim();
    let read = if let Some(rest) = after_prefix(text, "models:") {
        mlflow(rest)
    } else if after_prefix(text, "arn:").is_some() {
        sagemaker(text)
    } else if let Some(rest) = after_prefix(text, "azureml:") {
        match rest.strip_prefix("//") {
            Some(path) => resource(path),
            None => plain(rest),
        }
    } else if has_scheme(text) {
        None
    } else if let Some(found) = resource(text) {
        Some(found)
    } else {
        plain(text)
    }?;
    let valid = is_printable(read.name) && read.version.is_none_or(is_printable);
    valid.then_some(read)
}

/// Whether text may be part of a name: something, and nothing that would change how the text around it is shown.
pub fn is_printable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(is_hidden)
}

/// Control characters, line and paragraph separators, marks that change the direction of text, and the byte order mark.
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether text has none of the separators of a reference. As a `model_version` it is a version alone (SPEC §3).
pub fn is_bare_word(text: &str) -> bool {
    !text.contains(['@', ':', '/'])
}

fn named<'a>(name: &'a str, version: Option<&'a str>) -> Option<ModelReference<'a>> {
    let name = name.trim();
    let version = version.map(str::trim).filter(|version| !version.is_empty());
    (!name.is_empty()).then_some(ModelReference { name, version })
}

fn after_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| text.get(prefix.len()..))
        .flatten()
}

/// `word:/…`, as in `s3://bucket/model` and `runs:/0a1b/model`.
fn has_scheme(text: &str) -> bool {
    text.split_once(":/").is_some_and(|(scheme, _)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
    })
}

/// Behind `models:`. `MLflow` allows neither slash nor colon in a name.
fn mlflow(rest: &str) -> Option<ModelReference<'_>> {
    let path = match rest.strip_prefix("//") {
        // The registry's address or profile.
        Some(rest) => rest.split_once('/')?.1,
        None => rest.strip_prefix('/').unwrap_or(rest),
    };
    let (name, version) = match path.split_once(['@', '/']) {
        Some((name, version)) => (name, Some(version)),
        None => (path, None),
    };
    let further = version.is_some_and(|version| version.contains(['/', '@']));
    (!further && !name.contains(':'))
        .then(|| named(name, version))
        .flatten()
}

/// `arn:PARTITION:sagemaker:REGION:ACCOUNT:KIND/NAME[/VERSION]`.
fn sagemaker(arn: &str) -> Option<ModelReference<'_>> {
    let mut parts = arn.splitn(6, ':').skip(2);
    parts.next().filter(|service| *service == "sagemaker")?;
    let mut path = parts.nth(2)?.split('/');
    let (kind, name, version) = (path.next()?, path.next()?, path.next());
    let known = matches!(kind, "model" | "model-package" | "model-package-group");
    let plain = |part: &str| !part.contains([':', '@']);
    (known && path.next().is_none() && plain(name) && version.is_none_or(plain))
        .then(|| named(name, version))
        .flatten()
}

/// `…/models/NAME`, with `/versions/V`, `/V` or `@V` behind it, as REST APIs of model registries and servers name models.
fn resource(path: &str) -> Option<ModelReference<'_>> {
    let behind = match path.strip_prefix("models/") {
        Some(behind) => behind,
        None => path.split_once("/models/")?.1,
    };
    let mut segments = behind.split('/');
    let name = segments.next()?;
    let version = match (segments.next(), segments.next()) {
        (Some("versions" | "labels" | "aliases"), Some(version)) => Some(without_verb(version)),
        (Some(version), None) if is_version(without_verb(version)) => Some(without_verb(version)),
        _ => None,
    };
    match name.split_once('@') {
        Some((name, alias)) => named(
            without_verb(name),
            version.or_else(|| Some(without_verb(alias))),
        ),
        None => named(without_verb(name), version),
    }
}

/// Without what a server is asked to do: `churn:predict`.
fn without_verb(segment: &str) -> &str {
    segment.split_once(':').map_or(segment, |(name, _)| name)
}

fn plain(text: &str) -> Option<ModelReference<'_>> {
    if let Some((name, version)) = text.split_once('@') {
        if version.trim().is_empty() {
            return plain(name.trim());
        }
        let (name, _) = split_tag(name.trim())?;
        return whole(name).then(|| named(name, Some(version))).flatten();
    }
    let (name, tag) = split_tag(text)?;
    if tag.is_some() {
        return whole(name).then(|| named(name, tag)).flatten();
    }
    match name.rsplit_once('/') {
        Some((path, version)) if is_version(version.trim()) => {
            whole(path).then(|| named(path, Some(version))).flatten()
        }
        _ => whole(name).then(|| named(name, None)).flatten(),
    }
}

/// `name:tag` at the last colon, unless the colon belongs to a port (`registry:5000/churn`). `None` when there are more
/// colons than both can explain.
fn split_tag(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (text, None),
    };
    let explained = match name.split_once(':') {
        None => true,
        Some((host, rest)) => rest.split_once('/').is_some_and(|(port, path)| {
            !host.trim().is_empty() && is_digits(port) && !path.contains(':')
        }),
    };
    explained.then_some((name, tag))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether no segment of a path is empty.
fn whole(path: &str) -> bool {
    path.split('/').all(|segment| !segment.trim().is_empty())
}

/// `7`, `v7`, `1.2.3`, `1.2.3-rc1`, `2026-11-30`, or one of the known aliases.
fn is_version(text: &str) -> bool {
    if ALIASES.iter().any(|alias| alias.eq_ignore_ascii_case(text)) {
        return true;
    }
    let number = text.strip_prefix(['v', 'V']).unwrap_or(text);
    // A pre-release or build belongs to a number with dots.
    let core = match number.split_once(['-', '+']) {
        Some((core, _)) if core.contains('.') => core,
        _ => number,
    };
    core.starts_with(|first: char| first.is_ascii_digit())
        && core
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(&str, Option<&str>)> {
        parse(text).map(|reference| (reference.name, reference.version))
    }

    #[test]
    fn each_usual_form_is_one_model() {
        let table = [
            ("churn", None),
            ("  churn ", None),
            ("churn@", None),
            ("churn@7", Some("7")),
            (" churn @ 7 ", Some("7")),
            ("churn@champion", Some("champion")),
            ("churn@v@7", Some("v@7")),
            ("models:/churn", None),
            ("models:/churn/7", Some("7")),
            ("models:/churn/Production", Some("Production")),
            ("models:/churn@champion", Some("champion")),
            ("MODELS:/churn/7", Some("7")),
            ("models:churn/7", Some("7")),
            ("models://registry.example.com/churn/7", Some("7")),
            (
                "models://profile@databricks/churn@champion",
                Some("champion"),
            ),
            ("churn:7", Some("7")),
            ("churn:latest", Some("latest")),
            ("churn:q3u7fmsqxcvmiasc", Some("q3u7fmsqxcvmiasc")),
            ("churn:7@sha256:0a1b", Some("sha256:0a1b")),
            ("churn/7", Some("7")),
            ("churn/v7", Some("v7")),
            ("churn/1.2.3-rc1", Some("1.2.3-rc1")),
            ("churn/2026-11-30", Some("2026-11-30")),
            ("churn/champion", Some("champion")),
            ("churn/Production", Some("Production")),
            ("azureml:churn:7", Some("7")),
            ("azureml:churn@latest", Some("latest")),
            ("azureml://registries/r/models/churn/versions/7", Some("7")),
            (
                "/subscriptions/s/workspaces/w/models/churn/versions/7",
                Some("7"),
            ),
            ("projects/p/locations/l/models/churn@7", Some("7")),
            ("projects/p/locations/l/models/churn", None),
            (
                "//aiplatform.googleapis.com/projects/p/models/churn@7",
                Some("7"),
            ),
            ("/v1/models/churn:predict", None),
            ("/v1/models/churn/versions/7:predict", Some("7")),
            ("v2/models/churn/versions/7/infer", Some("7")),
            ("models/churn/7", Some("7")),
            (
                "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/7",
                Some("7"),
            ),
            (
                "arn:aws-cn:sagemaker:cn-north-1:1:model-package-group/churn",
                None,
            ),
            ("arn:aws:sagemaker:us-east-1:123456789012:model/churn", None),
        ];
        for (text, version) in table {
            assert_eq!(read(text), Some(("churn", version)), "{text}");
        }
    }

    #[test]
    fn names_keep_their_case_slashes_and_percent_signs() {
        for (text, name, version) in [
            ("Churn Model", "Churn Model", None),
            ("org/name", "org/name", None),
            ("org/name@main", "org/name", Some("main")),
            ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B", None),
            ("team/churn/7", "team/churn", Some("7")),
            (
                "entity/project/churn:v3",
                "entity/project/churn",
                Some("v3"),
            ),
            ("localhost:5000/churn", "localhost:5000/churn", None),
            ("localhost:5000/churn:7", "localhost:5000/churn", Some("7")),
            ("models:/main.ml.churn/7", "main.ml.churn", Some("7")),
            ("100%", "100%", None),
            ("chürn\u{1f525}@7", "chürn\u{1f525}", Some("7")),
            ("7", "7", None),
        ] {
            assert_eq!(read(text), Some((name, version)), "{text}");
        }
    }

    #[test]
    fn what_names_no_model_is_no_reference() {
        for text in [
            "",
            "  ",
            "@7",
            "@champion",
            ":7",
            "/7",
            "churn/",
            "a//b",
            "models:/",
            "models:",
            "models://registry",
            "models:/a/b/c",
            "runs:/0a1b2c/model",
            "s3://bucket/models/churn/7",
            "https://host/v1/models/churn",
            "file:/models/churn",
            "urn:model:churn:7",
            "arn:aws:s3:::bucket/churn",
            "arn:aws:sagemaker:us-east-1:1:endpoint/churn",
            "arn:aws:sagemaker",
            "chu\nrn",
            "chu\u{0}rn@7",
            "churn@7\u{202e}",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_and_written_again_is_the_same_model(
            text in "(models:/|azureml:|projects/p/models/|arn:aws:sagemaker:r:1:model/)?[a-c7 .%@:/-]{0,12}"
        ) {
            if let Some(reference) = parse(&text) {
                let written = reference.to_string();
                prop_assert_eq!(parse(&written), Some(reference), "{}", written);
            }
        }

        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,40}|.{0,40}") {
            if let Some(reference) = parse(&text) {
                prop_assert!(!reference.name.is_empty());
            }
        }

        #[test]
        fn every_form_of_one_version_is_one_target(name in "[A-Za-z][A-Za-z0-9._-]{0,30}", version in "[0-9]{1,6}") {
            for form in [
                format!("{name}@{version}"),
                format!("models:/{name}/{version}"),
                format!("models:/{name}@{version}"),
                format!("{name}:{version}"),
                format!("{name}/{version}"),
                format!("azureml:{name}:{version}"),
                format!("projects/p/locations/l/models/{name}@{version}"),
                format!("arn:aws:sagemaker:r:1:model-package/{name}/{version}"),
            ] {
                let expected = ModelReference { name: &name, version: Some(&version) };
                prop_assert_eq!(parse(&form), Some(expected), "{}", form);
            }
        }
    }
}
