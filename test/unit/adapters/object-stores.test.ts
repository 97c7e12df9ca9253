/** The contract of every ObjectStore that needs no server. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../../src/adapters/fs-store.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import type { ObjectStore } from "../../../src/tier/ports.ts";
import { STORE_CASES } from "../../support/store-contract.ts";

async function openDirectoryStore(): Promise<{ readonly store: ObjectStore } & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), "tributary-store-"));
  return { store: await openFsStore(directory), [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

const STORES = {
  directory: openDirectoryStore,
  memory: async () => ({ store: createMemoryStore(), [Symbol.asyncDispose]: async () => {} }),
};

for (const [name, open] of Object.entries(STORES)) {
  for (const one of STORE_CASES) {
    test(`${name} store ${one.name}`, async () => {
      await using world = await open();
      await one.run(world.store);
    });
  }
}

test("directory store makes its directory for several at once, and refuses where none can be", {
  timeout: 10_000,
}, async () => {
  const root = await mkdtemp(join(tmpdir(), "tributary-store-"));
  await using _removed = { [Symbol.asyncDispose]: () => rm(root, { recursive: true }) };
  const stores = await Promise.all(Array.from({ length: 8 }, () => openFsStore(join(root, "a/b/c"))));
  await Promise.all(stores.map((store, at) => store.put(`x/y/${at}.log`, Buffer.from("1"))));
  assert.equal((await openFsStore(join(root, "a/b/c")).then((store) => store.list(""))).length, 8);
  await writeFile(join(root, "file"), "");
  for (const place of [join(root, "file"), join(root, "file/below"), "/proc/nowhere/cold"])
    await assert.rejects(openFsStore(place), /file is where a directory has to be|cannot be made/, place);
});
