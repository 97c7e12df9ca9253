/** Transactions as a producer and its readers see them: what is visible when, what is fenced, and what each state refuses. */

import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { addPartitionsToTxn } from "../../../src/wire/apis/24-add-partitions-to-txn.ts";
import { addOffsetsToTxn } from "../../../src/wire/apis/25-add-offsets-to-txn.ts";
import { endTxn } from "../../../src/wire/apis/26-end-txn.ts";
import type { ContractCase, Probe } from "../probe.ts";
import { Transactional } from "../transactional.ts";

const ABORTABLE_VERSION = 11;
const IMPLICIT_VERSION = 12;

async function ends(probe: Probe, label: string, topic: string): Promise<void> {
  for (const isolationLevel of [0, 1]) {
    const partitions = [{ index: 0, timestampMs: -1n }];
    await probe.check(`${label}, isolation ${isolationLevel}`, listOffsets, 6, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: topic, partitions }],
    });
  }
}

/** Every request of a producer whose epoch is not the current one, at versions that answer differently. */
async function tryAll(
  probe: Probe,
  label: string,
  one: { readonly writer: Transactional; readonly topic: string; readonly epoch: number; readonly groupId: string },
): Promise<void> {
  const { writer, topic, epoch, groupId } = one;
  const base = { transactionalId: writer.id, producerId: writer.producerId, producerEpoch: epoch };
  for (const version of [9, ABORTABLE_VERSION])
    await writer.send(`${label} produce v${version}`, { topic, base: 7, epoch, version });
  for (const version of [0, 1, 2, 3])
    await writer.check(`${label} add partitions v${version}`, addPartitionsToTxn, version, {
      ...base,
      topics: [{ name: topic, partitions: [0] }],
    });
  for (const version of [0, 1, 2, 3, 4])
    await writer.check(`${label} add offsets v${version}`, addOffsetsToTxn, version, { ...base, groupId });
  for (const version of [0, 1, 2, 3, 4, 5])
    await writer.check(`${label} end v${version}`, endTxn, version, writer.ending(true, epoch));
  for (const version of [3, 4]) {
    const init = { producerId: writer.producerId, epoch, version };
    writer.tell(`${label} init v${version}`, await writer.init(init));
  }
  void probe;
}

export const transactionCases: readonly ContractCase[] = [
  {
    name: "committed records show when the transaction ends, aborted ones are named",
    run: async (probe) => {
      const { name: topic } = await probe.topic("visible", { partitions: 2 });
      const [one, two] = [await Transactional.open(probe, "one"), await Transactional.open(probe, "two")];
      const writers = [one, two];
      probe.tell(
        "epochs",
        writers.map(({ epoch }) => epoch),
      );
      await one.add("one adds", topic, [0, 1]);
      await two.add("two adds", topic);
      await one.send("one writes", { topic, base: 0, count: 2 });
      await two.send("two writes", { topic, base: 0, count: 3 });
      await one.send("one writes more", { topic, base: 2 });
      await one.send("one writes to 1", { topic, base: 0, partition: 1 });
      await Transactional.read(probe, "nothing is visible", { topic, writers });
      await Transactional.read(probe, "all is there", { topic, writers, isolationLevel: 0 });
      await ends(probe, "both open", topic);
      await one.describe("one is open");
      await one.remembered("one in the partition", topic);
      await two.end("two aborts", false);
      await Transactional.read(probe, "one is in the way", { topic, writers });
      await one.end("one commits", true);
      await one.describe("one is complete");
      await one.remembered("one in the partition afterwards", topic);
      await two.remembered("two in the partition afterwards", topic);
      await ends(probe, "both ended", topic);
      await Transactional.read(probe, "one is visible", { topic, writers });
      await Transactional.read(probe, "from the middle", { topic, writers, offset: 5n });
      await Transactional.read(probe, "behind the markers", { topic, writers, offset: 8n });
      await one.add("one adds again", topic);
      await one.send("one goes on with its sequence", { topic, base: 3 });
      await one.send("one repeats", { topic, base: 3 });
      await one.end("one aborts", false);
      await Transactional.read(probe, "the rest", { topic, writers, offset: 5n });
      await Transactional.read(probe, "everything", { topic, writers });
    },
  },
  {
    name: "a read names aborted transactions up to the next indexed batch",
    run: async (probe) => {
      const { name: topic } = await probe.topic("indexed", { configs: { "index.interval.bytes": "200" } });
      const writer = await Transactional.open(probe, "writer");
      for (let turn = 0; turn < 6; turn++) {
        await writer.add(`adds ${turn}`, topic);
        await writer.send(`writes ${turn}`, { topic, base: turn });
        await writer.end(`aborts ${turn}`, false);
      }
      for (const offset of [0n, 3n, 6n])
        await Transactional.read(probe, `from ${offset}`, { topic, writers: [writer], offset, partitionMaxBytes: 1 });
    },
  },
  {
    name: "each transaction raises the epoch when the client asks for it",
    run: async (probe) => {
      const { name: topic } = await probe.topic("bumped", { partitions: 2 });
      const writer = await Transactional.open(probe, "writer");
      await writer.send("first write, not announced", { topic, base: 0, count: 2, version: IMPLICIT_VERSION });
      await writer.send("second write", { topic, base: 2, version: IMPLICIT_VERSION });
      await writer.describe("open");
      const first = writer.epoch;
      await writer.end("commits", true, 5);
      await writer.describe("committed");
      await writer.remembered("after the commit", topic);
      await writer.check("commits again with the old epoch", endTxn, 5, writer.ending(true, first));
      await writer.check("aborts with the old epoch", endTxn, 5, writer.ending(false, first));
      await writer.check("commits nothing", endTxn, 5, writer.ending(true));
      await writer.send("a late batch of the old epoch", { topic, base: 3, epoch: first, version: IMPLICIT_VERSION });
      await writer.send("a repeat of the old epoch", { topic, base: 2, epoch: first, version: IMPLICIT_VERSION });
      await writer.send("not at zero", { topic, base: 3, version: IMPLICIT_VERSION });
      await writer.send("at zero", { topic, base: 0, version: IMPLICIT_VERSION });
      await writer.send("new partition, not at zero", { topic, base: 4, partition: 1, version: IMPLICIT_VERSION });
      await writer.end("aborts", false, 5);
      await writer.end("aborts nothing", false, 5);
      await writer.describe("aborted nothing");
      await Transactional.read(probe, "log", { topic, writers: [writer] });
      await Transactional.read(probe, "log, all", { topic, writers: [writer], isolationLevel: 0 });
    },
  },
  {
    name: "a successor fences the writer and aborts what it left open",
    run: async (probe) => {
      const { name: topic } = await probe.topic("fenced");
      const writer = await Transactional.open(probe, "writer");
      await writer.add("adds", topic);
      await writer.send("writes", { topic, base: 0 });
      const old = writer.epoch;
      writer.tell("first attempt to take over", await writer.init());
      await writer.ended();
      await writer.describe("aborted");
      await writer.remembered("in the partition", topic);
      await writer.reopen();
      probe.tell("epoch", writer.epoch);
      await tryAll(probe, "old", { writer, topic, epoch: old, groupId: probe.named("group") });
      await writer.describe("as before");
      await tryAll(probe, "future", { writer, topic, epoch: writer.epoch + 5, groupId: probe.named("group") });
      await writer.describe("still as before");
      await Transactional.read(probe, "log", { topic, writers: [writer], isolationLevel: 0 });
    },
  },
  {
    name: "a successor fences a writer that has nothing open",
    run: async (probe) => {
      const { name: topic } = await probe.topic("idle");
      const writer = await Transactional.open(probe, "writer");
      await writer.add("adds", topic);
      await writer.send("writes", { topic, base: 0 });
      await writer.end("commits", true);
      const old = writer.epoch;
      await writer.reopen();
      probe.tell("epoch", writer.epoch);
      await tryAll(probe, "old", { writer, topic, epoch: old, groupId: probe.named("group") });
      await writer.send("the old one writes with an epoch that the partition knows", {
        topic,
        base: 1,
        epoch: old,
        isTransactional: false,
        transactionalId: null,
      });
      await writer.add("adds again", topic);
      await writer.send("not at zero", { topic, base: 1 });
      await writer.send("at zero", { topic, base: 0 });
      await writer.send("outside the transaction", { topic, base: 1, isTransactional: false, transactionalId: null });
      await writer.end("aborts", false);
    },
  },
  {
    name: "each state of a transaction takes the ends that it takes",
    run: async (probe) => {
      const { name: topic } = await probe.topic("states");
      const writer = await Transactional.open(probe, "writer");
      const all = async (label: string): Promise<void> => {
        await writer.check(`${label}: commit`, endTxn, 3, writer.ending(true));
        await writer.check(`${label}: abort`, endTxn, 3, writer.ending(false));
      };
      await writer.describe("empty");
      await all("empty");
      await writer.add("adds", topic);
      await writer.end("commits", true);
      await all("committed");
      await writer.add("adds again", topic);
      await writer.end("aborts", false);
      await all("aborted");
      await writer.describe("aborted");
      await Transactional.read(probe, "log", { topic, writers: [writer], isolationLevel: 0 });
    },
  },
  {
    name: "a partition that is not in the transaction refuses its batches",
    run: async (probe) => {
      const { name: topic } = await probe.topic("strange", { partitions: 2 });
      const writer = await Transactional.open(probe, "writer");
      await writer.send("nothing open, v9", { topic, base: 0 });
      await writer.send("nothing open, v11", { topic, base: 0, version: ABORTABLE_VERSION });
      await writer.add("adds 0", topic, [0]);
      await writer.send("1 is not in, v9", { topic, base: 0, partition: 1 });
      await writer.send("1 is not in, v11", { topic, base: 0, partition: 1, version: ABORTABLE_VERSION });
      await writer.send("no transactional id", { topic, base: 0, transactionalId: null });
      await writer.send("another id", { topic, base: 0, transactionalId: probe.named("other") });
      await writer.send("an empty id", { topic, base: 0, transactionalId: "" });
      await writer.send("begins late", { topic, base: 4 });
      await writer.send("a batch that is not transactional", { topic, base: 5, isTransactional: false });
      await writer.send("goes on", { topic, base: 5 });
      await writer.end("commits", true);
      await writer.send("after the end, v9", { topic, base: 6 });
      await writer.send("after the end, v11", { topic, base: 6, version: ABORTABLE_VERSION });
      await Transactional.read(probe, "log", { topic, writers: [writer], isolationLevel: 0 });
    },
  },
  {
    name: "a coordinator knows its own transactional ids only",
    run: async (probe) => {
      const { name: topic } = await probe.topic("own", { partitions: 1 });
      const writer = await Transactional.open(probe, "writer");
      const base = { transactionalId: writer.id, producerId: writer.producerId, producerEpoch: writer.epoch };
      const topics = [{ name: topic, partitions: [0] }];
      const groupId = probe.named("group");
      for (const [label, change] of [
        ["unknown id", { transactionalId: probe.named("nobody") }],
        ["empty id", { transactionalId: "" }],
        ["another producer", { producerId: writer.producerId + 1_000_000n }],
      ] as const) {
        const body = { ...base, ...change };
        await writer.check(`${label}: add partitions`, addPartitionsToTxn, 3, { ...body, topics });
        await writer.check(`${label}: add offsets`, addOffsetsToTxn, 3, { ...body, groupId });
        await writer.check(`${label}: end v3`, endTxn, 3, { ...body, committed: true });
        await writer.check(`${label}: end v5`, endTxn, 5, { ...body, committed: false });
      }
      const mixed = await probe.ask(addPartitionsToTxn, 3, {
        ...base,
        topics: [
          { name: topic, partitions: [0, 9] },
          { name: probe.named("missing"), partitions: [0] },
        ],
      });
      // Their order is that of a hash table.
      const codes = mixed.topics.flatMap(({ name, partitions }) => partitions.map((each) => ({ name, ...each })));
      writer.tell(
        "unknown partitions beside a known one",
        codes.sort((one, other) => one.name.localeCompare(other.name) || one.index - other.index),
      );
      await writer.check("no partitions", addPartitionsToTxn, 3, { ...base, topics: [] });
      await writer.describe("after no partitions");
      await writer.check("an empty group", addOffsetsToTxn, 3, { ...base, groupId: "" });
    },
  },
];
