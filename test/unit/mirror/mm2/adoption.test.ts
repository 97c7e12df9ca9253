/** Where a lane goes on that MirrorMaker 2 copied until now, on logs in memory. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../../src/core/brand.ts";
import { type AdoptionFinding, findAdoption } from "../../../../src/mirror/mm2/adoption.ts";
import { encodeBatch } from "../../../../src/wire/records.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { ModelSourceLog, modelSource } from "../model/model-source.ts";

const TOPIC = { topic: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partition: 0 };
const CLOCK = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: (_: number, callback: () => void) => {
    queueMicrotask(callback);
    return { cancel: () => {} };
  },
};

/** A log with one record for each letter; of two equal letters the records are equal. */
function logOf(letters: string, firstOffset = 0n): ModelSourceLog {
  const log = new ModelSourceLog();
  log.startOffset = firstOffset;
  [...letters].forEach((letter, at) => {
    const record = { timestampMs: 1_000n, key: null, value: Buffer.from(letter), headers: [] };
    log.append(encodeBatch([record]), firstOffset + BigInt(at));
  });
  return log;
}

function marker() {
  const key = Buffer.from([0, 0, 0, 1]);
  const producer = { producerId: 1n, producerEpoch: 0, baseSequence: -1, isTransactional: true, isControl: true };
  return encodeBatch([{ timestampMs: 1_000n, key, value: null }], producer);
}

async function adopt(
  source: ModelSourceLog,
  target: ModelSourceLog,
  stored: readonly number[],
  start: "earliest" | "latest" = "earliest",
): Promise<AdoptionFinding> {
  const deps = { clock: CLOCK, random: seededRandom(1), clusterId: "c" };
  const highWatermark = async () => target.endOffset + target.heldOffsets;
  const positions = stored.map((offset, at) => ({ connector: `c${at}`, offset: BigInt(offset) }));
  return findAdoption(
    { sourcePartition: TOPIC, targetPartition: TOPIC, positions, start },
    { source: modelSource(source, deps), target: modelSource(target, deps), highWatermark },
    AbortSignal.timeout(5_000),
  );
}

/** In short: the evidence and where to go on, or why not and where one could. */
function told(finding: AdoptionFinding): string {
  if (finding.kind === "found") return `${finding.evidence} ${finding.sourceNext} ${finding.targetNext}`;
  return `${finding.why} ${finding.options.map(({ sourceNext }) => sourceNext).join(",")}`;
}

const CASES: readonly (readonly [string, Promise<AdoptionFinding>, string])[] = [
  ["MirrorMaker stopped in order", adopt(logOf("abcdef"), logOf("zabc"), [2]), "at-position 3 4"],
  ["MirrorMaker copied more than it noted", adopt(logOf("abcdef"), logOf("zabcd"), [1]), "beyond-position 4 5"],
  ["MirrorMaker copied all", adopt(logOf("abc"), logOf("zabc"), [2]), "nothing-after 3 4"],
  ["MirrorMaker never came", adopt(logOf("abc", 7n), logOf(""), []), "untouched 7 0"],
  ["MirrorMaker never came and only new records count", adopt(logOf("abc"), logOf(""), [], "latest"), "untouched 3 0"],
  ["two places fit", adopt(logOf("abbbc"), logOf("abb"), [1]), "several-matches 2,3,4,0,5"],
  ["none fits", adopt(logOf("abcdef"), logOf("abcz"), [1]), "no-match 2,0,6"],
  ["the target was emptied", adopt(logOf("abc"), logOf(""), [1]), "target-empty 2,0,3"],
  ["the source was made again", adopt(logOf("ab"), logOf("abc"), [2]), "position-beyond-source 0,2"],
  ["the source lost the record", adopt(logOf("def", 3n), logOf("abc"), [2]), "record-gone 3,3,6"],
  ["no position was noted", adopt(logOf("abcd"), logOf("ab"), []), "no-position 2,0,4"],
  ["two connectors noted one", adopt(logOf("abcd"), logOf("abc"), [1, 2]), "several-connectors 2,3,0,4"],
];

for (const [what, finding, expected] of CASES)
  test(`adoption is told when ${what}`, async () => {
    assert.equal(told(await finding), expected);
  });

test("adoption waits for a transaction that is open on the target", async () => {
  const target = logOf("abc");
  target.heldOffsets = 1n;
  assert.equal(told(await adopt(logOf("abcd"), target, [2])), "open-transaction 0,4");
});

test("adoption looks at keys, headers and times, and past marks of transactions", async () => {
  const record = { timestampMs: 1_000n, key: null, value: Buffer.from("a"), headers: [] };
  const others = [
    { ...record, timestampMs: 1_001n },
    { ...record, key: Buffer.from("") },
    { ...record, headers: [{ key: "h", value: null }] },
    { ...record, value: null },
  ];
  const source = new ModelSourceLog();
  const target = new ModelSourceLog();
  for (const one of [record, ...others]) source.append(encodeBatch([one]));
  source.append(marker());
  for (const one of [record, others[0] ?? record, others[1] ?? record]) target.append(encodeBatch([one]));
  target.append(marker());
  assert.equal(told(await adopt(source, target, [0])), "beyond-position 3 4");
  for (const one of others.slice(2)) target.append(encodeBatch([one]));
  assert.equal(told(await adopt(source, target, [4])), "nothing-after 5 6");
});
