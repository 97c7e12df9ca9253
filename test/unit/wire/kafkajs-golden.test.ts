/** Byte for byte: our requests are kafkajs's requests, for every API that both know at every version that both know; and
 *  kafkajs reads from our responses the values that we wrote. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { decodeRequest, decodeRequestHeader, encodeRequest, encodeResponse } from "../../../src/wire/api.ts";
import { ALL_APIS } from "../../../src/wire/apis.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import type { Shape } from "../../../src/wire/shape.ts";
import { kafkajsFrame, kafkajsProtocol, kafkajsVersions } from "./kafkajs.ts";
import { completed, type UntypedApi } from "./message-arbitrary.ts";

interface Golden {
  /** kafkajs's folder under `protocol/requests`. */
  readonly folder: string;
  /** What kafkajs's request takes. */
  readonly args: () => unknown;
  /** The same request in our terms; fields that a version lacks are taken out. */
  readonly body: unknown;
}

const TIMESTAMP_MS = 1_700_000_000_000;
const message = { key: Buffer.from("k"), value: Buffer.from("v"), timestamp: TIMESTAMP_MS, headers: { h: "x" } };

/** kafkajs writes 0 where Java writes -1: leader epoch, producer epoch and sequence of a plain batch. */
const records = encodeBatch(
  [
    {
      timestampMs: BigInt(TIMESTAMP_MS),
      key: message.key,
      value: message.value,
      headers: [{ key: "h", value: Buffer.from("x") }],
    },
    { timestampMs: BigInt(TIMESTAMP_MS + 5), key: null, value: null },
  ],
  { leaderEpoch: 0, producerId: -1n, producerEpoch: 0, baseSequence: 0 },
).bytes;

const GOLDEN: Readonly<Record<number, Golden>> = {
  0: {
    folder: "produce",
    args: () => ({
      acks: -1,
      timeout: 30_000,
      transactionalId: null,
      topicData: [
        {
          topic: "flights",
          partitions: [
            { partition: 2, messages: [message, { key: null, value: null, timestamp: TIMESTAMP_MS + 5 }] },
            { partition: 3, messages: [message, { key: null, value: null, timestamp: TIMESTAMP_MS + 5 }] },
          ],
        },
      ],
    }),
    body: {
      transactionalId: null,
      acks: -1,
      timeoutMs: 30_000,
      topics: [
        {
          name: "flights",
          partitions: [
            { index: 2, records },
            { index: 3, records },
          ],
        },
      ],
    },
  },
  1: {
    folder: "fetch",
    args: () => ({
      replicaId: -1,
      maxWaitTime: 500,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      sessionId: 0,
      sessionEpoch: -1,
      rackId: "a",
      forgottenTopics: [{ topic: "gone", partitions: [4] }],
      topics: [
        {
          topic: "flights",
          partitions: [
            { partition: 0, currentLeaderEpoch: 7, fetchOffset: "12345678901", logStartOffset: -1, maxBytes: 1024 },
          ],
        },
      ],
    }),
    body: {
      replicaId: -1,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      sessionId: 0,
      sessionEpoch: -1,
      rackId: "a",
      forgottenTopics: [{ name: "gone", partitions: [4] }],
      topics: [
        {
          name: "flights",
          partitions: [
            {
              index: 0,
              currentLeaderEpoch: 7,
              fetchOffset: 12345678901n,
              logStartOffset: -1n,
              partitionMaxBytes: 1024,
            },
          ],
        },
      ],
    },
  },
  2: {
    folder: "listOffsets",
    args: () => ({
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ topic: "flights", partitions: [{ partition: 1, timestamp: -2 }] }],
    }),
    body: {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ name: "flights", partitions: [{ index: 1, timestampMs: -2n }] }],
    },
  },
  3: {
    folder: "metadata",
    args: () => ({ topics: ["flights", "ünïcode"], allowAutoTopicCreation: true }),
    body: { topics: [{ name: "flights" }, { name: "ünïcode" }], allowAutoTopicCreation: true },
  },
  8: {
    folder: "offsetCommit",
    args: () => ({
      groupId: "delays",
      groupGenerationId: 3,
      memberId: "m",
      retentionTime: "-1",
      topics: [{ topic: "flights", partitions: [{ partition: 0, offset: "42", metadata: "note" }] }],
    }),
    body: {
      groupId: "delays",
      generationId: 3,
      memberId: "m",
      retentionTimeMs: -1n,
      topics: [{ name: "flights", partitions: [{ index: 0, committedOffset: 42n, committedMetadata: "note" }] }],
    },
  },
  9: {
    folder: "offsetFetch",
    args: () => ({
      groupId: "delays",
      topics: [{ topic: "flights", partitions: [{ partition: 0 }, { partition: 1 }] }],
    }),
    body: { groupId: "delays", topics: [{ name: "flights", partitionIndexes: [0, 1] }] },
  },
  10: {
    folder: "findCoordinator",
    args: () => ({ groupId: "delays", coordinatorType: 0 }),
    body: { key: "delays", keyType: 0 },
  },
  11: {
    folder: "joinGroup",
    args: () => ({
      groupId: "delays",
      sessionTimeout: 10_000,
      rebalanceTimeout: 60_000,
      memberId: "",
      groupInstanceId: null,
      protocolType: "consumer",
      groupProtocols: [{ name: "RoundRobinAssigner", metadata: Buffer.from([0, 1, 2]) }],
    }),
    body: {
      groupId: "delays",
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      memberId: "",
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: "RoundRobinAssigner", metadata: Buffer.from([0, 1, 2]) }],
    },
  },
  12: {
    folder: "heartbeat",
    args: () => ({ groupId: "delays", groupGenerationId: 3, memberId: "m", groupInstanceId: null }),
    body: { groupId: "delays", generationId: 3, memberId: "m", groupInstanceId: null },
  },
  13: {
    folder: "leaveGroup",
    args: () => ({ groupId: "delays", memberId: "m" }),
    body: { groupId: "delays", memberId: "m", members: [{ memberId: "m", groupInstanceId: null }] },
  },
  14: {
    folder: "syncGroup",
    args: () => ({
      groupId: "delays",
      generationId: 3,
      memberId: "m",
      groupInstanceId: null,
      groupAssignment: [{ memberId: "m", memberAssignment: Buffer.from([9, 8]) }],
    }),
    body: {
      groupId: "delays",
      generationId: 3,
      memberId: "m",
      groupInstanceId: null,
      assignments: [{ memberId: "m", assignment: Buffer.from([9, 8]) }],
    },
  },
  15: { folder: "describeGroups", args: () => ({ groupIds: ["a", "b"] }), body: { groups: ["a", "b"] } },
  16: { folder: "listGroups", args: () => undefined, body: {} },
  17: { folder: "saslHandshake", args: () => ({ mechanism: "PLAIN" }), body: { mechanism: "PLAIN" } },
  18: { folder: "apiVersions", args: () => undefined, body: {} },
  19: {
    folder: "createTopics",
    args: () => ({
      timeout: 5000,
      validateOnly: true,
      topics: [
        {
          topic: "flights",
          numPartitions: 6,
          replicationFactor: 2,
          configEntries: [{ name: "cleanup.policy", value: "compact" }],
        },
        { topic: "by-hand", replicaAssignment: [{ partition: 0, replicas: [1, 2] }] },
      ],
    }),
    body: {
      timeoutMs: 5000,
      validateOnly: true,
      topics: [
        {
          name: "flights",
          numPartitions: 6,
          replicationFactor: 2,
          assignments: [],
          configs: [{ name: "cleanup.policy", value: "compact" }],
        },
        {
          name: "by-hand",
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ index: 0, brokerIds: [1, 2] }],
          configs: [],
        },
      ],
    },
  },
  20: {
    folder: "deleteTopics",
    args: () => ({ topics: ["flights"], timeout: 5000 }),
    body: { topicNames: ["flights"], timeoutMs: 5000 },
  },
  21: {
    folder: "deleteRecords",
    args: () => ({ topics: [{ topic: "flights", partitions: [{ partition: 0, offset: "7" }] }], timeout: 5000 }),
    body: { topics: [{ name: "flights", partitions: [{ index: 0, offset: 7n }] }], timeoutMs: 5000 },
  },
  22: {
    folder: "initProducerId",
    args: () => ({ transactionalId: "tx", transactionTimeout: 60_000 }),
    body: { transactionalId: "tx", transactionTimeoutMs: 60_000 },
  },
  32: {
    folder: "describeConfigs",
    args: () => ({ resources: [{ type: 2, name: "flights", configNames: ["retention.ms"] }], includeSynonyms: true }),
    body: {
      resources: [{ resourceType: 2, resourceName: "flights", configurationKeys: ["retention.ms"] }],
      includeSynonyms: true,
    },
  },
  37: {
    folder: "createPartitions",
    args: () => ({
      topicPartitions: [{ topic: "flights", count: 9, assignments: [[1, 2]] }],
      timeout: 5000,
      validateOnly: false,
    }),
    body: {
      topics: [{ name: "flights", count: 9, assignments: [{ brokerIds: [1, 2] }] }],
      timeoutMs: 5000,
      validateOnly: false,
    },
  },
  42: { folder: "deleteGroups", args: () => ["a", "b"], body: { groupsNames: ["a", "b"] } },
};

for (const [key, { folder, args, body }] of Object.entries(GOLDEN)) {
  const api = ALL_APIS.get(Number(key)) as unknown as UntypedApi;
  const shared = kafkajsVersions(folder).filter((version) => version >= api.versions[0]);

  test(`${api.name} requests equal kafkajs's byte for byte at versions ${shared.join(" ")}`, async () => {
    assert.ok(shared.length > 0);
    for (const version of shared) {
      const { request } = kafkajsProtocol(folder, version, args());
      assert.deepEqual([request.apiKey, request.apiVersion], [api.key, version]);
      const theirs = await kafkajsFrame(request, "golden");
      const ours = trimmed(api.request.shape, version, body);
      const header = { apiVersion: version, correlationId: 9, clientId: "golden" };
      assert.deepEqual(Buffer.concat(encodeRequest(api, header, ours)), theirs, `v${version}`);
      const payload = theirs.subarray(4);
      const { bodyStart } = decodeRequestHeader(payload);
      assert.deepEqual(
        decodeRequest(api, version, payload, bodyStart),
        completed(api.request.shape, version, ours),
        `v${version}`,
      );
    }
  });

  test(`${api.name} responses give kafkajs the values that were written at versions ${shared.join(" ")}`, async () => {
    for (const version of shared) {
      const seed = { next: 100 };
      const response = distinctValue(api.response.shape, version, seed);
      const frame = Buffer.concat(encodeResponse(api, { apiVersion: version, correlationId: 1 }, response));
      const decoded = await kafkajsProtocol(folder, version, args()).response.decode(frame.subarray(8));
      const read = new Set(leavesOf(decoded));
      const lost = leavesOf(response).filter((leaf) => !read.has(leaf));
      assert.deepEqual(lost, [], `v${version}: ${inspect(decoded, { depth: 9 })}`);
    }
  });
}

/** The body without the fields that the version lacks. */
function trimmed(shape: Shape, version: number, value: unknown): unknown {
  if (value === null) return null;
  if (shape.kind === "array") return (value as readonly unknown[]).map((item) => trimmed(shape.item, version, item));
  if (shape.kind !== "struct") return value;
  const source = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    shape.fields
      .filter((f) => version >= f.from && version <= f.to && f.name in source)
      .map((f) => [f.name, trimmed(f.shape, version, source[f.name])]),
  );
}

/** A message in which no two values are alike, so that one read from the wrong place is seen. */
function distinctValue(shape: Shape, version: number, seed: { next: number }): unknown {
  switch (shape.kind) {
    case "struct":
      return Object.fromEntries(
        shape.fields
          .filter((f) => version >= f.from && version <= f.to)
          .map((f) => [f.name, f.name === "errorCode" ? 0 : distinctValue(f.shape, version, seed)]),
      );
    case "array":
      return [distinctValue(shape.item, version, seed), distinctValue(shape.item, version, seed)];
    case "boolean":
      return true;
    case "int8":
      return 1;
    case "int16":
    case "int32":
      return seed.next++;
    case "int64":
      return BigInt(seed.next++) * 10_000_000_000n;
    case "string":
      return `text-${seed.next++}`;
    case "bytes":
      return encodeBatch([{ timestampMs: 1n, key: null, value: Buffer.from(`bytes-${seed.next++}`) }]).bytes;
    default:
      throw new Error(`no value for ${shape.kind}`);
  }
}

/** All primitives in a value as text; kafkajs shows int64 as decimal text, and batches as records. */
function leavesOf(value: unknown): string[] {
  if (value === null || value === undefined) return [];
  if (Buffer.isBuffer(value)) return [/bytes-\d+/.exec(value.toString("latin1"))?.[0] ?? value.toString("hex")];
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  if (typeof value === "object") return Object.values(value).flatMap(leavesOf);
  return [String(value)];
}
