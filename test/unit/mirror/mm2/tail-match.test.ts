/** Where MirrorMaker 2 stopped, told from the ends of both logs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type SourceStretch, tailCandidates } from "../../../../src/mirror/mm2/tail-match.ts";

/** A source of one-letter records from offset 0, of which MirrorMaker noted `stored`. */
function stretchOf(source: string, stored: number): SourceStretch {
  const after = [...source].map((print, at) => ({ offset: BigInt(at), print })).slice(stored + 1);
  return { stored: BigInt(stored), storedPrint: source[stored], after };
}

function candidates(source: string, stored: number, target: string): readonly number[] {
  return tailCandidates(stretchOf(source, stored), [...target]).map(Number);
}

const CASES: readonly (readonly [string, string, number, string, readonly number[]])[] = [
  ["stopped in order", "abcdef", 2, "abc", [2]],
  ["copied more than it noted", "abcdef", 1, "abcd", [3]],
  ["was killed and began again", "abcdef", 1, "abcdcd", [3]],
  ["was killed while it repeated", "abcdef", 0, "abcdbc", [2]],
  ["copied everything", "abcd", 0, "abcd", [3]],
  ["left the same record twice", "abbbc", 1, "abb", [1, 2, 3]],
  ["left a pattern that repeats", "xababab", 0, "xabab", [2, 4]],
  ["did not write the end of the target", "abcdef", 1, "abcz", []],
  ["is ahead of what the source shows", "abc", 1, "abcdef", []],
];

for (const [what, source, stored, target, expected] of CASES)
  test(`tail is told when MirrorMaker ${what}`, () => {
    assert.deepEqual(candidates(source, stored, target), expected);
  });

test("tail is not told by the record at the stored position when the source lost that", () => {
  const { stored, after } = stretchOf("abc", 1);
  assert.deepEqual(tailCandidates({ stored, storedPrint: undefined, after }, ["a", "b"]), []);
});

/** Copies, notes its position, is killed and begins again after the position, as often as told. */
function mirrorMaker(source: string, runs: readonly (readonly [noted: number, copied: number])[]) {
  let stored = -1;
  let target = "";
  let last = -1;
  for (const [noted, copied] of runs) {
    const end = Math.min(source.length - 1, stored + copied);
    if (end < stored + 1) continue;
    target += source.slice(stored + 1, end + 1);
    last = end;
    stored = Math.min(end, stored + noted);
  }
  return { stored, target, last };
}

test("A lane is taken over only where one k fits", () => {
  const source = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 30 });
  const runs = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 12 })), {
    minLength: 1,
    maxLength: 5,
  });
  const foreign = fc.string({ unit: fc.constantFrom("a", "b", "c", "z"), maxLength: 5 });
  fc.assert(
    fc.property(source, runs, foreign, fc.integer({ min: 1, max: 40 }), (records, kills, before, window) => {
      const { stored, target, last } = mirrorMaker(records, kills);
      if (stored < 0) return;
      const found = candidates(records, stored, (before + target).slice(-window));
      const [only, ...more] = found;
      // Within the window the truth is always among what fits, so what fits alone is the truth.
      if (last - stored <= window) assert.ok(found.includes(last), `${found} lacks ${last}`);
      if (more.length === 0 && last - stored <= window) assert.equal(only, last);
    }),
    { numRuns: 2_000 },
  );
});
