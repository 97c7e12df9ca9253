/** Log lines as people read them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { prettyLine } from "../../../src/adapters/pretty-line.ts";

test("pretty line tells time, level and message, then the facts, quoted where they have blanks", () => {
  const line = `{"level":"warn","time":"2026-01-02T03:04:05.678Z","pid":7,"role":"worker","lane":{"a":1},"why":"not here","empty":"","message":"flow waits"}\n`;
  assert.equal(
    prettyLine(line),
    '03:04:05.678 WARN  flow waits role=worker lane="{\\"a\\":1}" why="not here" empty=""\n',
  );
});

test("pretty line leaves what is no JSON object as it is", () => {
  for (const line of ["plain\n", "7\n", "null\n"]) assert.equal(prettyLine(line), line);
});
