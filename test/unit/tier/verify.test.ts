/** Verification names whatever is missing, cut, damaged or out of the chain. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/memory-store.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { verifyPartition } from "../../../src/tier/verify.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource } from "../../support/segments.ts";

const random = seededRandom(3);
const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

async function archived(): Promise<MemoryStore> {
  const store = createMemoryStore();
  const source = fakeSegmentSource(consecutiveSegments(4, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  await offloadOnce(POLICY, () => true, { source, store, clock: createFakeClock(1_000), random });
  return store;
}

/** Far more than an hour after everything was written. */
const LATER_MS = 36_000_000;

async function verified(store: MemoryStore, share = 1, nowMs = LATER_MS) {
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  return verifyPartition(entry, { share, nowMs }, { store, random });
}

function keyOf(store: MemoryStore, what: RegExp, at = 0): string {
  return [...store.objects.keys()].filter((key) => what.test(key)).sort()[at] ?? assert.fail(`no ${what}`);
}

/** Adds to a 32-bit number of an object. */
function add(store: MemoryStore, key: string, at: number, summand: number): void {
  const bytes = store.objects.get(key) ?? assert.fail(key);
  bytes.writeInt32BE(bytes.readInt32BE(at) + summand, at);
}

/** Changes the newest manifest as nobody's disk would. */
function rewrite(store: MemoryStore, what: RegExp, by: string): void {
  const key = keyOf(store, /manifest/, 3);
  const text = String(store.objects.get(key));
  assert.match(text, what);
  store.objects.set(key, Buffer.from(text.replace(what, by)));
}

test("verify finds nothing wrong with a whole archive, and reads all of it when asked to", async () => {
  const store = await archived();
  const report = await verified(store);
  assert.deepEqual(report.findings, []);
  assert.deepEqual([report.manifests, report.segments, report.segmentsRead], [4, 4, 4]);
  assert.equal((await verified(store, 0)).segmentsRead, 0);
});

test("verify names whatever is missing, cut, damaged or out of the chain", async () => {
  const damages: readonly (readonly [kind: string, damage: (store: MemoryStore) => void])[] = [
    ["missing", (store) => store.objects.delete(keyOf(store, /\.log$/, 1))],
    ["missing", (store) => store.objects.delete(keyOf(store, /\.timeindex$/))],
    [
      "wrong-size",
      (store) => {
        const key = keyOf(store, /\.index$/, 2);
        store.objects.set(key, Buffer.alloc(1));
      },
    ],
    [
      "wrong-content",
      (store) => {
        const bytes = store.objects.get(keyOf(store, /\.log$/, 3));
        if (bytes !== undefined) bytes[200] = (bytes[200] ?? 0) ^ 1;
      },
    ],
    [
      "broken-chain",
      (store) => {
        const key = keyOf(store, /manifest/, 1);
        store.objects.set(key, Buffer.from(String(store.objects.get(key)).replace("}", "} ")));
      },
    ],
    ["bad-manifest", (store) => store.objects.set(keyOf(store, /manifest/, 2), Buffer.from("{}"))],
    ["bad-manifest", (store) => store.objects.set(keyOf(store, /manifest/, 3), Buffer.from("{}"))],
    // Says of itself that it is the third.
    [
      "bad-manifest",
      (store) =>
        store.objects.set(
          keyOf(store, /manifest/, 3),
          store.objects.get(keyOf(store, /manifest/, 2)) ?? Buffer.alloc(0),
        ),
    ],
    // An entry of the offset index points 8 bytes beside a batch, another one at the wrong batch.
    ["wrong-index", (store) => add(store, keyOf(store, /[0-9a-f]\.index$/, 1), 4, 8)],
    ["wrong-index", (store) => add(store, keyOf(store, /[0-9a-f]\.index$/, 1), 0, 5)],
    ["wrong-index", (store) => add(store, keyOf(store, /\.timeindex$/, 1), 4, 1)],
    // The manifest is as it should be, and tells of other records or epochs than there are.
    ["wrong-content", (store) => rewrite(store, /"record_count": 50/, '"record_count": 51')],
    ["wrong-content", (store) => rewrite(store, /"log_crc32c": \d+/, '"log_crc32c": 7')],
    ["wrong-content", (store) => rewrite(store, /"epoch": 0/, '"epoch": 1')],
    ["gap", (store) => rewrite(store, /"base_offset": "150"/, '"base_offset": "151"')],
    ["broken-chain", (store) => rewrite(store, /"next_offset": "200"/, '"next_offset": "100"')],
  ];
  for (const [kind, damage] of damages) {
    const store = await archived();
    damage(store);
    const { findings } = await verified(store);
    assert.ok(
      findings.some((finding) => finding.kind === kind),
      `${kind}: ${JSON.stringify(findings)}`,
    );
  }
});

test("verify names segments behind the archive's end whose manifests are lost, and no upload under way", async () => {
  for (const lost of [1, 2, 4]) {
    const store = await archived();
    for (let at = 3; at >= 4 - lost; at--) store.objects.delete(keyOf(store, /manifest/, at));
    const { findings } = await verified(store);
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      Array.from({ length: lost }, () => "unnamed"),
    );
    assert.deepEqual((await verified(store, 1, 60_000)).findings, []);
  }
});
