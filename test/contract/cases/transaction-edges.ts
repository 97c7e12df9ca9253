/** Transactions at the edges: brokers that ask for clients, members of groups, deleted records, weak acknowledgements, settings. */

import type { ResponseOutput } from "../../../src/wire/api.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { joinGroup } from "../../../src/wire/apis/11-join-group.ts";
import { syncGroup } from "../../../src/wire/apis/14-sync-group.ts";
import { deleteRecords } from "../../../src/wire/apis/21-delete-records.ts";
import { addPartitionsToTxn } from "../../../src/wire/apis/24-add-partitions-to-txn.ts";
import { addOffsetsToTxn } from "../../../src/wire/apis/25-add-offsets-to-txn.ts";
import { txnOffsetCommit } from "../../../src/wire/apis/28-txn-offset-commit.ts";
import { describeConfigs } from "../../../src/wire/apis/32-describe-configs.ts";
import { TRANSACTIONAL_BIT } from "../../../src/wire/record-batch.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";
import { groupCoordinated, Transactional } from "../transactional.ts";

const BROKER = 4;

/** Settings that transactions and the memory of producers obey. */
const SETTINGS = [
  "producer.id.expiration.ms",
  "transaction.abort.timed.out.transaction.cleanup.interval.ms",
  "transaction.max.timeout.ms",
  "transaction.remove.expired.transaction.cleanup.interval.ms",
  "transactional.id.expiration.ms",
];

/** Joins as the only member. */
async function soleMember(probe: Probe, groupId: string) {
  await groupCoordinated(probe, groupId);
  const join = {
    ...{ groupId, sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 10_000, protocolType: "consumer" },
    protocols: [{ name: "range", metadata: Buffer.from("r") }],
  };
  const { memberId } = await probe.ask(joinGroup, 5, { ...join, memberId: "" });
  const { generationId } = await probe.ask(joinGroup, 5, { ...join, memberId });
  const assignments = [{ memberId, assignment: Buffer.from("mine") }];
  await probe.ask(syncGroup, 3, { groupId, generationId, memberId, assignments });
  return { memberId, generationId };
}

/** Transactions and partitions come in the order of a hash table. */
function sorted(transactions: ResponseOutput<typeof addPartitionsToTxn>["transactions"]) {
  return transactions
    .map(({ topics, ...rest }) => ({
      ...rest,
      topics: topics.map(({ partitions, ...topic }) => ({
        ...topic,
        partitions: partitions.toSorted((one, other) => one.index - other.index),
      })),
    }))
    .toSorted((one, other) => one.transactionalId.localeCompare(other.transactionalId));
}

export const transactionEdgeCases: readonly ContractCase[] = [
  {
    name: "brokers verify and add partitions of several transactions at once",
    run: async (probe) => {
      const { name: topic } = await probe.topic("asked", { partitions: 3 });
      const writer = await Transactional.open(probe, "writer");
      await writer.add("adds 0", topic, [0]);
      const base = { producerId: writer.producerId, producerEpoch: writer.epoch };
      const topics = [{ name: topic, partitions: [0, 1] }];
      const own = { transactionalId: writer.id, ...base, topics };
      for (const version of [4, 5]) {
        const answer = await probe.ask(addPartitionsToTxn, version, {
          transactions: [
            { ...own, verifyOnly: true },
            { ...own, transactionalId: probe.named("nobody"), verifyOnly: true },
          ],
        });
        writer.tell(`v${version}`, sorted(answer.transactions));
        const transactions = [{ ...own, producerEpoch: writer.epoch + 1, verifyOnly: true }];
        const other = await probe.ask(addPartitionsToTxn, version, { transactions });
        writer.tell(`v${version}, another epoch`, sorted(other.transactions));
      }
      await writer.check("adds 2", addPartitionsToTxn, 5, {
        transactions: [{ ...own, topics: [{ name: topic, partitions: [2] }], verifyOnly: false }],
      });
      await writer.describe("described");
      await writer.end("aborts", false);
    },
  },
  {
    name: "offsets of a transaction come from members that are current",
    run: async (probe) => {
      const { name: topic } = await probe.topic("read");
      const groupId = probe.named("group");
      const { memberId, generationId } = await soleMember(probe, groupId);
      const writer = await Transactional.open(probe, "writer");
      const base = { transactionalId: writer.id, producerId: writer.producerId, producerEpoch: writer.epoch, groupId };
      const topics = [{ name: topic, partitions: [{ index: 0, committedOffset: 4n, committedMetadata: "" }] }];
      await writer.check("announces", addOffsetsToTxn, 3, base);
      const ask = (label: string, version: number, member: object) =>
        writer.check(label, txnOffsetCommit, version, { ...base, topics, ...member });
      await ask("current", 3, { memberId, generationId });
      await ask("an old generation", 3, { memberId, generationId: generationId - 1 });
      await ask("an unknown member", 3, { memberId: "nobody", generationId });
      await ask("a static member that is not", 3, { memberId, generationId, groupInstanceId: "static" });
      await ask("no member", 3, {});
      await ask("a member without a generation", 3, { memberId });
      await ask("an old client", 2, {});
      await writer.end("commits", true);
    },
  },
  {
    name: "records of an open transaction may be deleted, and the last stable offset stays in the log",
    run: async (probe) => {
      const { name: topic } = await probe.topic("deleted");
      const writer = await Transactional.open(probe, "writer");
      const writers = [writer];
      await writer.add("adds", topic);
      await writer.send("writes", { topic, base: 0, count: 3 });
      await writer.send("writes more", { topic, base: 3, count: 3 });
      const partitions = [{ index: 0, offset: 4n }];
      await probe.check("deletes", deleteRecords, 2, { topics: [{ name: topic, partitions }], timeoutMs: 10_000 });
      await Transactional.read(probe, "open", { topic, writers, offset: 4n });
      await writer.remembered("in the partition", topic);
      await writer.end("aborts", false);
      await Transactional.read(probe, "aborted", { topic, writers, offset: 4n });
    },
  },
  {
    name: "transactional batches may be sent with any acknowledgement",
    run: async (probe) => {
      const { name: topic } = await probe.topic("weak");
      const writer = await Transactional.open(probe, "writer");
      await writer.add("adds", topic);
      for (const [base, acks] of [1, -1].entries()) {
        const { producerId, epoch: producerEpoch } = writer;
        const shape = { producerId, producerEpoch, baseSequence: base, attributes: TRANSACTIONAL_BIT };
        await writer.check(`acks ${acks}`, produce, 9, {
          ...{ transactionalId: writer.id, acks, timeoutMs: 10_000 },
          topics: [
            { name: topic, partitions: [{ index: 0, records: batch({ ...shape, baseTimestamp: probe.nowMs }) }] },
          ],
        });
      }
      await writer.end("commits", true);
      await Transactional.read(probe, "log", { topic, writers: [writer] });
    },
  },
  {
    name: "limits of transactions are settings of the broker",
    run: async (probe) => {
      const resources = [{ resourceType: BROKER, resourceName: "1", configurationKeys: SETTINGS }];
      const answer = await probe.ask(describeConfigs, 4, { resources, includeSynonyms: false });
      const configs = answer.results[0]?.configs ?? [];
      probe.tell(
        "values",
        configs
          .map(({ name, value, configType, readOnly }) => ({ name, value, configType, readOnly }))
          .sort((one, other) => one.name.localeCompare(other.name)),
      );
    },
  },
];
