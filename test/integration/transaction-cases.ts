/** What the client's transactional writer and its markers have to do on every cluster, embedded or Apache Kafka. */

import assert from "node:assert/strict";
import { errorCodeOf } from "../../src/client/errors.ts";
import type { KafkaClient } from "../../src/client/kafka-client.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { describeProducers } from "../../src/client/producers.ts";
import { isFencedCode, mayWriteMarkers, TransactionalWriter, writeAbortMarker } from "../../src/client/transactions.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { encodeBatch } from "../../src/wire/records.ts";

/** A producer id that no cluster allocates. */
const DERIVED = 0x5452n << 47n;
const YEAR_2001_MS = 1_000_000_000_000n;

const isFenced = (error: unknown): boolean => isFencedCode(errorCodeOf(error) ?? ErrorCode.NONE);

function nodeOf(client: KafkaClient, topic: string): number {
  return client.metadata.leaderOf(topic, 0)?.leaderId ?? assert.fail(`${topic} has no leader`);
}

/** Sends records of 2001 in the writer's transaction. */
function send(client: KafkaClient, topic: string, writer: TransactionalWriter, baseSequence: number) {
  const topicId = client.metadata.topic(topic)?.topicId ?? assert.fail(`${topic} is unknown`);
  const record = { timestampMs: YEAR_2001_MS, key: null, value: null };
  const producer = { ...writer.identity, baseSequence, isTransactional: true };
  const { bytes: records } = encodeBatch([record, record], producer);
  return writer.produce(nodeOf(client, topic), { topic, topicId, index: 0, records });
}

/** A successor's `open` aborts what the predecessor left, and the predecessor gets nothing more done. */
export async function successorFences(client: KafkaClient, topic: string): Promise<void> {
  const partition = { topic, index: 0 };
  const options = { transactionalId: `id-of-${topic}`, transactionTimeoutMs: 10_000 };
  const zombie = await TransactionalWriter.open(client, options);
  await zombie.announce([partition]);
  assert.equal((await send(client, topic, zombie, 0)).baseOffset, 0n);
  await zombie.end("commit");
  await zombie.announce([partition]);
  assert.equal((await send(client, topic, zombie, 2)).baseOffset, 3n, "a marker lies between");

  const successor = await TransactionalWriter.open(client, options);
  assert.equal(successor.identity.producerId, zombie.identity.producerId);
  assert.ok(successor.identity.producerEpoch > zombie.identity.producerEpoch);
  assert.ok(isFencedCode((await send(client, topic, zombie, 4)).errorCode));
  await assert.rejects(zombie.announce([partition]), isFenced);
  await assert.rejects(zombie.end("commit"), isFenced);
  await successor.announce([partition]);
  assert.equal((await send(client, topic, successor, 0)).baseOffset, 6n, "behind the abort marker");
  await successor.end("commit");
  await client.retry(
    {},
    () => true,
    async () => {
      const [bounds] = await logBounds(client, [partition], { isolation: "read_committed" });
      assert.equal(bounds?.endOffset, 9n);
    },
  );
}

/** A marker by hand makes a partition refuse lower epochs of a producer that has no transaction, and may be repeated. */
export async function markerFences(client: KafkaClient, topic: string): Promise<void> {
  const partition = { topic, index: 0 };
  const topicId = client.metadata.topic(topic)?.topicId ?? assert.fail(`${topic} is unknown`);
  const live = async (producerEpoch: number, baseSequence: number) => {
    const record = { timestampMs: BigInt(Date.now()), key: null, value: null };
    const { bytes: records } = encodeBatch([record], { producerId: DERIVED, producerEpoch, baseSequence });
    const partitions = [{ ...partition, topicId, records }];
    const [outcome] = await produceTo(client, nodeOf(client, topic), { partitions, acks: -1 });
    return outcome?.errorCode;
  };
  const mark = (producerEpoch: number) => writeAbortMarker(client, { partition, producerId: DERIVED, producerEpoch });
  assert.equal(await mayWriteMarkers(client), true);
  assert.equal(await live(0, 0), ErrorCode.NONE);
  assert.equal(await mark(1), ErrorCode.NONE);
  assert.equal(await live(0, 1), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(await live(0, 0), ErrorCode.INVALID_PRODUCER_EPOCH, "a repeat, too");
  const [described] = await describeProducers(client, [partition]);
  const known = described?.producers.find(({ producerId }) => producerId === DERIVED);
  assert.deepEqual([known?.producerEpoch, known?.lastSequence], [1, -1]);
  assert.equal(await mark(1), ErrorCode.NONE);
  assert.equal(await mark(0), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(await live(2, 0), ErrorCode.NONE, "the era that follows");
  assert.equal(await mark(2), ErrorCode.NONE);
  assert.equal(await live(2, 0), ErrorCode.NONE, "a repeat is still known as such");
  const [bounds] = await logBounds(client, [partition]);
  assert.equal(bounds?.endOffset, 5n, "two records and three markers");
}
