//! `homeostat evaluate` on files as people have them: all formats, columns by options, and what is wrong with a file.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::running::{err, homeostat, out};

const START: i64 = 1_700_000_000;

/// 60 users, each on a way of its own through one of four lists of eight items. (user, item, second), not in order of time.
fn events() -> Vec<(i64, i64, i64)> {
    let mut events = Vec::new();
    for user in (0..60).rev() {
        for step in 0..8 {
            let item = user % 4 * 8 + (user / 4 + step) % 8;
            events.push((user, item, START + user * 5_000 + step * 30));
        }
    }
    events
}

fn csv(header: &str, separator: char) -> String {
    let mut text = format!("{header}\n");
    for (user, item, second) in events() {
        writeln!(text, "{user}{separator}{item}{separator}{second}").unwrap();
    }
    text
}

fn lines(line: impl Fn(i64, i64, i64) -> Value) -> String {
    let lines = events()
        .into_iter()
        .map(|(user, item, second)| line(user, item, second));
    lines
        .flat_map(|line| [line.to_string(), "\n".to_owned()])
        .collect()
}

fn write_parquet(path: &Path) {
    let schema = "message rows { required int64 person; required binary item_id (UTF8); required int64 ts (TIMESTAMP_MILLIS); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = std::fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let events = events();
    let numbers = |of: fn(&(i64, i64, i64)) -> i64| events.iter().map(of).collect::<Vec<i64>>();
    let mut column = group.next_column().unwrap().unwrap();
    let users = numbers(|event| event.0);
    column
        .typed::<Int64Type>()
        .write_batch(&users, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let items = events
        .iter()
        .map(|event| ByteArray::from(event.1.to_string().as_str()));
    let items: Vec<ByteArray> = items.collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&items, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let times = numbers(|event| event.2 * 1_000);
    column
        .typed::<Int64Type>()
        .write_batch(&times, None, None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

fn evaluate(path: &Path, options: &str) -> Output {
    let mut arguments = vec!["evaluate", path.to_str().unwrap()];
    arguments.extend(options.split_whitespace());
    homeostat(&arguments, "")
}

/// The document of `--json`, without what differs from run to run.
fn document(path: &Path, options: &str) -> Value {
    let output = evaluate(path, &format!("{options} --json"));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}: {}",
        path.display(),
        err(&output)
    );
    let mut document: Value = serde_json::from_str(&out(&output)).unwrap();
    document.as_object_mut().unwrap().remove("file");
    for result in document["results"].as_array_mut().unwrap() {
        let took = result
            .as_object_mut()
            .unwrap()
            .remove("microseconds_per_event");
        assert!(took.unwrap().as_f64().unwrap() >= 0.0);
    }
    document
}

#[test]
fn the_same_interactions_measure_the_same_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let date = |second: i64| {
        let time = chrono::DateTime::from_timestamp(second, 0).unwrap();
        time.to_rfc3339()
    };
    for (name, content) in [
        ("plain.csv", csv("user_id,item_id,timestamp", ',')),
        (
            "mark.csv",
            format!("\u{feff}{}", csv("user_id,item_id,timestamp", ',')),
        ),
        ("tabs.tsv", csv("User\tItem\tTime", '\t')),
        ("named.csv", csv("who;what;when", ';')),
        (
            "windows.csv",
            csv("user_id,item_id,timestamp", ',').replace('\n', "\r\n"),
        ),
        (
            "numbers.jsonl",
            lines(
                |user, item, second| json!({"user_id": user, "item_id": item as f64, "timestamp": second}),
            ),
        ),
        (
            "texts.jsonl",
            lines(
                |user, item, second| json!({"user_id": user.to_string(), "item_ids": [item.to_string()], "timestamp": date(second)}),
            ),
        ),
        (
            "published.jsonl",
            lines(|user, item, second| {
                let event = json!({"user_id": user, "item_ids": [item], "timestamp": date(second)});
                json!({"topic": "business.user.interaction", "key": user.to_string(), "value": event})
            }),
        ),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    write_parquet(&folder.join("rows.parquet"));
    let expected = document(&folder.join("plain.csv"), "");
    assert_eq!(
        (&expected["interactions"], &expected["users"]),
        (&json!(480), &json!(60))
    );
    let of = |protocol: &str, method: &str| {
        let results = expected["results"].as_array().unwrap();
        let found = results
            .iter()
            .find(|one| one["protocol"] == protocol && one["method"] == method);
        found.unwrap()["hit_rate"]["mean"].as_f64().unwrap()
    };
    for protocol in ["prequential", "leave_last_out", "strict"] {
        assert!(
            of(protocol, "homeostat") > of(protocol, "popularity") + 0.2,
            "{protocol}"
        );
    }
    assert_eq!(expected["worse_than_popularity"], json!([]));
    for (name, options) in [
        ("mark.csv", ""),
        ("tabs.tsv", ""),
        ("named.csv", "--user who --item what --time when"),
        ("windows.csv", ""),
        ("numbers.jsonl", ""),
        ("texts.jsonl", ""),
        ("published.jsonl", ""),
        ("rows.parquet", "--user person"),
    ] {
        assert_eq!(document(&folder.join(name), options), expected, "{name}");
    }
}

#[test]
fn tables_name_every_method_and_the_bar_is_for_terminals_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    std::fs::write(&path, csv("user_id,item_id,timestamp", ',')).unwrap();
    let output = evaluate(&path, "--sweep trend_weight=0,0.5 --sweep prior=10");
    assert_eq!((output.status.code(), &*err(&output)), (Some(0), ""));
    let text = out(&output);
    for part in [
        "480 interactions of 60 users with 32 items, 2023-11-14 to 2023-11-1",
        "prequential (420 scored)",
        "leave last out (60 scored)",
        "shuffled sessions (420 scored)",
        "history before the second (420 scored)",
        "  popularity ",
        "  item-kNN ",
        "  homeostat ",
        "sweep, prequential",
        "  trend_weight=0.5 prior=10 ",
        "times that of popularity",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A value that is the default measures as without it.
    let line = |text: &str, start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap().strip_prefix(start).unwrap();
        line.split_whitespace()
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let swept = out(&evaluate(
        &path,
        "--sweep trend_weight=0.05 --protocol prequential",
    ));
    assert_eq!(
        line(&swept, "  trend_weight=0.05"),
        line(&swept, "  homeostat")
    );
}

#[test]
fn repeated_and_unwanted_items_are_no_targets_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    let mut text = "user,item,time,type\n".to_owned();
    for user in 0..10 {
        for (step, (item, kind)) in [
            ("a", "like"),
            ("a", "purchase"),
            ("b", "dislike"),
            ("a", "view"),
        ]
        .into_iter()
        .enumerate()
        {
            writeln!(
                text,
                "{user},{item},{},{kind}",
                START + i64::try_from(step).unwrap()
            )
            .unwrap();
        }
    }
    std::fs::write(&path, text).unwrap();
    let output = evaluate(&path, "--protocol prequential");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("--recommend-seen"),
        "{}",
        err(&output)
    );
    let found = document(&path, "--recommend-seen --protocol prequential");
    assert_eq!(found["results"][0]["scored"], json!(20));
    let output = evaluate(&path, "--recommend-seen");
    assert!(out(&output).contains("types: like 10, purchase 10, dislike 10, view 10"));
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_with_a_file_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(300);
    let good = "1,a,1700000000\n2,a,1700000001\n1,b,1700000002\n2,b,1700000003\n";
    let head = "user,item,time\n";
    let table: &[(&[u8], &str, i32, &str)] = &[
        (b"", "", 1, "has no interactions"),
        (head.as_bytes(), "", 1, "has no interactions"),
        (b"1,2,3\n4,5,6\n", "", 1, "it needs a header"),
        (
            b"person,item,time\n1,2,3\n",
            "",
            1,
            "Name it with --user COLUMN",
        ),
        (b"user,item\n1,2\n", "", 1, "or --in-order"),
        (
            head.as_bytes(),
            "--item product",
            1,
            "no column \"product\" for the item; it has: user, item, time",
        ),
        (
            b"user,item,time\n1,a,yesterday\n",
            "",
            1,
            "line 2: the time is \"yesterday\", not a time",
        ),
        (
            b"user,item,time\n1,a\n",
            "",
            1,
            "line 2: 2 columns, the header has 3",
        ),
        (
            b"user,item,time\n1,\xe9t\xe9,5\n",
            "",
            1,
            "line 2: it is not UTF-8",
        ),
        (
            b"user,item,time\n1,,5\n",
            "",
            1,
            "line 2: the item is nothing",
        ),
        (
            format!("user,item,time\n{long},a,5\n").leak().as_bytes(),
            "",
            1,
            "not an id of 1 to 256 bytes",
        ),
        (
            b"user,item,time,weight\n1,a,5,many\n",
            "",
            1,
            "the weight is \"many\", not a number",
        ),
        (
            b"user,item,time\n1,a,1\n1,b,2\n",
            "",
            1,
            "has a single user",
        ),
        (
            b"user,item,time\n1,a,1\n2,b,2\n",
            "",
            1,
            "no user has a second item",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0", "", 1, "cannot be read"),
        (b"PK\x03\x04\0\0\0\0", "", 1, "it is a zip archive"),
        (b"\xff\xfeu\0s\0e\0r\0", "", 1, "text in UTF-16"),
        (b"PAR1 and no more", "", 1, "cannot be read as Parquet"),
        (b"[{\"user\":1}]", "", 1, "`jq -c '.[]'`"),
        (b"{\n  \"user\": 1\n}\n", "", 1, "`jq -c .`"),
        (
            b"{\"user\":1,\"item\":{},\"time\":1}\n",
            "",
            1,
            "line 1: the item is an object",
        ),
        (
            b"{\"user\":1,\"item\":2,\"time\":1}\n[]\n",
            "",
            1,
            "line 2: it is no JSON object",
        ),
        (
            head.as_bytes(),
            "--set nonsense=1",
            2,
            "there is no setting \"nonsense\"",
        ),
        (head.as_bytes(), "--set prior=-1", 2, "prior cannot be -1"),
        (head.as_bytes(), "--sweep prior", 2, "NAME=A,B,C"),
        (
            head.as_bytes(),
            "--time time --in-order",
            2,
            "cannot be used with",
        ),
    ];
    for (place, (content, options, code, part)) in table.iter().enumerate() {
        let path = folder.path().join(format!("{place}.dat"));
        std::fs::write(&path, content).unwrap();
        let output = evaluate(&path, options);
        let problem = err(&output);
        assert_eq!(output.status.code(), Some(*code), "{part}: {problem}");
        assert!(
            problem.contains(part) && out(&output).is_empty(),
            "{part}: {problem}"
        );
        assert!(!problem.contains("panicked"), "{problem}");
    }
    for (name, part) in [("absent.csv", "cannot be read"), ("", "it is a folder")] {
        let output = evaluate(&folder.path().join(name), "");
        assert!(output.status.code() == Some(1) && err(&output).contains(part));
    }
    // What cannot be read is left out if asked for, and said; the rest is measured.
    let path = folder.path().join("mixed.csv");
    std::fs::write(&path, format!("{head}{good}1,c,never\n2,,4\n{long},a,9\n")).unwrap();
    let output = evaluate(&path, "--skip-unreadable");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let warning = err(&output);
    assert!(
        warning.contains("left out") && warning.contains("3 rows") && warning.contains("line 6")
    );
    assert!(out(&output).contains("4 interactions of 2 users with 2 items"));
}

#[test]
fn rows_without_times_are_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    std::fs::write(&path, "user,item\n1,a\n2,a\n1,b\n2,b\n").unwrap();
    let found = document(&path, "--in-order --protocol prequential");
    assert_eq!(found["results"][0]["scored"], json!(2));
    assert_eq!(
        (&found["from_ms"], &found["to_ms"]),
        (&json!(1_000), &json!(4_000))
    );
}
