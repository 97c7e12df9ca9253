/** Every request that the client sends, in the versions of the oldest Kafka it speaks to. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createPartitions, createTopics, deleteRecords, deleteTopics } from "../../../src/client/admin.ts";
import { alterConfigs, describeConfigs } from "../../../src/client/configs.ts";
import { fetchFrom } from "../../../src/client/fetch.ts";
import { commitOffsets, deleteGroups, describeGroups, fetchOffsets, listGroups } from "../../../src/client/groups.ts";
import type { KafkaClient } from "../../../src/client/kafka-client.ts";
import { AT_END, listOffsets } from "../../../src/client/list-offsets.ts";
import { produceTo } from "../../../src/client/produce.ts";
import { initProducerId } from "../../../src/client/producers.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { listOffsets as listOffsetsApi } from "../../../src/wire/apis/02-list-offsets.ts";
import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../../../src/wire/apis/09-offset-fetch.ts";
import { describeGroups as describeGroupsApi } from "../../../src/wire/apis/15-describe-groups.ts";
import { listGroups as listGroupsApi } from "../../../src/wire/apis/16-list-groups.ts";
import { createTopics as createTopicsApi } from "../../../src/wire/apis/19-create-topics.ts";
import { deleteTopics as deleteTopicsApi } from "../../../src/wire/apis/20-delete-topics.ts";
import { deleteRecords as deleteRecordsApi } from "../../../src/wire/apis/21-delete-records.ts";
import { initProducerId as initProducerIdApi } from "../../../src/wire/apis/22-init-producer-id.ts";
import { describeConfigs as describeConfigsApi } from "../../../src/wire/apis/32-describe-configs.ts";
import { createPartitions as createPartitionsApi } from "../../../src/wire/apis/37-create-partitions.ts";
import { deleteGroups as deleteGroupsApi } from "../../../src/wire/apis/42-delete-groups.ts";
import { incrementalAlterConfigs } from "../../../src/wire/apis/44-incremental-alter-configs.ts";
import { FakeCluster } from "./fake-cluster.ts";

/** Kafka 2.4: key, lowest and highest version. */
const KAFKA_2_4: readonly (readonly [number, number, number])[] = [
  [0, 0, 8],
  [1, 0, 11],
  [2, 0, 5],
  [3, 0, 9],
  [8, 0, 8],
  [9, 0, 6],
  [10, 0, 3],
  [15, 0, 5],
  [16, 0, 3],
  [18, 0, 3],
  [19, 0, 5],
  [20, 0, 4],
  [21, 0, 1],
  [22, 0, 2],
  [32, 0, 2],
  [37, 0, 1],
  [42, 0, 2],
  [44, 0, 1],
];

const PARTITION = { topic: "t", index: 0 };
const PART = { index: 0, errorCode: 0 };

/** Every call with the answer that its API gets and what it should come to. */
const CALLS: readonly {
  readonly api: { readonly key: number; readonly name: string };
  readonly answer: object;
  readonly call: (client: KafkaClient) => Promise<unknown>;
}[] = [
  {
    api: produce,
    answer: { topics: [{ name: "t", partitions: [{ ...PART, baseOffset: 0n, logAppendTimeMs: -1n }] }] },
    call: (client) =>
      produceTo(client, 1, { acks: -1, partitions: [{ ...PARTITION, topicId: ZERO_UUID, records: Buffer.alloc(61) }] }),
  },
  {
    api: fetchApi,
    answer: {
      sessionId: 0,
      topics: [
        {
          name: "t",
          partitions: [{ ...PART, highWatermark: 0n, lastStableOffset: 0n, abortedTransactions: null, records: null }],
        },
      ],
    },
    call: (client) =>
      fetchFrom(client, 1, {
        maxWaitMs: 1,
        minBytes: 1,
        maxBytes: 1,
        isolation: "read_committed",
        rackId: "r",
        partitions: [
          {
            ...PARTITION,
            topicId: ZERO_UUID,
            fetchOffset: 0n,
            lastFetchedEpoch: 3,
            currentLeaderEpoch: 3,
            maxBytes: 1,
          },
        ],
      }),
  },
  {
    api: listOffsetsApi,
    answer: { topics: [{ name: "t", partitions: [{ ...PART, timestampMs: -1n, offset: 1n }] }] },
    call: (client) => listOffsets(client, [{ ...PARTITION, timestampMs: AT_END }], { isolation: "read_committed" }),
  },
  {
    api: offsetCommit,
    answer: { topics: [{ name: "t", partitions: [PART] }] },
    call: (client) =>
      commitOffsets(client, "g", { offsets: [{ ...PARTITION, committedOffset: 1n, committedLeaderEpoch: 2 }] }),
  },
  {
    api: offsetFetch,
    answer: {
      topics: [{ name: "t", partitions: [{ ...PART, committedOffset: 1n, committedMetadata: "" }] }],
      errorCode: 0,
    },
    call: (client) => fetchOffsets(client, [{ groupId: "g" }, { groupId: "h", partitions: [PARTITION] }]),
  },
  {
    api: describeGroupsApi,
    answer: {
      groups: [{ errorCode: 0, groupId: "g", groupState: "Empty", protocolType: "", protocolData: "", members: [] }],
    },
    call: (client) => describeGroups(client, ["g"]),
  },
  {
    api: listGroupsApi,
    answer: { errorCode: 0, groups: [{ groupId: "g", protocolType: "consumer" }] },
    call: (client) => listGroups(client),
  },
  {
    api: createTopicsApi,
    answer: { topics: [{ name: "t", errorCode: 0, errorMessage: null }] },
    call: (client) => createTopics(client, [{ name: "t", partitions: 3, configs: { a: "b" } }]),
  },
  {
    api: deleteTopicsApi,
    answer: { topics: [{ name: "t", errorCode: 0 }] },
    call: (client) => deleteTopics(client, ["t"]),
  },
  {
    api: deleteRecordsApi,
    answer: { topics: [{ name: "t", partitions: [{ ...PART, lowWatermark: 1n }] }] },
    call: (client) => deleteRecords(client, [{ ...PARTITION, offset: 1n }]),
  },
  {
    api: initProducerIdApi,
    answer: { errorCode: 0, producerId: 1n, producerEpoch: 0 },
    call: async (client) => [await initProducerId(client)],
  },
  {
    api: describeConfigsApi,
    answer: {
      results: [{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t", configs: [] }],
    },
    call: (client) => describeConfigs(client, [{ type: "topic", name: "t" }], { keys: ["a"] }),
  },
  {
    api: createPartitionsApi,
    answer: { results: [{ name: "t", errorCode: 0, errorMessage: null }] },
    call: (client) => createPartitions(client, [{ name: "t", count: 3 }]),
  },
  {
    api: deleteGroupsApi,
    answer: { results: [{ groupId: "g", errorCode: 0 }] },
    call: (client) => deleteGroups(client, ["g"]),
  },
  {
    api: incrementalAlterConfigs,
    answer: { resources: [{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" }] },
    call: async (client) => {
      await alterConfigs(client, { type: "topic", name: "t" }, { changes: [{ name: "a", value: "b" }] });
      return [{ errorCode: 0 }];
    },
  },
];

for (const { api, answer, call } of CALLS) {
  test(`client calls ${api.name} on a broker with the versions of Kafka 2.4`, async () => {
    await using cluster = await FakeCluster.open();
    for (const broker of cluster.brokers.values()) broker.ranges = KAFKA_2_4;
    cluster.onAll(api, () => ({ throttleMs: 0, ...answer }));
    await using client = await cluster.client();
    const results = (await cluster.world.clock.until(call(client))) as readonly { readonly errorCode?: number }[];
    assert.ok(results.length > 0);
    for (const result of results) assert.equal(result.errorCode ?? 0, 0);
    const range = KAFKA_2_4.find(([key]) => key === api.key);
    for (const { header } of cluster.received(api)) assert.equal(header.apiVersion, range?.[2]);
  });
}
