/** The journal rebuilds its state, whatever a crash or a disk did to its last line. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { Journal } from "../../../src/broker/journal.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";

interface Entry {
  readonly key: string;
  readonly value: number;
}

function openJournal(storage: MemoryStorage) {
  const values = new Map<string, number>();
  const journal = Journal.open<Entry>(
    { path: "j", syncsSoon: true },
    {
      apply: ({ key, value }) => values.set(key, value),
      snapshot: () => [...values].map(([key, value]) => ({ key, value })),
    },
    { storage, logger: silentLogger },
  );
  return { journal, values };
}

test("journal rebuilds its state when opened again", () => {
  const storage = new MemoryStorage();
  const first = openJournal(storage);
  first.journal.append({ key: "a", value: 1 }, { key: "b", value: 2 });
  first.journal.append({ key: "a", value: 3 });
  first.journal.close();
  assert.deepEqual([...openJournal(storage).values], [...first.values]);
});

test("journal cuts a torn last line and goes on behind it", () => {
  const storage = new MemoryStorage();
  const { journal } = openJournal(storage);
  journal.append({ key: "a", value: 1 });
  journal.append({ key: "b", value: 2 });
  journal.close();
  const file = storage.open("j", { create: false });
  file.truncate(file.sizeBytes - 3);
  file.close();
  const again = openJournal(storage);
  assert.deepEqual([...again.values], [["a", 1]]);
  again.journal.append({ key: "c", value: 3 });
  again.journal.close();
  assert.deepEqual(
    [...openJournal(storage).values],
    [
      ["a", 1],
      ["c", 3],
    ],
  );
});

test("journal refuses to open when a line in its middle is damaged", () => {
  const storage = new MemoryStorage();
  const { journal } = openJournal(storage);
  journal.append({ key: "a", value: 1 });
  journal.append({ key: "b", value: 2 });
  journal.close();
  const bytes = Buffer.from(storage.readFile("j"));
  bytes[12] = (bytes[12] ?? 0) ^ 1;
  storage.writeFile("j", bytes);
  assert.throws(
    () => openJournal(storage),
    (error) => hasFaultCode(error, "REGION_JOURNAL_CORRUPT"),
  );
});

test("journal changes nothing when the disk is full", () => {
  const storage = new MemoryStorage();
  const { journal, values } = openJournal(storage);
  journal.append({ key: "a", value: 1 });
  storage.fillDisk();
  assert.throws(
    () => journal.append({ key: "a", value: 2 }),
    (error) => hasFaultCode(error, "STORAGE_FULL"),
  );
  assert.equal(values.get("a"), 1);
});

test("journal is rewritten to the size of its state when it has grown far past it", () => {
  const storage = new MemoryStorage();
  const { journal, values } = openJournal(storage);
  let largest = 0;
  for (let value = 0; value < 200_000; value++) {
    journal.append({ key: `k${value % 3}`, value });
    largest = Math.max(largest, journal.sizeBytes);
  }
  assert.ok(largest < 5 * 1024 * 1024, `${largest} bytes`);
  journal.close();
  assert.deepEqual([...openJournal(storage).values], [...values]);
});
