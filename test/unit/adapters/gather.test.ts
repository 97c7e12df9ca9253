/** Many questions in one request. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { gathering } from "../../../src/adapters/gather.ts";

test("questions of one turn are asked together and answered each its own", async () => {
  const asked: number[][] = [];
  const ask = gathering(async (questions: readonly number[]) => {
    asked.push([...questions]);
    return questions.map((question) => question * 10);
  });
  assert.deepEqual(await Promise.all([ask(1), ask(2), ask(3)]), [10, 20, 30]);
  assert.deepEqual(await ask(4), 40);
  assert.deepEqual(asked, [[1, 2, 3], [4]]);
});

test("a failure reaches everybody who asked, and nobody who asks later", async () => {
  let isBroken = true;
  const ask = gathering(async (questions: readonly number[]) => {
    if (isBroken) throw new Error("down");
    return questions;
  });
  const outcomes = await Promise.allSettled([ask(1), ask(2)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  isBroken = false;
  assert.equal(await ask(3), 3);
});
