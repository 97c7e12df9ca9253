/** The contract of every ObjectStore, run against each of them. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../../src/adapters/fs-store.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";

async function openDirectoryStore(): Promise<{ readonly store: ObjectStore } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "tributary-store-"));
  return { store: await openFsStore(directory), [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

const STORES = {
  directory: openDirectoryStore,
  memory: async () => ({ store: createMemoryStore(), [Symbol.asyncDispose]: async () => {} }),
};

for (const [name, open] of Object.entries(STORES)) {
  test(`${name} store returns what was put, whole and by range`, async () => {
    await using world = await open();
    await world.store.put("a/b.log", Buffer.from("0123456789"));
    assert.equal((await world.store.get("a/b.log")).toString(), "0123456789");
    assert.equal((await world.store.get("a/b.log", { start: 2, endExclusive: 5 })).toString(), "234");
    assert.equal((await world.store.get("a/b.log", { start: 8, endExclusive: 50 })).toString(), "89");
    assert.equal((await world.store.get("a/b.log", { start: 50, endExclusive: 60 })).length, 0);
  });

  test(`${name} store lets exactly one of several writers create a key`, async () => {
    await using world = await open();
    const wins = await Promise.all(
      Array.from({ length: 8 }, (_, i) => world.store.putIfAbsent("m/1.json", Buffer.from(String(i)))),
    );
    assert.equal(wins.filter(Boolean).length, 1);
    assert.equal((await world.store.get("m/1.json")).toString(), String(wins.indexOf(true)));
  });

  test(`${name} store lists keys below a prefix in order`, async () => {
    await using world = await open();
    for (const key of ["p/2", "p/10", "p/1", "q/1", "p/sub/1"]) await world.store.put(key, Buffer.from(key));
    assert.deepEqual(await world.store.list("p/"), ["p/1", "p/10", "p/2", "p/sub/1"]);
    assert.deepEqual(await world.store.list("p/1"), ["p/1", "p/10"]);
    assert.deepEqual(await world.store.list("nowhere/"), []);
  });

  test(`${name} store says that a key is missing, and removes twice without complaint`, async () => {
    await using world = await open();
    await assert.rejects(world.store.get("no/such"), (error) => hasFaultCode(error, "STORE_MISSING"));
    await world.store.put("x", Buffer.from("x"));
    await world.store.remove("x");
    await world.store.remove("x");
    assert.deepEqual(await world.store.list(""), []);
  });
}

test("directory store refuses keys that lead out of it", async () => {
  await using world = await openDirectoryStore();
  for (const key of ["../x", "a//b", "", "a/../b", "/etc/x"]) {
    await assert.rejects(world.store.put(key, Buffer.alloc(1)), (error) => hasFaultCode(error, "STORE_BAD_KEY"));
  }
});
