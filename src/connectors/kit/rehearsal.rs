//! The requests of a dry run in full, for a preview. The detail of an answer has room for a line and a part of the body only.

use std::cell::RefCell;

tokio::task_local! {
    static SHOWN: RefCell<Vec<Shown>>;
}

/// A request that would be sent, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Method and address.
    pub line: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Option<String>,
}

/// What a future gives, and the requests that its dry runs would send.
pub(crate) async fn rehearse<T>(run: impl Future<Output = T>) -> (T, Vec<Shown>) {
    let run = async {
        let given = run.await;
        (given, SHOWN.with(RefCell::take))
    };
    SHOWN.scope(RefCell::default(), run).await
}

/// Keeps a request for the preview, if there is one.
pub(super) fn show(shown: impl FnOnce() -> Shown) {
    let kept = SHOWN.try_with(|requests| requests.borrow_mut().push(shown()));
    // Without a preview the answer's detail is all that is wanted.
    kept.unwrap_or_default();
}
