import assert from "node:assert/strict";
import { test } from "node:test";
import { planFaults } from "../../chaos/faults.ts";
import { KcatParser } from "../../chaos/kcat-records.ts";
import { MovingAgain, spreadOf } from "../../chaos/moving.ts";
import { parseOptions, UsageError } from "../../chaos/options.ts";

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

test("chaos counts a kill as over with the first record that was written after it", () => {
  const moving = new MovingAgain(10_000);
  const saw = (timestampMs: number, nowMs: number): void =>
    moving.saw({ partition: 0, offset: 0, timestampMs, id: 0, digest: "" }, nowMs);
  moving.killed(["a", "b"], false, 11_000);
  saw(10_999, 11_300);
  assert.equal(moving.kills[0]?.firstMs, undefined);
  moving.killed(["a"], true, 11_500);
  saw(11_400, 12_000);
  saw(11_900, 12_100);
  saw(11_950, 13_000);
  assert.deepEqual(
    moving.kills.map(({ atMs, firstMs }) => [atMs, firstMs]),
    [
      [1_000, 1_000],
      [1_500, 600],
    ],
  );
  assert.deepEqual(spreadOf([5, 1, 3]), { count: 3, medianMs: 3, p99Ms: 5, worstMs: 5 });
  assert.equal(spreadOf([]), undefined);
});
