/** Columns that are taken out of JSON values for Parquet. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJsonColumns } from "../../../src/core/json-column.ts";
import { jsonColumnValues } from "../../../src/tier/parquet/json-columns.ts";

function columns(text: string) {
  const parsed = parseJsonColumns(text);
  return typeof parsed === "string" ? assert.fail(parsed) : parsed;
}

test("json columns keep the digits that were written, and hold null where a type would lose something", () => {
  const value = Buffer.from(
    '{"id":9223372036854775807,"big":9223372036854775808,"price":0.10,"text":"1","flag":true,"in":{"a":[1.50,{"b":null}]},"none":null}',
  );
  assert.deepEqual(jsonColumnValues(value, columns("id:int64,big:int64,text:int64,flag:boolean,in.a,none,missing.x")), [
    2n ** 63n - 1n,
    null,
    null,
    true,
    '[1.50,{"b":null}]',
    null,
    null,
  ]);
  assert.deepEqual(jsonColumnValues(value, columns("price,price.x,id,text")), [
    "0.10",
    null,
    "9223372036854775807",
    "1",
  ]);
  assert.deepEqual(jsonColumnValues(value, columns("price:double,flag:double")), [0.1, null]);
});

test("json columns are null for values that are no JSON objects", () => {
  const two = columns("a,b:int64");
  for (const text of ["", "[1]", "7", "{", "\u0000"])
    assert.deepEqual(jsonColumnValues(Buffer.from(text), two), [null, null]);
  assert.deepEqual(jsonColumnValues(null, two), [null, null]);
});

test("json columns refuse what is there already, and types that are not", () => {
  for (const text of ["offset", "a:decimal", "a,a", "", "a:int64:x"])
    assert.equal(typeof parseJsonColumns(text), "string", text);
});
