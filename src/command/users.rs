//! `homeostat users token`: what a user shows to read what is his, to try it by hand. A product signs its own
//! (docs/push.md). `homeostat users rewrite`: the embedded store without what was removed from it.

use std::path::PathBuf;

use clap::Subcommand;
use homeostat_actors::ports::clock::Clock as _;
use homeostat_logic::ledger::record::Millis;
use homeostat_logic::push::token::{LIFE_MAX, sign};
use homeostat_logic::push::update::user_id;

use super::{Failure, Wiring, print};
use crate::clock::SystemClock;

const EXAMPLES: &str = "\
Examples:
  homeostat users token 4711 --config prod.toml
  homeostat users token 4711 --valid 15m
  curl --no-buffer --header \"Authorization: Bearer $(homeostat users token 4711)\" \\
    http://127.0.0.1:8470/api/v1/users/4711/stream

The token is signed with the secret that recommendations.push_secret refers to, so it works at
every service with that secret, until its time is over. It opens what is the user's
to anyone who has it.";

const REWRITE_EXAMPLES: &str = "\
Examples:
  homeostat users rewrite --config prod.toml

Stop the service before. The store of data_dir is copied and replaced, for which the disk needs room for
both. Users in a Redis need none of this.
Exit codes: 0 done, 2 the configuration has faults or users are in a Redis, 3 the store is in use or damaged.";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a token of a user (a JSON Web Token), with which he reads his updates, activity and recommendations.
    #[command(after_help = EXAMPLES)]
    Token {
        /// The user's id.
        #[arg(value_name = "ID", value_parser = user)]
        user: String,
        /// How long it is valid, such as 90s, 15m or 8h; at most 24h.
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = life)]
        valid: Millis,
    },
    /// Write the embedded store of users again, so that nothing of erased users is left in its files.
    #[command(after_help = REWRITE_EXAMPLES)]
    Rewrite,
}

pub(super) fn users(
    arguments: &Arguments,
    wiring: &dyn Wiring,
    files: &[PathBuf],
) -> Result<(), Failure> {
    let (user, valid) = match &arguments.what {
        What::Token { user, valid } => (user, valid),
        What::Rewrite => {
            let profiles = wiring.rewrite_users(files)?;
            return print(&format!(
                "the user store was written again: {profiles} profiles, those of erased users without content\n"
            ));
        }
    };
    let secret = wiring.user_secret(files);
    let secret = secret.map_err(|faults| Failure::Usage(faults.join("\n")))?;
    let secret = secret.ok_or_else(|| {
        let problem = "recommendations.push_secret is empty, so users need no token; to ask for one set it to env:NAME or file:PATH, of a secret made by `openssl rand -hex 32`";
        Failure::Usage(problem.to_owned())
    })?;
    let token = sign(secret.expose().as_bytes(), user, SystemClock.now(), *valid);
    print(&format!("{token}\n"))
}

fn user(text: &str) -> Result<String, String> {
    let user = user_id(text).map_err(|error| error.to_string())?;
    Ok(user.to_owned())
}

/// A length of time in milliseconds.
fn life(text: &str) -> Result<Millis, String> {
    let wanted = || "expected a time from 1s to 24h, such as 90s, 15m or 8h".to_owned();
    let unit = text.chars().next_back().ok_or_else(wanted)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return Err(wanted()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    let number: Millis = number.parse().map_err(|_| wanted())?;
    let life = number.checked_mul(seconds * 1_000).ok_or_else(wanted)?;
    if (1_000..=LIFE_MAX).contains(&life) {
        Ok(life)
    } else {
        Err(wanted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_with_its_unit_up_to_a_day() {
        for (text, expected) in [
            ("1s", Some(1_000)),
            ("90s", Some(90_000)),
            ("15m", Some(900_000)),
            ("24h", Some(LIFE_MAX)),
            ("86400s", Some(LIFE_MAX)),
            ("25h", None),
            ("86401s", None),
            ("0s", None),
            ("-1h", None),
            ("1", None),
            ("h", None),
            ("", None),
            ("1.5h", None),
            ("1d", None),
            ("9999999999999999h", None),
            ("1ü", None),
        ] {
            assert_eq!(life(text).ok(), expected, "{text}");
        }
    }
}
