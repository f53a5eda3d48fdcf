//! Asking a service whether an action had its effect: a GET of the one thing that the action makes.

use homeostat_actors::ports::connector::{Order, Probe};

use super::answer;
use super::context::Plain;
use super::endpoint::Endpoint;

/// What a status says of the thing asked for. Whatever is neither yes nor no says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Found,
    Absent,
    Nothing,
}

const fn of_status(status: u16) -> Said {
    match status {
        200..=299 => Said::Found,
        404 | 410 => Said::Absent,
        _ => Said::Nothing,
    }
}

impl Endpoint {
    /// Asks once. Never waits longer than the endpoint's timeout.
    pub(super) async fn ask(&self, order: &Order) -> Probe {
        let url = match self.url(&Plain::plain(order)) {
            Ok(url) => url,
            Err(problem) => return Probe::NoAnswer(problem),
        };
        let line = self.line(&url);
        let request = self.client.get(url).headers(self.headers.clone());
        let (said, detail) = match request.send().await {
            Err(error) => (Said::Nothing, answer::of_error(&error).detail),
            Ok(response) => {
                let said = of_status(response.status().as_u16());
                (said, self.read(response, order).await.detail)
            }
        };
        let evidence = format!("{line}: {}", self.mask(&detail));
        match said {
            Said::Found => Probe::Found(evidence),
            Said::Absent => Probe::Absent(evidence),
            Said::Nothing => Probe::NoAnswer(evidence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_or_no_says_anything() {
        let table = [
            (&[200, 204, 299][..], Said::Found),
            (&[404, 410], Said::Absent),
            (
                &[100, 301, 302, 304, 400, 401, 403, 405, 429, 500, 503],
                Said::Nothing,
            ),
        ];
        for (statuses, said) in table {
            for status in statuses {
                assert_eq!(of_status(*status), said, "{status}");
            }
        }
    }
}
