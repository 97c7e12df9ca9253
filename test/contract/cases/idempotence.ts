/** What a leader accepts from an idempotent producer, and what it remembers of it. */

import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { describeProducers } from "../../../src/wire/apis/61-describe-producers.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

/** Ids far from those that brokers give out, as derived ids are. */
const PRODUCER = 2n ** 40n + 7n;
const SEQUENCE_MAX = 2 ** 31 - 1;

interface Sent {
  readonly base: number;
  readonly count?: number;
  readonly epoch?: number;
  readonly producerId?: bigint;
}

/** Sends one batch with a sequence and tells what the leader said. */
async function send(probe: Probe, topic: string, label: string, sent: Sent): Promise<void> {
  const bytes = batch({
    count: sent.count ?? 2,
    producerId: sent.producerId ?? PRODUCER,
    producerEpoch: sent.epoch ?? 0,
    baseSequence: sent.base,
    baseTimestamp: probe.nowMs,
  });
  probe.tell(label, await probe.produce(topic, bytes));
}

async function remembered(probe: Probe, topic: string, label: string, partition = 0): Promise<void> {
  const answer = await probe.ask(describeProducers, 0, { topics: [{ name: topic, partitionIndexes: [partition] }] });
  const topics = answer.topics.map(({ partitions, ...rest }) => ({
    ...rest,
    // Their order is that of a hash table.
    partitions: partitions.map(({ activeProducers, ...one }) => ({
      ...one,
      activeProducers: activeProducers.toSorted((a, b) => Number(a.producerId - b.producerId)),
    })),
  }));
  probe.tell(label, { ...answer, topics });
}

export const idempotenceCases: readonly ContractCase[] = [
  {
    name: "leader repeats the last five batches as successes and refuses older ones",
    run: async (probe) => {
      const { name } = await probe.topic("repeats");
      for (let base = 0; base < 14; base += 2) await send(probe, name, `batch ${base}`, { base });
      for (let base = 12; base >= 0; base -= 2) await send(probe, name, `again ${base}`, { base });
      await send(probe, name, "next", { base: 14 });
      probe.tell("log", await probe.fetch(name));
    },
  },
  {
    name: "leader refuses gaps, overlaps and joined repeats",
    run: async (probe) => {
      const { name } = await probe.topic("overlaps");
      await send(probe, name, "0-3", { base: 0, count: 4 });
      await send(probe, name, "4-7", { base: 4, count: 4 });
      await send(probe, name, "4-9", { base: 4, count: 6 });
      await send(probe, name, "4-5", { base: 4, count: 2 });
      await send(probe, name, "6-9", { base: 6, count: 4 });
      await send(probe, name, "0-7", { base: 0, count: 8 });
      await send(probe, name, "9-10", { base: 9, count: 2 });
      await send(probe, name, "8-9", { base: 8, count: 2 });
      await remembered(probe, name, "remembered");
    },
  },
  {
    name: "leader lets a new epoch start at zero only, and then refuses the old one",
    run: async (probe) => {
      const { name } = await probe.topic("epochs");
      await send(probe, name, "epoch 0", { base: 0 });
      await send(probe, name, "epoch 1 not at zero", { base: 2, epoch: 1 });
      await send(probe, name, "epoch 1 at zero", { base: 0, epoch: 1 });
      await send(probe, name, "epoch 0 again", { base: 2, epoch: 0 });
      await send(probe, name, "epoch 0 exact repeat", { base: 0, epoch: 0 });
      await send(probe, name, "epoch 1 goes on", { base: 2, epoch: 1 });
      await send(probe, name, "epoch 3 skips one", { base: 0, epoch: 3 });
      await remembered(probe, name, "remembered");
    },
  },
  {
    name: "leader takes any first sequence and epoch from a producer it does not know",
    run: async (probe) => {
      const { name } = await probe.topic("unknown");
      await send(probe, name, "sequence 1000", { base: 1_000, producerId: 1n });
      await send(probe, name, "epoch 7 and sequence 5", { base: 5, epoch: 7, producerId: 2n });
      await send(probe, name, "largest id", { base: 0, producerId: 2n ** 63n - 1n });
      await send(probe, name, "its repeat", { base: 0, producerId: 2n ** 63n - 1n });
      await remembered(probe, name, "remembered");
    },
  },
  {
    name: "sequence wraps from its maximum to zero, within a batch and between two",
    run: async (probe) => {
      const { name } = await probe.topic("wraps");
      await send(probe, name, "wraps within", { base: SEQUENCE_MAX - 2, count: 6 });
      await send(probe, name, "repeat", { base: SEQUENCE_MAX - 2, count: 6 });
      await remembered(probe, name, "remembered");
      await send(probe, name, "gap", { base: 4 });
      await send(probe, name, "next", { base: 3 });
      await send(probe, name, "ends at the maximum", { base: SEQUENCE_MAX - 1, producerId: 9n });
      await send(probe, name, "starts at zero", { base: 0, producerId: 9n });
    },
  },
  {
    name: "batch without producer id or epoch is not idempotent, and one without a sequence is refused",
    run: async (probe) => {
      const { name } = await probe.topic("halves");
      const noId = { baseTimestamp: probe.nowMs, producerId: -1n, producerEpoch: 0, baseSequence: 5 };
      probe.tell("no id", await probe.produce(name, batch(noId)));
      probe.tell("no id again", await probe.produce(name, batch(noId)));
      const noEpoch = { baseTimestamp: probe.nowMs, producerId: PRODUCER, producerEpoch: -1, baseSequence: 5 };
      probe.tell("no epoch", await probe.produce(name, batch(noEpoch)));
      const noSequence = { baseTimestamp: probe.nowMs, producerId: PRODUCER, producerEpoch: 0, baseSequence: -1 };
      probe.tell("no sequence", await probe.produce(name, batch(noSequence)));
      probe.tell("log", await probe.fetch(name));
    },
  },
  {
    name: "repeat counts by its sequences alone, whatever its payload",
    run: async (probe) => {
      const { name } = await probe.topic("payload");
      const stamp = { producerId: PRODUCER, producerEpoch: 0, baseSequence: 0, baseTimestamp: probe.nowMs };
      probe.tell("first", await probe.produce(name, batch({ ...stamp, key: "a" })));
      probe.tell("other payload", await probe.produce(name, batch({ ...stamp, key: "b" })));
      probe.tell("log", await probe.fetch(name));
    },
  },
  {
    name: "producers are kept per partition and described with the timestamp of their last record",
    run: async (probe) => {
      const { name } = await probe.topic("described", { partitions: 2 });
      const stamp = { producerId: PRODUCER, producerEpoch: 0, baseSequence: 0, count: 3 };
      await probe.produce(name, batch({ ...stamp, baseTimestamp: probe.nowMs - 60_000n }));
      await remembered(probe, name, "partition 0");
      await remembered(probe, name, "partition 1", 1);
      await remembered(probe, name, "partition that does not exist", 5);
      await remembered(probe, probe.named("nowhere"), "topic that does not exist");
    },
  },
  {
    name: "five batches in flight fail together when the first fails and the producer is known",
    run: (probe) => pipelined(probe, true),
  },
  {
    name: "a producer the partition does not know has no order protection",
    run: (probe) => pipelined(probe, false),
  },
  {
    name: "InitProducerId without a transactional id gives a fresh id with epoch zero",
    run: async (probe) => {
      const first = await freshProducer(probe);
      const second = await freshProducer(probe);
      probe.tell("facts", {
        error: first.errorCode,
        epochs: [first.producerEpoch, second.producerEpoch],
        differ: first.producerId !== second.producerId,
        positive: first.producerId >= 0n && second.producerId >= 0n,
      });
    },
  },
];

/** The first batch of five is too large; the other four follow on the same connection without waiting. */
async function pipelined(probe: Probe, known: boolean): Promise<void> {
  const { name } = await probe.topic("pipeline", { configs: { "max.message.bytes": "1000" } });
  const connection = await probe.connect();
  const stamped = (baseSequence: number, valueBytes: number): Buffer =>
    batch({ producerId: PRODUCER, producerEpoch: 0, baseSequence, valueBytes, baseTimestamp: probe.nowMs });
  if (known) await probe.produce(name, stamped(0, 2), { connection });
  const from = known ? 1 : 0;
  const sizes = [2_000, 2, 2, 2, 2];
  const answers = await Promise.all(
    sizes.map((valueBytes, index) => probe.produce(name, stamped(from + index, valueBytes), { connection })),
  );
  probe.tell("answers", answers);
}

/** A broker's first InitProducerId may answer that its block of ids is still on the way. */
async function freshProducer(probe: Probe) {
  for (let attempt = 0; ; attempt++) {
    const answer = await probe.ask(initProducerId, 1, { transactionalId: null, transactionTimeoutMs: 60_000 });
    if (answer.errorCode !== ErrorCode.GROUP_LOAD_IN_PROGRESS || attempt > 100) return answer;
  }
}
