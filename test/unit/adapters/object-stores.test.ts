/** The contract of every ObjectStore that needs no server. */

import { mkdtemp, rm } from "node:fs/promises";
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
