/** What tells that a mirror made a topic. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import { decodeMade, encodeMade, type MadeRecord, madeKey } from "../../../src/topology/made.ts";

const of = { sourceClusterId: "c/1", targetTopic: "w.a", targetTopicId: "t" as Uuid };
const RECORDS: readonly MadeRecord[] = [
  { kind: "topic", ...of, sourceTopic: "a", sourceTopicId: "s" as Uuid },
  { kind: "settings", ...of, settings: { "retention.ms": "5" } },
  { kind: "gone", ...of, sourceTopicId: "s" as Uuid, sinceMs: 7 },
  {
    kind: "acl",
    topology: "pair",
    sourceClusterId: "c/1",
    acl: {
      resource: "topic",
      name: "w.",
      pattern: "prefixed",
      principal: "User:x/y",
      host: "*",
      operation: "read",
      permission: "allow",
    },
  },
];

test("made records come back as they were stored, each under a key of its own", () => {
  assert.equal(new Set(RECORDS.map(madeKey)).size, RECORDS.length);
  for (const record of RECORDS) assert.deepEqual(decodeMade(madeKey(record), encodeMade(record)), record);
});

test("a made record counts for nothing when another program wrote it, or a newer one, or under another key", () => {
  const [topic] = RECORDS;
  assert.ok(topic !== undefined);
  const key = madeKey(topic);
  for (const text of ["", "null", "[]", "{}", `{"version":2,"kind":"topic"}`, `{"version":1,"kind":"topic"}`])
    assert.equal(decodeMade(key, Buffer.from(text)), undefined);
  assert.equal(decodeMade(`${key}x`, encodeMade(topic)), undefined);
  const newer = encodeMade(topic).toString().replace('"version":1', '"version":2');
  assert.equal(decodeMade(key, Buffer.from(newer)), undefined);
});
