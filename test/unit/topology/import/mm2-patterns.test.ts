/** MirrorMaker's regular expressions as patterns. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ImportError } from "../../../../src/topology/import/mm2-configuration.ts";
import { patternsOf } from "../../../../src/topology/import/mm2-patterns.ts";
import { compilePattern } from "../../../../src/topology/patterns.ts";

/** A list, the patterns it becomes. */
const LISTS: readonly (readonly [string, readonly string[]])[] = [
  [".*", ["*"]],
  [".+", ["*"]],
  ["orders", ["orders"]],
  ["orders.*", ["orders*"]],
  ["orders\\..*, .*-events", ["orders.*", "*-events"]],
  ["orders\\.eu|payments", ["orders.eu", "payments"]],
  ["orders.eu", ["/orders.eu/"]],
  ["t(a|b), x[|]y", ["/t(a|b)/", "/x[|]y/"]],
  ["a\\-b\\.c", ["a-b.c"]],
  ["v\\d+\\-x\\@y", ["/v\\d+-x@y/"]],
  [".*[\\-\\.]internal", ["/.*[\\-\\.]internal/"]],
];

for (const [list, patterns] of LISTS)
  test(`patterns of ${list} are ${patterns.join(" ")}`, () => {
    assert.deepEqual(patternsOf("f", "topics", list), patterns);
  });

test("patterns match what MirrorMaker's expressions match", () => {
  const words = fc.array(
    fc.constantFrom("orders", "payments", "a", "b", "t", "x", "y", ".", "-", "eu", "events", "v7"),
    {
      maxLength: 5,
    },
  );
  for (const [list, patterns] of LISTS) {
    const expression = new RegExp(`^(?:${list.replaceAll(/\s*,\s*/g, "|").replaceAll(/\\([-@])/g, "$1")})$`);
    const compiled = patterns.map(compilePattern);
    const matches = (name: string): boolean => compiled.some((one) => !("problem" in one) && one.matches(name));
    fc.assert(
      fc.property(words, (parts) => {
        const name = parts.join("");
        if (name !== "") assert.equal(matches(name), expression.test(name), `${list} on ${name}`);
      }),
    );
  }
});

test("patterns take Java's quotes, and its flag for the rest of the list", () => {
  const patterns = patternsOf("f", "topics", String.raw`a, \Qb.c|d\E, (?i)foo.*, bar`);
  const compiled = patterns.map(compilePattern);
  const matches = (name: string): boolean => compiled.some((one) => !("problem" in one) && one.matches(name));
  for (const name of ["a", "b.c|d", "FOOx", "Bar"]) assert.ok(matches(name), name);
  for (const name of ["A", "bxc|d", "b.c", "d"]) assert.ok(!matches(name), name);
});

test("patterns refuse an expression that is none, with its place and setting", () => {
  assert.throws(
    () => patternsOf("mm2.properties:3", "topics", "ok, a(b"),
    (error) => error instanceof ImportError && /^mm2\.properties:3 topics has "a\(b"/.test(error.message),
  );
});
