/** A store that is opened at its first use keeps the contract of stores. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { lateStore } from "../../../src/adapters/late-store.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { STORE_CASES } from "../../support/store-contract.ts";

for (const one of STORE_CASES) {
  test(`late store ${one.name}`, () => one.run(lateStore("memory:", async () => createMemoryStore())));
}

test("late store is opened once, and again after it could not be opened", async () => {
  let opens = 0;
  const store = lateStore("memory:", async () => {
    opens++;
    if (opens === 1) throw new Error("away");
    return createMemoryStore();
  });
  await assert.rejects(store.ready(), /away/);
  await Promise.all([store.put("a", Buffer.from("a")), store.list("")]);
  assert.equal((await store.get("a")).toString(), "a");
  assert.equal(opens, 2);
});

test("late store closes what it opened", async () => {
  let closes = 0;
  const store = lateStore("memory:", async () => ({ ...createMemoryStore(), close: () => void closes++ }));
  await store.ready();
  store.close();
  await store.ready();
  assert.equal(closes, 1);
});
