//! What of `web/` is in the binary, and what that is called by.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// What is around every page.
pub(super) const SHELL: &str = include_str!("../../../web/shell.html");

/// A page of `web/pages`.
pub(super) struct Page {
    /// Until its script knows a better one.
    pub(super) title: &'static str,
    /// What is between header and footer.
    pub(super) main: &'static str,
    /// Its script, of `web/script`.
    pub(super) script: &'static str,
    /// Its style, of `web/style`.
    pub(super) style: &'static str,
}

/// What a user did, prefers and is recommended.
pub(super) const USERS: Page = Page {
    title: "Users",
    main: include_str!("../../../web/pages/users.html"),
    script: "user.js",
    style: "users.css",
};

/// What was shown and clicked.
pub(super) const RECOMMENDATIONS: Page = Page {
    title: "Recommendations",
    main: include_str!("../../../web/pages/recommendations.html"),
    script: "recommendations.js",
    style: "recommendations.css",
};

/// Every page.
const PAGES: [Page; 2] = [USERS, RECOMMENDATIONS];

/// Hexadecimal digits of a version.
const VERSION_DIGITS: usize = 16;
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A file that pages load.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) media: &'static str,
    pub(super) bytes: &'static [u8],
}

macro_rules! assets {
    ($($media:ident $folder:literal: $($name:literal)*;)*) => {
        &[$($(Asset {
            name: $name,
            media: $media,
            bytes: include_bytes!(concat!("../../../web/", $folder, "/", $name)),
        },)*)*]
    };
}

/// Every file of `web/style`, `web/script` and `web/image`.
pub(super) const ASSETS: &[Asset] = assets! {
    STYLE "style": "tokens.css" "base.css" "shell.css" "parts.css" "users.css" "recommendations.css";
    SCRIPT "script": "api.js" "changes.js" "charts.js" "dom.js" "events.js" "experiment.js" "follow.js" "format.js"
        "identifier.js" "keys.js" "recommendations.js" "refresher.js" "root.js" "shell.js" "statistics.js" "status.js"
        "table.js" "theme.js" "titles.js" "token.js" "user.js" "user_parts.js" "words.js";
    IMAGE "image": "icon.svg";
};

/// What the assets of this binary are called by.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let assets = ASSETS.iter().map(|asset| (asset.name, asset.bytes));
    let pages = PAGES.iter().map(|page| (page.title, page.main.as_bytes()));
    let mut hasher = Sha256::new();
    for (name, bytes) in assets.chain(pages).chain([("shell", SHELL.as_bytes())]) {
        for part in [name.as_bytes(), bytes] {
            hasher.update(part.len().to_be_bytes());
            hasher.update(part);
        }
    }
    let mut version = String::new();
    for byte in hasher.finalize().iter().take(VERSION_DIGITS / 2) {
        // Writing to text does not fail.
        write!(version, "{byte:02x}").unwrap_or_default();
    }
    version
});

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_that_pages_load_is_in_the_binary() {
        let web = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let files = ["style", "script", "image"].into_iter().flat_map(|folder| {
            let entries = std::fs::read_dir(web.join(folder)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        });
        let served = ASSETS.iter().map(|asset| asset.name.to_owned());
        assert_eq!(
            served.collect::<BTreeSet<_>>(),
            files.collect::<BTreeSet<_>>()
        );
    }

    #[test]
    fn the_version_is_that_of_the_contents() {
        assert_eq!(VERSION.len(), VERSION_DIGITS);
        assert!(VERSION.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
