//! A publication that was interrupted goes on by the command that it printed.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use homeostat_actors::ports::log::LogError;

use crate::outside::{NextAppend, Outside};
use crate::running::{err, file, homeostat, numbers, out};

/// A publication under way.
struct Publication {
    child: std::process::Child,
    input: Option<std::process::ChildStdin>,
}

impl Publication {
    fn start(arguments: &[&str], url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_homeostat"))
            .arg("publish")
            .args(arguments)
            .args(["--url", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        Self { child, input }
    }

    fn interrupted(self) -> Output {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        // Its input stays open: it must not wait for that.
        let output = self.child.wait_with_output().unwrap();
        drop(self.input);
        output
    }
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs the last line of what was printed, as a person would paste it.
fn pasted(output: &Output) -> Output {
    let printed = err(output);
    let command = printed.trim_end().lines().last().unwrap().trim().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).output().unwrap()
}

#[test]
fn ctrl_c_tells_what_was_published_and_how_to_go_on() {
    let outside = Outside::start();
    let mut live = Publication::start(&["data.ingested"], &outside.url(""));
    let input = live.input.as_mut().unwrap();
    input.write_all(b"{\"n\":1}\n\n{\"n\":2}\n").unwrap();
    wait_until("both lines are published", || outside.log.total() == 2);
    let output = live.interrupted();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    let told = err(&output);
    assert!(
        told.starts_with("interrupted\nResume by piping the same input into:\n"),
        "{told}"
    );
    assert!(told.ends_with("--from-line 4 --file -\n"), "{told}");
    let output = homeostat(
        &[
            "publish",
            "data.ingested",
            "--url",
            &outside.url(""),
            "--from-line",
            "4",
        ],
        "not json\n\n{\"n\":2}\n{\"n\":3}\n",
    );
    assert_eq!(out(&output), "1 event published to 1 topic\n");
    assert_eq!(numbers(&outside, "data.ingested"), [1, 2, 3]);
}

#[test]
fn the_command_that_goes_on_after_a_part_of_a_batch_works_as_printed() {
    let outside = Outside::start();
    let (folder, _) = file("");
    let path = folder.path().join("my $events.jsonl");
    let line =
        |n: u64| format!("{{\"topic\":\"data.ingested\",\"key\":\"k\",\"value\":{{\"n\":{n}}}}}\n");
    std::fs::write(&path, (1..=5).map(line).collect::<String>()).unwrap();
    let second = folder.path().join("second.jsonl");
    std::fs::write(&second, line(6)).unwrap();
    let unavailable = || LogError::Unavailable("no leader".to_owned());
    outside.log.order(NextAppend::Fail(2, unavailable()));
    for _ in 0..10 {
        outside.log.order(NextAppend::Fail(0, unavailable()));
    }
    let (path, second) = (path.to_str().unwrap(), second.to_str().unwrap());
    let arguments = ["--file", path, "--file", second];
    let publication = Publication::start(&arguments, &outside.url(""));
    wait_until("two of five are taken", || {
        outside.log.offered.lock().unwrap().len() >= 5
    });
    let output = publication.interrupted();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "2 events published to 1 topic\n");
    let told = err(&output);
    for part in [
        "no leader",
        "3 events not acknowledged",
        "--from-line 3 --file '",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    outside.log.orders.lock().unwrap().clear();
    let output = pasted(&output);
    assert_eq!(
        out(&output),
        "4 events published to 1 topic\n",
        "{}",
        err(&output)
    );
    assert_eq!(numbers(&outside, "data.ingested"), [1, 2, 3, 4, 5, 6]);
}
