/** A transactional writer on a region in memory, request by request. */

import assert from "node:assert/strict";
import { AbortedTransactions } from "../../../src/mirror/aborted.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { addPartitionsToTxn } from "../../../src/wire/apis/24-add-partitions-to-txn.ts";
import { endTxn } from "../../../src/wire/apis/26-end-txn.ts";
import { describeTransactions } from "../../../src/wire/apis/65-describe-transactions.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import type { TestClient, TestRegion } from "./region-fixture.ts";

/** Speaks for one transactional id; nothing is retried. */
export class TransactionalWriter {
  producerId = -1n;
  epoch = -1;
  readonly id: string;
  readonly #world: TestRegion;

  constructor(world: TestRegion, id = "writer") {
    this.#world = world;
    this.id = id;
  }

  /** InitProducerId; takes the identity over when there is one. */
  async open(timeoutMs = 60_000): Promise<number> {
    const answer = await (await this.coordinator()).ask(initProducerId, 4, {
      transactionalId: this.id,
      transactionTimeoutMs: timeoutMs,
    });
    if (answer.errorCode === 0) [this.producerId, this.epoch] = [answer.producerId, answer.producerEpoch];
    return answer.errorCode;
  }

  /** AddPartitionsToTxn for partition 0 of topics. */
  async add(...topics: readonly string[]): Promise<number | undefined> {
    const answer = await (await this.coordinator()).ask(addPartitionsToTxn, 3, {
      ...{ transactionalId: this.id, producerId: this.producerId, producerEpoch: this.epoch },
      topics: topics.map((name) => ({ name, partitions: [0] })),
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  /** One record to partition 0. */
  async write(topic: string, baseSequence: number, version = 9): Promise<number | undefined> {
    const record = { timestampMs: 1_750_000_000_000n, key: null, value: Buffer.from(`${this.id}-${baseSequence}`) };
    const batch = encodeBatch([record], {
      ...{ producerId: this.producerId, producerEpoch: this.epoch, baseSequence, isTransactional: true },
    });
    const answer = await (await this.#world.leader(topic)).ask(produce, version, {
      ...{ transactionalId: this.id, acks: -1, timeoutMs: 10_000 },
      topics: [{ ...named(this.#world, topic, version), partitions: [{ index: 0, records: batch.bytes }] }],
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  /** EndTxn; from v5 on it takes the epoch over. */
  async end(committed: boolean, version = 3): Promise<number> {
    const answer = await (await this.coordinator()).ask(endTxn, version, {
      ...{ transactionalId: this.id, producerId: this.producerId, producerEpoch: this.epoch, committed },
    });
    if (version >= 5 && answer.errorCode === 0) this.epoch = answer.producerEpoch;
    return answer.errorCode;
  }

  /** What the coordinator says of the id. */
  async state(): Promise<string | undefined> {
    const answer = await (await this.coordinator()).ask(describeTransactions, 0, { transactionalIds: [this.id] });
    return answer.transactionStates[0]?.transactionState;
  }

  /** The broker that keeps the id. */
  async coordinator(): Promise<TestClient> {
    const any = await this.#world.connect(this.#world.region.runningBrokers[0] ?? -1);
    const found = await any.ask(findCoordinator, 4, { keyType: 1, coordinatorKeys: [this.id] });
    return this.#world.connect(found.coordinators[0]?.nodeId ?? -1);
  }
}

/** Values that a committed reader of partition 0 gets, who reads on until nothing more comes. */
export async function readCommitted(world: TestRegion, topic: string): Promise<readonly string[]> {
  const leader = await world.leader(topic);
  const values: string[] = [];
  for (let fetchOffset = 0n; ; ) {
    const partition = { index: 0, fetchOffset, partitionMaxBytes: 1_000_000 };
    const answer = await leader.ask(fetchApi, 11, {
      ...{ maxWaitMs: 0, minBytes: 1, maxBytes: 10_000_000, isolationLevel: 1 },
      topics: [{ name: topic, partitions: [partition] }],
    });
    const found = answer.topics[0]?.partitions[0];
    assert.equal(found?.errorCode, 0);
    const aborted = new AbortedTransactions(found.abortedTransactions ?? []);
    const batches = [...batchesIn(found.records ?? Buffer.alloc(0))];
    for (const batch of batches)
      if (!aborted.covers(batch) && !batch.isControl) values.push(`${batch.producerId}/${batch.baseSequence}`);
    const next = batches.at(-1)?.nextOffset;
    if (next === undefined) return values;
    fetchOffset = next;
  }
}

function named(world: TestRegion, name: string, version: number) {
  const topicId = world.region.topics().find((topic) => topic.name === name)?.topicId;
  return version >= 13 && topicId !== undefined ? { topicId } : { name };
}
