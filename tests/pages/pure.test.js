// Scripts that need no browser.

import assert from "node:assert/strict";
import test from "node:test";

import { compare, summary } from "../../web/script/changes.js";
import { EventReader } from "../../web/script/events.js";
import { age, chance, cut, duration, percent, points, shellWord, visible } from "../../web/script/format.js";
import { metricValue, reasonOf, verdict } from "../../web/script/words.js";

const STREAM = 'retry: 2000\n: connected\n\nid: 0-7\nevent: recommendations_update\ndata: {"a":\ndata: 1}\n\n: alive\n\nevent: closed\ndata: é\n\nevent: nothing\n\ndata: lost at the end';

test("events are read however the stream is cut and whatever ends its lines", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const stream = STREAM.replaceAll("\n", end);
    for (let size = 1; size <= stream.length; size += 1) {
      const reader = new EventReader();
      const events = [];
      for (let at = 0; at < stream.length; at += size) events.push(...reader.read(stream.slice(at, at + size)));
      assert.deepEqual(events, [
        { type: "recommendations_update", data: '{"a":\n1}', id: "0-7" },
        { type: "closed", data: "é", id: "0-7" },
      ]);
      assert.equal(reader.lastId, "0-7");
      assert.equal(reader.retry, 2000);
    }
  }
});

test("a line without an end is not kept for ever", () => {
  const reader = new EventReader();
  assert.throws(() => reader.read("x".repeat((1 << 20) + 1)), RangeError);
});

test("what changed between two lists is new, up, down or gone", () => {
  const compared = compare(["a", "b", "c", "d"], ["x", "a", "d", "c"]);
  assert.deepEqual(Object.fromEntries(compared.changes), {
    x: { kind: "new", by: 0 },
    a: { kind: "down", by: 1 },
    d: { kind: "up", by: 1 },
    c: { kind: "down", by: 1 },
  });
  assert.deepEqual(compared.gone, ["b"]);
  assert.equal(summary(compared), "1 new, 3 moved, 1 gone");
  assert.equal(summary(compare(["a"], ["a"])), "unchanged");
  assert.equal(compare(["a"], ["a"]).count, 0);
});

test("numbers have units, signs and ages", () => {
  assert.equal(percent(0.0421), "4.21 %");
  assert.equal(points(0.0031), "+0.31");
  assert.equal(points(-0.0031), "−0.31");
  assert.equal(points(0.000001), "0.00");
  assert.equal(chance(0.0004), "< 0.001");
  assert.equal(chance(0.5), "0.500");
  assert.equal(duration(59.2), "60 s");
  assert.equal(duration(61), "1 min");
  assert.equal(duration(90_000), "1 day");
  assert.equal(age(1_000, 13_000), "12 s ago");
  assert.equal(age(1_000, 1_400), "now");
  assert.equal(age(4_000, 1_000), "in 3 s");
  assert.equal(metricValue("latency_ms", 3), "3.0 ms");
  assert.equal(metricValue("coverage", undefined), "unknown");
});

test("long ids are cut in the middle, between letters, and what cannot be seen is written out", () => {
  assert.equal(cut("short"), "short");
  assert.equal(cut("a".repeat(20) + "b".repeat(20), 12), `${"a".repeat(8)}…bbb`);
  const family = "👨‍👩‍👧‍👦";
  assert.equal(cut(family.repeat(10), 5), `${family.repeat(3)}…${family}`);
  assert.equal(visible("a\u202eb\u0000\u200b"), "a⟨202E⟩b⟨0000⟩⟨200B⟩");
  assert.equal(visible("민수 é"), "민수 é");
});

test("a suggested command has the id as one word", () => {
  assert.equal(shellWord("user-7@example.org"), "user-7@example.org");
  assert.equal(shellWord("a b"), "'a b'");
  assert.equal(shellWord("it's $HOME `x`"), "'it'\\''s $HOME `x`'");
  assert.equal(shellWord("-x"), "'-x'");
  assert.equal(shellWord("~"), "'~'");
});

test("reasons and verdicts have words, also those of a later version", () => {
  assert.deepEqual(reasonOf({ kind: "chose", item_id: "50" }, "m"), { text: "because the user chose ", item: "50" });
  assert.equal(reasonOf({ kind: "similar_users" }, "m").text, "similar users");
  assert.equal(reasonOf(undefined, "m").text, "no reason was given");
  assert.equal(verdict("better").tone, "good");
  assert.equal(verdict("some_day").text, "some day");
});
