/** Java's properties format. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseProperties } from "../../../../src/topology/import/java-properties.ts";

const cases: readonly (readonly [string, string, readonly (readonly [string, string])[]])[] = [
  [
    "keys end at =, : or a blank",
    "a=1\nb: 2\nc 3\nd\n",
    [
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
      ["d", ""],
    ],
  ],
  ["blanks around the separator are dropped, at the end kept", "  a  =  1 \n", [["a", "1 "]]],
  ["comments and empty lines are skipped", "# a=1\n! b=2\n\n  # c\nd=4", [["d", "4"]]],
  ["a value may hold separators and comment signs", "a=b=c:d # e", [["a", "b=c:d # e"]]],
  [
    "a line that ends in a backslash goes on",
    "a = 1,\\\n    2,\\\n  # 3\nb=4",
    [
      ["a", "1,2,# 3"],
      ["b", "4"],
    ],
  ],
  [
    "an even number of backslashes ends the line",
    "a=1\\\\\nb=2",
    [
      ["a", "1\\"],
      ["b", "2"],
    ],
  ],
  ["escapes are resolved in keys and values", "a\\=b\\ c=x\\ty\\u00e9\\.z", [["a=b c", "x\ty\u00e9.z"]]],
  [
    "line ends of every system count",
    "a=1\r\nb=2\rc=3",
    [
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ],
  ],
];

for (const [what, text, wanted] of cases)
  test(`properties: ${what}`, () => {
    assert.deepEqual(
      parseProperties(text).map(({ key, value }) => [key, value]),
      wanted,
    );
  });

test("properties know the line on which each begins", () => {
  assert.deepEqual(
    parseProperties("# x\na=1\\\n2\n\nb=3").map(({ key, line }) => [key, line]),
    [
      ["a", 2],
      ["b", 5],
    ],
  );
});
