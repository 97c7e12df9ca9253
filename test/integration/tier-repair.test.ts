/** The cluster that segments came from is a copy of them for as long as it has them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { openKeptArchive } from "../support/kept-archive.ts";

test("repair fetches from the region what is still local there, and nothing that is only in the archive", async () => {
  const store = createMemoryStore();
  await using archive = await openKeptArchive(store);
  await archive.offload("never");
  const damageAll = async (at: number): Promise<number> => {
    const logs = (await archive.entry()).objectKeys.filter((key) => key.endsWith(".log"));
    for (const key of logs) {
      const bytes = store.objects.get(key) ?? assert.fail(key);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    return logs.length;
  };
  const damaged = await damageAll(200);
  const { mended, lost } = await archive.repair();
  assert.deepEqual([mended.length, lost.length], [damaged, 0]);
  assert.deepEqual(await archive.findings(), []);
  assert.deepEqual(archive.leftCopies(), []);

  await archive.offload("after-verify");
  await damageAll(300);
  const second = await archive.repair();
  assert.deepEqual([second.mended.length, second.lost.length > 0], [0, true]);
});
