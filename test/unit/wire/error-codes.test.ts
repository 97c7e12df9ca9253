/** The table of error codes beside kafkajs's own. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, ErrorCode, errorName, isRetriable } from "../../../src/wire/error-codes.ts";
import { kafkajsErrors } from "./kafkajs.ts";

test("The error table has kafkajs's names and retriable flags for every code kafkajs knows", () => {
  const known = kafkajsErrors();
  assert.ok(known.length >= 89);
  for (const { code, type, retriable } of known) {
    assert.equal(errorName(code), type);
    assert.equal(isRetriable(code), retriable, type);
  }
});

test("The error table runs from -1 to 133 without a gap and each name stands for its code", () => {
  for (let code = -1; code <= 133; code++) assert.equal(ERRORS.get(code)?.code, code);
  assert.equal(ERRORS.size, 135);
  assert.equal(new Set([...ERRORS.values()].map(({ name }) => name)).size, 135);
  for (const { code, name } of ERRORS.values()) assert.equal((ErrorCode as Record<string, number>)[name], code);
});

test("A code of a newer Kafka shows as its number and is not retriable", () => {
  assert.equal(errorName(999), "ERROR_999");
  assert.equal(isRetriable(999), false);
});
