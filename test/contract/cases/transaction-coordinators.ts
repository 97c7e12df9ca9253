/** Transactions as coordinators, operators and groups see them: ids, timeouts, markers, listings, and offsets that wait. */

import { setTimeout as delay } from "node:timers/promises";
import { slotOf } from "../../../src/broker/coordinator-placement.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../../../src/wire/apis/09-offset-fetch.ts";
import { apiVersions } from "../../../src/wire/apis/18-api-versions.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { addOffsetsToTxn } from "../../../src/wire/apis/25-add-offsets-to-txn.ts";
import { endTxn } from "../../../src/wire/apis/26-end-txn.ts";
import { writeTxnMarkers } from "../../../src/wire/apis/27-write-txn-markers.ts";
import { txnOffsetCommit } from "../../../src/wire/apis/28-txn-offset-commit.ts";
import { describeProducers } from "../../../src/wire/apis/61-describe-producers.ts";
import { describeTransactions } from "../../../src/wire/apis/65-describe-transactions.ts";
import { listTransactions } from "../../../src/wire/apis/66-list-transactions.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { TRANSACTIONAL_BIT } from "../../../src/wire/record-batch.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";
import { coordinated, groupCoordinated, Transactional } from "../transactional.ts";

/** Partitions of the topic of offsets on the test peer, and in the embedded region. */
const SLOTS = [4, 50];

/** Far from the ids that brokers give out. */
const PRODUCER = 2n ** 42n + 3n;

interface Marker {
  readonly epoch: number;
  readonly coordinatorEpoch?: number;
  readonly committed?: boolean;
  readonly version?: number;
  readonly transactionVersion?: number;
  readonly partition?: number;
}

async function mark(probe: Probe, label: string, topic: string, marker: Marker): Promise<void> {
  const { epoch, coordinatorEpoch = 0, committed = false, version = 1, partition = 0 } = marker;
  await probe.check(label, writeTxnMarkers, version, {
    markers: [
      {
        ...{ producerId: PRODUCER, producerEpoch: epoch, committed, coordinatorEpoch },
        topics: [{ name: topic, partitionIndexes: [partition] }],
        ...(marker.transactionVersion === undefined ? {} : { transactionVersion: marker.transactionVersion }),
      },
    ],
  });
}

async function send(
  probe: Probe,
  label: string,
  topic: string,
  sent: { readonly epoch: number; readonly base: number },
) {
  const shape = {
    producerId: PRODUCER,
    producerEpoch: sent.epoch,
    baseSequence: sent.base,
    baseTimestamp: probe.nowMs,
  };
  probe.tell(label, await probe.produce(topic, batch(shape)));
}

async function remembered(probe: Probe, label: string, topic: string): Promise<void> {
  const answer = await probe.ask(describeProducers, 0, { topics: [{ name: topic, partitionIndexes: [0] }] });
  const producers = answer.topics[0]?.partitions[0]?.activeProducers ?? [];
  probe.tell(
    label,
    producers.map(({ lastTimestampMs, ...rest }) => ({ ...rest, hasTime: lastTimestampMs >= 0n })),
  );
}

/** The offsets of a group in one topic, with and without those that wait for a transaction. */
async function offsets(probe: Probe, label: string, groupId: string, topic: string): Promise<void> {
  for (const requireStable of [false, true]) {
    const topics = [{ name: topic, partitionIndexes: [0, 1] }];
    await probe.check(`${label}, stable ${requireStable}`, offsetFetch, 7, { groupId, topics, requireStable });
    const answer = await probe.ask(offsetFetch, 8, { groups: [{ groupId, topics: null }], requireStable });
    // The order of a topic's partitions is that of a hash table.
    const sorted = answer.groups.map((group) => ({
      ...group,
      topics: group.topics.map((each) => ({
        ...each,
        partitions: each.partitions.toSorted((one, other) => one.index - other.index),
      })),
    }));
    probe.tell(`${label}, all, stable ${requireStable}`, sorted);
  }
}

function offsetsBody(writer: Transactional, groupId: string, topic: string, offset: bigint) {
  return {
    ...{ transactionalId: writer.id, groupId, producerId: writer.producerId, producerEpoch: writer.epoch },
    topics: [{ name: topic, partitions: [{ index: 0, committedOffset: offset, committedMetadata: "m" }] }],
  };
}

/** A group whose offsets lie in another partition of the internal topic: the partition takes part, not the group. */
function elsewhere(probe: Probe, groupId: string): string {
  for (let i = 0; ; i++) {
    const other = probe.named(`else${i}`);
    if (SLOTS.every((slots) => slotOf(other, slots) !== slotOf(groupId, slots))) return other;
  }
}

/** Waits until a commit of a transaction has reached the group. */
async function stable(probe: Probe, groupId: string, topic: string): Promise<void> {
  for (let poll = 0; poll < 500; poll++) {
    const topics = [{ name: topic, partitionIndexes: [0] }];
    const answer = await probe.ask(offsetFetch, 7, { groupId, topics, requireStable: true });
    if (answer.topics[0]?.partitions[0]?.errorCode === ErrorCode.NONE) return;
    await delay(20);
  }
  throw new Error(`offsets of ${groupId} stay pending`);
}

export const transactionCoordinatorCases: readonly ContractCase[] = [
  {
    name: "clients are told that epochs rise with every transaction",
    run: async (probe) => {
      for (const version of [2, 3, 4]) {
        const software = version < 3 ? {} : { clientSoftwareName: "contract", clientSoftwareVersion: "1.0" };
        const answer = await probe.ask(apiVersions, version, software);
        const ofTransactions = ({ name }: { readonly name: string }) => name === "transaction.version";
        probe.tell(`v${version}`, {
          isKnown: answer.finalizedFeaturesEpoch >= 0n,
          supported: answer.supportedFeatures.filter(ofTransactions),
          finalized: answer.finalizedFeatures.filter(ofTransactions),
        });
      }
    },
  },
  {
    name: "a transactional id keeps its producer id and raises its epoch",
    run: async (probe) => {
      const writer = await Transactional.open(probe, "writer");
      const { producerId, epoch } = writer;
      writer.tell("again", await writer.init());
      writer.tell("with the newest epoch", await writer.init({ producerId, epoch: epoch + 1 }));
      writer.tell("the same once more, the answer was lost", await writer.init({ producerId, epoch: epoch + 1 }));
      writer.tell("with an old epoch", await writer.init({ producerId, epoch }));
      writer.tell("with a future epoch", await writer.init({ producerId, epoch: epoch + 9 }));
      writer.tell("with another producer", await writer.init({ producerId: producerId + 1_000_000n, epoch }));
      writer.tell("with half a producer", await writer.init({ producerId }));
      writer.tell("with half a producer, the other half", await writer.init({ epoch: 1 }));
      for (const timeoutMs of [0, -1, 900_000, 900_001])
        writer.tell(`timeout ${timeoutMs}`, await writer.init({ timeoutMs }));
      await writer.describe("described");
      const nobody = { transactionTimeoutMs: 1_000, producerId: 5n, producerEpoch: 3 };
      const other = probe.named("other");
      await coordinated(probe, other);
      const fresh = await probe.ask(initProducerId, 4, { ...nobody, transactionalId: other });
      probe.tell("a new id with a producer", { ...fresh, producerId: fresh.producerId === 5n ? "kept" : "new" });
      await probe.check("an empty id", initProducerId, 4, { ...nobody, transactionalId: "" });
      const idempotent = await probe.ask(initProducerId, 4, {
        ...nobody,
        transactionalId: null,
        transactionTimeoutMs: 0,
      });
      probe.tell("no id", { ...idempotent, producerId: idempotent.producerId === 5n ? "kept" : "new" });
    },
  },
  {
    name: "a transaction that is open for too long is aborted, and its writer fenced",
    run: async (probe) => {
      const { name: topic } = await probe.topic("late");
      const writer = await Transactional.open(probe, "writer", { timeoutMs: 200 });
      await writer.add("adds", topic);
      await writer.send("writes", { topic, base: 0 });
      await writer.ended(/^CompleteAbort/);
      await writer.describe("after the timeout");
      await writer.remembered("in the partition", topic);
      await writer.send("writes again", { topic, base: 1 });
      await writer.check("commits", endTxn, 3, writer.ending(true));
      await writer.check("commits, v5", endTxn, 5, writer.ending(true));
      writer.tell("goes on with its epoch", await writer.init({ producerId: writer.producerId, epoch: writer.epoch }));
      await writer.reopen();
      probe.tell("epoch", writer.epoch);
      await Transactional.read(probe, "log", { topic, writers: [writer], isolationLevel: 0 });
    },
  },
  {
    name: "a marker from outside fences an epoch, and is refused where it is too old",
    run: async (probe) => {
      const { name: topic } = await probe.topic("marked");
      await send(probe, "e0 s0", topic, { epoch: 0, base: 0 });
      await send(probe, "e0 s1", topic, { epoch: 0, base: 1 });
      await mark(probe, "same epoch", topic, { epoch: 0 });
      await remembered(probe, "batches are kept", topic);
      await send(probe, "e0 s1 again", topic, { epoch: 0, base: 1 });
      await mark(probe, "next epoch", topic, { epoch: 1, coordinatorEpoch: 4 });
      await remembered(probe, "batches are gone", topic);
      await send(probe, "e0 s1 repeated after the fence", topic, { epoch: 0, base: 1 });
      await send(probe, "e0 s2", topic, { epoch: 0, base: 2 });
      await send(probe, "e1 s2", topic, { epoch: 1, base: 2 });
      await mark(probe, "lower epoch", topic, { epoch: 0, coordinatorEpoch: 4 });
      await mark(probe, "lower coordinator", topic, { epoch: 1, coordinatorEpoch: 3 });
      await mark(probe, "same epoch, new kind", topic, {
        epoch: 1,
        coordinatorEpoch: 4,
        version: 2,
        transactionVersion: 2,
      });
      await send(probe, "e1 s0", topic, { epoch: 1, base: 0 });
      await mark(probe, "commit, new kind, same epoch", topic, {
        epoch: 1,
        coordinatorEpoch: 4,
        committed: true,
        version: 2,
        transactionVersion: 2,
      });
      await mark(probe, "commit, new kind, next epoch", topic, {
        epoch: 2,
        coordinatorEpoch: 4,
        committed: true,
        version: 2,
        transactionVersion: 2,
      });
      await mark(probe, "unknown partition", topic, { epoch: 9, partition: 7 });
      await mark(probe, "unknown topic", probe.named("missing"), { epoch: 9 });
      await remembered(probe, "in the end", topic);
      await Transactional.read(probe, "log", { topic, writers: [] });
    },
  },
  {
    name: "open transactions are listed and described",
    run: async (probe) => {
      const { name: topic } = await probe.topic("listed");
      const writer = await Transactional.open(probe, "writer");
      await writer.add("adds", topic);
      const ask = async (label: string, version: number, filter: object): Promise<void> => {
        const answer = await probe.ask(listTransactions, version, {
          stateFilters: [],
          producerIdFilters: [],
          ...filter,
        });
        const own = answer.transactionStates.filter(({ transactionalId }) => transactionalId === writer.id);
        writer.tell(label, { ...answer, transactionStates: own });
      };
      const producerIdFilters = [writer.producerId];
      await ask("all", 0, {});
      await ask("of the producer", 0, { producerIdFilters });
      await ask("of another producer", 0, { producerIdFilters: [writer.producerId + 1_000_000n] });
      await ask("ongoing", 0, { stateFilters: ["Ongoing", "Weird"] });
      await ask("empty", 0, { stateFilters: ["Empty"] });
      await ask("long", 1, { durationFilterMs: 3_600_000n });
      // Open for more than 0 ms once the clock has ticked.
      const { transactionStartTimeMs } = await writer.ended(/^Ongoing/);
      while (BigInt(Date.now()) <= transactionStartTimeMs) await delay(1);
      await ask("short", 1, { durationFilterMs: 0n });
      await ask("pattern", 2, { transactionalIdPattern: "writer.*" });
      await ask("pattern of a part", 2, { transactionalIdPattern: "write" });
      await ask("no pattern", 2, { transactionalIdPattern: "" });
      await ask("bad pattern", 2, { transactionalIdPattern: "(" });
      await probe.check("unknown and empty ids", describeTransactions, 0, {
        transactionalIds: [probe.named("nobody"), ""],
      });
      await writer.describe("described");
      await writer.end("aborts", false);
    },
  },
  {
    name: "offsets of a transaction count when it commits",
    run: async (probe) => {
      const { name: topic } = await probe.topic("read", { partitions: 2 });
      const groupId = probe.named("group");
      await groupCoordinated(probe, groupId);
      await probe.check("a commit before", offsetCommit, 8, {
        ...{ groupId, generationId: -1, memberId: "" },
        topics: [{ name: topic, partitions: [{ index: 1, committedOffset: 5n, committedMetadata: "" }] }],
      });
      const writer = await Transactional.open(probe, "writer");
      const body = (offset: bigint) => offsetsBody(writer, groupId, topic, offset);
      await writer.check("not announced, v3", txnOffsetCommit, 3, body(1n));
      await writer.check("not announced, v4", txnOffsetCommit, 4, body(1n));
      const announce = {
        transactionalId: writer.id,
        producerId: writer.producerId,
        producerEpoch: writer.epoch,
        groupId,
      };
      await writer.check("announces", addOffsetsToTxn, 3, announce);
      const state = await writer.ended(/^Ongoing/);
      writer.tell(
        "the group's partition is in",
        state.topics.map(({ name, partitionIndexes }) => [name, partitionIndexes.length]),
      );
      await writer.check("commits 7", txnOffsetCommit, 3, body(7n));
      await offsets(probe, "pending", groupId, topic);
      await writer.end("aborts", false);
      await stable(probe, groupId, topic);
      await offsets(probe, "aborted", groupId, topic);
      await writer.check("announces again", addOffsetsToTxn, 3, announce);
      await writer.check("commits 8", txnOffsetCommit, 3, body(8n));
      await writer.check("commits 9", txnOffsetCommit, 3, body(9n));
      await probe.check("a commit from outside meanwhile", offsetCommit, 8, {
        ...{ groupId, generationId: -1, memberId: "" },
        topics: [{ name: topic, partitions: [{ index: 0, committedOffset: 3n, committedMetadata: "" }] }],
      });
      await writer.end("commits", true);
      await stable(probe, groupId, topic);
      await offsets(probe, "committed", groupId, topic);
    },
  },
  {
    name: "offsets of a transaction are refused as those of a consumer are",
    run: async (probe) => {
      const { name: topic } = await probe.topic("read");
      const groupId = probe.named("group");
      await groupCoordinated(probe, groupId);
      const writer = await Transactional.open(probe, "writer");
      const body = offsetsBody(writer, groupId, topic, 4n);
      await writer.check("announces", addOffsetsToTxn, 3, { ...body, groupId });
      await writer.check("an unknown member", txnOffsetCommit, 3, { ...body, memberId: "m", generationId: 1 });
      await writer.check("a generation without a member", txnOffsetCommit, 3, { ...body, generationId: 1 });
      await writer.check("an unknown partition", txnOffsetCommit, 3, {
        ...body,
        topics: [
          { name: probe.named("missing"), partitions: [{ index: 3, committedOffset: 1n, committedMetadata: null }] },
        ],
      });
      await writer.check("another group", txnOffsetCommit, 3, { ...body, groupId: elsewhere(probe, groupId) });
      await writer.check("an old epoch", txnOffsetCommit, 3, { ...body, producerEpoch: writer.epoch - 1 });
      await writer.check("a future epoch", txnOffsetCommit, 3, { ...body, producerEpoch: writer.epoch + 1 });
      await writer.check("another producer", txnOffsetCommit, 3, {
        ...body,
        producerId: writer.producerId + 1_000_000n,
      });
      await writer.check("another id", txnOffsetCommit, 3, { ...body, transactionalId: probe.named("nobody") });
      await writer.check("an empty group", txnOffsetCommit, 3, { ...body, groupId: "" });
      await writer.check("an empty id", txnOffsetCommit, 3, { ...body, transactionalId: "" });
      await writer.check("v2, without a member", txnOffsetCommit, 2, body);
      await writer.end("commits", true);
      await stable(probe, groupId, topic);
      await offsets(probe, "committed", groupId, topic);
    },
  },
  {
    name: "offsets need no announcement where epochs rise by themselves",
    run: async (probe) => {
      const { name: topic } = await probe.topic("read");
      const groupId = probe.named("group");
      await groupCoordinated(probe, groupId);
      const writer = await Transactional.open(probe, "writer");
      await writer.check("commits 4", txnOffsetCommit, 5, offsetsBody(writer, groupId, topic, 4n));
      await writer.describe("open");
      await writer.end("ends", true, 5);
      await stable(probe, groupId, topic);
      await offsets(probe, "committed", groupId, topic);
      await writer.check("commits 6", txnOffsetCommit, 5, offsetsBody(writer, groupId, topic, 6n));
      await writer.end("aborts", false, 5);
      await stable(probe, groupId, topic);
      await offsets(probe, "aborted", groupId, topic);
    },
  },
  {
    name: "a request carries the batches of one transactional producer",
    run: async (probe) => {
      const { name: topic } = await probe.topic("mixed", { partitions: 2 });
      const [writer, other] = [await Transactional.open(probe, "writer"), await Transactional.open(probe, "other")];
      await writer.add("adds", topic, [0, 1]);
      const records = (producerId: bigint, attributes: number) =>
        batch({ producerId, producerEpoch: writer.epoch, baseSequence: 0, attributes, baseTimestamp: probe.nowMs });
      const ask = async (label: string, second: Buffer): Promise<void> => {
        const answer = await probe.ask(produce, 9, {
          ...{ transactionalId: writer.id, acks: -1, timeoutMs: 10_000 },
          topics: [
            {
              name: topic,
              partitions: [
                { index: 0, records: records(writer.producerId, TRANSACTIONAL_BIT) },
                { index: 1, records: second },
              ],
            },
          ],
        });
        // Their order is that of a hash table.
        const partitions = answer.topics.flatMap((each) => each.partitions);
        writer.tell(
          label,
          partitions.toSorted((a, b) => a.index - b.index),
        );
      };
      await ask("two transactional ones", records(other.producerId, TRANSACTIONAL_BIT));
      await ask("a transactional and a plain one", records(-1n, 0));
      await writer.end("aborts", false);
    },
  },
];
