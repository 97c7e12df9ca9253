/** Positions, sequences, and the pairing of what both sides hold. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pairRuns } from "../../../src/mirror/own-runs.ts";
import { positionOf, sequenceOf } from "../../../src/mirror/target-scan.ts";

test("sequence of a position leads back to the position when it is within 2^30 of the expected one", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 45n }),
      fc.bigInt({ min: 0n, max: 2n ** 40n }),
      fc.integer({ min: -(2 ** 30), max: 2 ** 30 - 1 }),
      (base, ahead, distance) => {
        const near = base + ahead;
        const position = near + BigInt(distance);
        if (position < base) return;
        const era = { epoch: 0, base };
        assert.equal(positionOf(sequenceOf(position, era), near, era), position);
      },
    ),
  );
});

test("sequence begins at 0 with each era and wraps after 2^31 - 1", () => {
  const era = { epoch: 3, base: 1_000n };
  assert.equal(sequenceOf(1_000n, era), 0);
  assert.equal(sequenceOf(1_000n + 2n ** 31n - 1n, era), 2 ** 31 - 1);
  assert.equal(sequenceOf(1_000n + 2n ** 31n, era), 0);
});

test("pairing cuts the runs of both sides to common lengths", () => {
  const source = [
    { sourceStart: 50n, length: 3 },
    { sourceStart: 60n, length: 4 },
  ];
  const target = [
    { position: 8n, targetStart: 100n, length: 4, leaderEpoch: 0 },
    { position: 12n, targetStart: 200n, length: 5, leaderEpoch: 0 },
  ];
  assert.deepEqual(pairRuns(source, target, 10n), [
    { sourceStart: 50n, targetStart: 102n, length: 2 },
    { sourceStart: 52n, targetStart: 200n, length: 1 },
    { sourceStart: 60n, targetStart: 201n, length: 4 },
  ]);
});

test("pairing keeps the first copy when the target holds a position twice", () => {
  const source = [{ sourceStart: 50n, length: 4 }];
  const target = [
    { position: 10n, targetStart: 100n, length: 2, leaderEpoch: 0 },
    { position: 10n, targetStart: 102n, length: 2, leaderEpoch: 0 },
    { position: 12n, targetStart: 104n, length: 2, leaderEpoch: 0 },
  ];
  assert.deepEqual(pairRuns(source, target, 10n), [
    { sourceStart: 50n, targetStart: 100n, length: 2 },
    { sourceStart: 52n, targetStart: 104n, length: 2 },
  ]);
});

test("pairing tells when a position is missing on the target", () => {
  const source = [{ sourceStart: 50n, length: 4 }];
  assert.equal(pairRuns(source, [{ position: 11n, targetStart: 100n, length: 3, leaderEpoch: 0 }], 10n), undefined);
  assert.equal(pairRuns(source, [{ position: 10n, targetStart: 100n, length: 3, leaderEpoch: 0 }], 10n), undefined);
});
