/** The chaos run's own parts: options, plan of faults, reading kcat, and when a lane moves again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { planFaults } from "../../chaos/faults.ts";
import { KcatParser } from "../../chaos/kcat-records.ts";
import { carriedMs, firstOf, isLate, MovingAgain, spreadOf } from "../../chaos/moving.ts";
import { parseOptions, UsageError } from "../../chaos/options.ts";
import { saidIn, startMs, storyOf } from "../../chaos/worker-log.ts";

test("chaos options have defaults, and a mistake is told as such", () => {
  const { seed, ...rest } = parseOptions([]) ?? assert.fail();
  assert.deepEqual(rest, { minutes: 3, delivery: "exactly-once", output: "text" });
  assert.ok(Number.isInteger(seed));
  assert.equal(parseOptions(["--help"]), undefined);
  for (const args of [["--minutes", "0"], ["--seed", "x"], ["--delivery", "once"], ["-o", "xml"], ["--what"], ["it"]]) {
    assert.throws(() => parseOptions(args), UsageError, args.join(" "));
  }
});

test("chaos plans the same faults for the same seed, one broker at a time, the last one back before the end", () => {
  for (let seed = 0; seed < 200; seed++) {
    const plan = planFaults(seed, 180_000);
    assert.deepEqual(plan, planFaults(seed, 180_000));
    const bounces = plan.flatMap((fault) => (fault.kind === "bounce" ? [fault] : []));
    assert.ok(bounces.length > 3 && plan.filter(({ kind }) => kind === "kill").length > 30);
    for (const [index, { atMs, forMs }] of bounces.entries()) {
      assert.ok(atMs + forMs <= (bounces[index + 1]?.atMs ?? 180_000));
    }
  }
  assert.notDeepEqual(planFaults(1, 60_000), planFaults(2, 60_000));
});

test("chaos reads kcat's output however it is cut, nulls and newlines in values included", () => {
  const output = Buffer.from(
    ["0 5 1000 2 4 id=17,trace=a b\nk1v\nv2\n", "3 6 1001 -1 0 id=18\n\n", "1 7 1002 0 -1 \n\n"].join(""),
  );
  const whole = new KcatParser().push(output);
  assert.deepEqual(
    whole.map(({ partition, offset, timestampMs, id }) => [partition, offset, timestampMs, id]),
    [
      [0, 5, 1000, 17],
      [3, 6, 1001, 18],
      [1, 7, 1002, -1],
    ],
  );
  assert.equal(new Set(whole.map(({ digest }) => digest)).size, 3);
  const parser = new KcatParser();
  const pieces = [...output].flatMap((byte) => parser.push(Buffer.of(byte)));
  assert.deepEqual(pieces, whole);
  assert.equal(parser.pendingBytes, 0);
  assert.throws(() => new KcatParser().push(Buffer.from("something else\n")), /cannot be read/);
});

/** Two lanes. */
function moving(): MovingAgain {
  return new MovingAgain({ startedMs: 10_000, partitions: 2 });
}

test("chaos counts a lane as moving again with the first record that was sent after the kill", () => {
  const watched = moving();
  watched.killed({ workers: ["a", "b"], brokerAway: false, fromId: 7 }, 11_000);
  watched.saw({ partition: 0, id: 6 }, 11_300);
  watched.saw({ partition: 0, id: 9 }, 12_000);
  watched.saw({ partition: 0, id: 10 }, 12_100);
  assert.deepEqual(watched.kills[0]?.lanesMs, [1_000, undefined]);
  watched.saw({ partition: 1, id: 7 }, 14_000);
  const [kill] = watched.kills;
  const lanes = { lanesMs: [1_000, 3_000], sourceMs: [undefined, undefined] };
  assert.deepEqual(kill, { atMs: 1_000, workers: ["a", "b"], brokerAway: false, ...lanes });
  assert.equal(kill && firstOf(kill), 1_000);
});

test("chaos calls a lane late unless the source had nothing to read until a moment before it moved", () => {
  const watched = moving();
  watched.killed({ workers: ["a", "b"], brokerAway: false, fromId: 7 }, 11_000);
  watched.appeared({ partition: 0, id: 6 }, 11_100);
  watched.appeared({ partition: 0, id: 7 }, 12_400);
  watched.appeared({ partition: 0, id: 8 }, 12_900);
  watched.appeared({ partition: 1, id: 9 }, 11_900);
  for (const partition of [0, 1]) watched.saw({ partition, id: 9 }, 13_100);
  const kill = watched.kills[0] ?? assert.fail();
  assert.deepEqual(kill.sourceMs, [1_400, 900]);
  assert.deepEqual(carriedMs(kill), [700, 1_200]);
  assert.deepEqual([isLate(kill, 0), isLate(kill, 1)], [false, true]);
});

test("chaos lets a fault within the promised time begin it anew, and keeps what is late by then", () => {
  const watched = moving();
  watched.killed({ workers: ["a"], brokerAway: false, fromId: 1 }, 11_000);
  watched.killed({ workers: ["b"], brokerAway: false, fromId: 2 }, 12_500);
  watched.saw({ partition: 0, id: 3 }, 13_000);
  watched.disturbed(15_000);
  watched.saw({ partition: 1, id: 4 }, 16_000);
  assert.deepEqual(
    watched.kills.map(({ lanesMs }) => lanesMs),
    [
      [undefined, undefined],
      [500, 3_500],
    ],
  );
});

test("chaos excuses a lane that a broker kept from moving, and none that was late before it went", () => {
  const watched = moving();
  watched.killed({ workers: ["a"], brokerAway: false, fromId: 1 }, 11_000);
  for (const partition of [0, 1]) watched.saw({ partition, id: 1 }, 11_500);
  watched.killed({ workers: ["a"], brokerAway: false, fromId: 2 }, 12_000);
  watched.brokerGoes(13_000);
  watched.killed({ workers: ["a"], brokerAway: false, fromId: 3 }, 14_500);
  watched.brokerGoes(16_500);
  assert.deepEqual(
    watched.kills.map(({ brokerAway }) => brokerAway),
    [false, true, false],
  );
});

test("chaos gives quantiles of times, and none of nothing", () => {
  assert.deepEqual(spreadOf([5, 1, 3]), { count: 3, medianMs: 3, p90Ms: 5, p99Ms: 5, worstMs: 5 });
  assert.equal(spreadOf([]), undefined);
});

test("chaos tells what a late lane waited for from the workers' logs", () => {
  const line = (seconds: number, facts: object): string =>
    JSON.stringify({ time: new Date(seconds * 1_000).toISOString(), ...facts });
  const log = [
    "mirroring east -> central; Ctrl-C ends",
    line(1, { message: "flow runs" }),
    line(2, { partition: 3, message: "lane interrupted", code: "TARGET_FENCED" }),
    line(2, { partition: 4, message: "lane copies again" }),
    line(9, { partition: 3, message: "lane copies again" }),
  ].join("\n");
  const said = saidIn("a", log);
  assert.equal(storyOf(said, 3, 500, 8_000), "a +0.50 flow runs, a +1.50 lane interrupted (TARGET_FENCED)");
  assert.equal(startMs(said, "a", 500, 3_000), 500);
  assert.equal(startMs(said, "a", 500, 900), undefined);
});
