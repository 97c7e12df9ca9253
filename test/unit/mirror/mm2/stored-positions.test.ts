/** Positions out of Kafka Connect's offsets topic. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { StoredPositions } from "../../../../src/mirror/mm2/stored-positions.ts";

const KEY = '["MirrorSourceConnector",{"cluster":"east","partition":1,"topic":"t"}]';

function positionsOf(...records: readonly (readonly [string, string | null])[]): StoredPositions {
  const positions = new StoredPositions("east");
  for (const [key, value] of records) positions.apply(key, value === null ? null : Buffer.from(value));
  return positions;
}

function at(positions: StoredPositions, topic = "t", partition = 1) {
  return positions.at(topic, partition).map(({ connector, offset }) => `${connector} ${offset}`);
}

test("positions are read whatever the order of a key's fields, and the last one counts", () => {
  const turned = '["MirrorSourceConnector", {"topic": "t", "partition": 1, "cluster": "east"}]';
  assert.deepEqual(at(positionsOf([KEY, '{"offset":5}'], [turned, '{"offset":123}'])), ["MirrorSourceConnector 123"]);
  assert.deepEqual(at(positionsOf([KEY, '{"offset":5}'], [KEY, null])), []);
  assert.deepEqual(at(positionsOf([KEY, '{"offset":5}'], [KEY, "null"])), []);
});

test("positions of connectors with different names are told apart", () => {
  const other = KEY.replace("MirrorSourceConnector", "east->hub.MirrorSourceConnector");
  const both = positionsOf([KEY, '{"offset":5}'], [other, '{"offset":9}']);
  assert.deepEqual(at(both), ["MirrorSourceConnector 5", "east->hub.MirrorSourceConnector 9"]);
});

test("positions of others and what cannot be read are left out", () => {
  const others: readonly (readonly [string, string])[] = [
    ['["MirrorSourceConnector",{"cluster":"west","partition":1,"topic":"t"}]', '{"offset":5}'],
    ['["MirrorHeartbeatConnector",{"sourceClusterAlias":"east","targetClusterAlias":"hub"}]', '{"offset":0}'],
    ['["FileSource",{"filename":"x"}]', '{"position":7}'],
    ["no JSON", '{"offset":5}'],
    [KEY, '{"offset":-1}'],
    [KEY, '{"offset":"5"}'],
    [KEY, "{"],
  ];
  assert.deepEqual(at(positionsOf(...others)), []);
});
