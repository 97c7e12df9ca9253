/** Which names a pattern takes, and whether two patterns can meet. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nearestName } from "../../../src/topology/nearest.ts";
import { commonName, compilePattern, nearMisses, type Pattern, selects } from "../../../src/topology/patterns.ts";
import { parseDurationMs, parseSizeBytes } from "../../../src/topology/units.ts";

function pattern(text: string): Pattern {
  const compiled = compilePattern(text);
  assert.ok(!("problem" in compiled), text);
  return compiled;
}

test("pattern matches whole names only", () => {
  assert.equal(pattern("orders").matches("orders.v1"), false);
  assert.equal(pattern("orders.*").matches("orders.v1"), true);
  assert.equal(pattern("orders.*").matches("ordersXv1"), false);
  assert.equal(pattern("/t\\d+/").matches("t12"), true);
  assert.equal(pattern("/t\\d+/").matches("xt12"), false);
  assert.equal(pattern("/^a|b$/").matches("ab"), false);
});

test("selection takes internal names only when they are written out", () => {
  const all = { include: [pattern("*")], exclude: [] };
  assert.equal(selects(all, "__consumer_offsets"), false);
  assert.equal(selects(all, "tributary.lanes.internal"), false);
  assert.equal(selects({ include: [pattern("a.internal")], exclude: [] }, "a.internal"), true);
  assert.equal(selects({ include: [pattern("*")], exclude: [pattern("a*")] }, "abc"), false);
});

test("common name of two globs is matched by both whenever there is one", () => {
  const glob = fc
    .array(fc.constantFrom("a", "b", "*", "?"), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join(""));
  const names: string[] = [];
  const grow = (name: string): void => {
    if (name !== "") names.push(name);
    if (name.length < 7) for (const letter of "ab") grow(name + letter);
  };
  grow("");
  fc.assert(
    fc.property(glob, glob, (left, right) => {
      const [a, b] = [pattern(left), pattern(right)];
      const found = commonName(a, b);
      if (found !== undefined) assert.ok(a.matches(found) && b.matches(found), `${left} ${right} ${found}`);
      else
        assert.equal(
          names.some((name) => a.matches(name) && b.matches(name)),
          false,
          `${left} ${right}`,
        );
    }),
    { numRuns: 200 },
  );
});

test("common name of long globs is found without trying everything", () => {
  const a = pattern("*a".repeat(20));
  const b = pattern(`${"a*".repeat(20)}b`);
  assert.equal(commonName(a, b), undefined);
});

test("near misses of a pattern name what was meant", () => {
  const names = ["orders-eu", "orders-us", "payments"];
  assert.deepEqual(nearMisses(pattern("order-*"), names), ["orders-eu", "orders-us"]);
  assert.deepEqual(nearMisses(pattern("paymets"), names), ["payments"]);
  assert.deepEqual(nearMisses(pattern("/^ORDERS$/"), names), ["orders-eu", "orders-us"]);
  assert.deepEqual(nearMisses(pattern("*"), names), []);
});

test("nearest name allows a third of the letters to differ", () => {
  assert.equal(nearestName("eest", ["east", "west"]), "east");
  assert.equal(nearestName("tpoics", ["topics", "rename"]), "topics");
  assert.equal(nearestName("zebra", ["east", "west"]), undefined);
});

test("units are read exactly and bare numbers refused", () => {
  assert.equal(parseDurationMs("30s"), 30_000);
  assert.equal(parseDurationMs("1.5h"), 5_400_000);
  assert.equal(parseDurationMs("30"), undefined);
  assert.equal(parseSizeBytes("50MiB"), 52_428_800);
  assert.equal(parseSizeBytes("50MB"), 50_000_000);
  assert.equal(parseSizeBytes("50mib"), undefined);
});
