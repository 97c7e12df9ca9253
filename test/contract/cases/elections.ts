/** Three brokers, one of which crashes: what the others answer before, after, and to those who ask the wrong one. */

import { setTimeout as delay } from "node:timers/promises";
import type { ResponseOutput } from "../../../src/wire/api.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { offsetForLeaderEpoch } from "../../../src/wire/apis/23-offset-for-leader-epoch.ts";
import { describeProducers } from "../../../src/wire/apis/61-describe-producers.ts";
import { batch } from "../batches.ts";
import type { RawConnection } from "../connection.ts";
import type { ContractCase, Probe } from "../probe.ts";

const PRODUCER = 2n ** 41n + 5n;
/** Kafka notices a crashed broker after its session of 3 s. */
const SETTLE_POLLS_MAX = 300;
const SETTLE_POLL_MS = 100;

type PartitionState = ResponseOutput<typeof metadata>["topics"][number]["partitions"][number];

/** Partition 0 as some living broker describes it. */
async function described(probe: Probe, topic: string): Promise<PartitionState | undefined> {
  for (const id of probe.cluster.addresses.keys()) {
    try {
      const connection = await probe.connectTo(id);
      const answer = await connection.ask(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: false });
      const partition = answer.topics[0]?.partitions[0];
      if (partition !== undefined) return partition;
    } catch {
      // This one is down; another may answer.
    }
  }
  return undefined;
}

async function until(probe: Probe, topic: string, wanted: (state: PartitionState) => boolean): Promise<PartitionState> {
  for (let poll = 0; poll < SETTLE_POLLS_MAX; poll++) {
    const state = await described(probe, topic);
    if (state !== undefined && wanted(state)) return state;
    await delay(SETTLE_POLL_MS);
  }
  throw new Error(`partition did not settle: ${JSON.stringify(await described(probe, topic))}`);
}

/** A topic with three replicas in sync, and a connection to its leader that answers as one. */
export async function replicated(probe: Probe, name: string, configs: Readonly<Record<string, string>> = {}) {
  const topic = await probe.topic(name, { replicationFactor: 3, configs });
  const state = await until(probe, topic.name, ({ leaderId, isrNodes }) => leaderId > 0 && isrNodes.length === 3);
  return { topic: topic.name, leaderId: state.leaderId, leader: await leading(probe, topic.name, state.leaderId) };
}

/** A leader learns of its role a moment after the others may have told of it. */
async function leading(probe: Probe, topic: string, leaderId: number): Promise<RawConnection> {
  const connection = await probe.connectTo(leaderId);
  for (let poll = 0; poll < SETTLE_POLLS_MAX; poll++) {
    const answer = await connection.ask(listOffsets, 6, endOf(topic));
    if (answer.topics[0]?.partitions[0]?.errorCode === 0) return connection;
    await delay(SETTLE_POLL_MS);
  }
  throw new Error(`broker ${leaderId} does not lead ${topic}`);
}

function endOf(name: string) {
  return { replicaId: -1, isolationLevel: 0, topics: [{ name, partitions: [{ index: 0, timestampMs: -1n }] }] };
}

function fetchFrom(
  name: string,
  fetchOffset: bigint,
  epochs: { readonly last?: number; readonly current?: number } = {},
) {
  const partition = {
    index: 0,
    fetchOffset,
    partitionMaxBytes: 1_000_000,
    lastFetchedEpoch: epochs.last ?? -1,
    currentLeaderEpoch: epochs.current ?? -1,
  };
  return {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1_000_000,
    isolationLevel: 0,
    topics: [{ name, partitions: [partition] }],
  };
}

/** Crashes the leader and returns a connection to the next one. Whoever calls it has to start the broker again. */
export async function crash(probe: Probe, topic: string, leaderId: number): Promise<RawConnection> {
  await probe.cluster.stopBroker(leaderId);
  const state = await until(
    probe,
    topic,
    (one) => one.leaderId > 0 && one.leaderId !== leaderId && one.isrNodes.length === 2,
  );
  return leading(probe, topic, state.leaderId);
}

/** Brings the broker back, and waits until its replica counts again, so that the next case begins as this one did. */
export async function recovered(probe: Probe, topic: string, brokerId: number): Promise<void> {
  await probe.cluster.startBroker(brokerId);
  await until(probe, topic, ({ isrNodes }) => isrNodes.length === 3);
}

function stamped(probe: Probe, baseSequence: number, count = 2): Buffer {
  return batch({ count, producerId: PRODUCER, producerEpoch: 0, baseSequence, baseTimestamp: probe.nowMs });
}

/** Needs three brokers; each case leaves all of them running. */
export const electionCases: readonly ContractCase[] = [
  {
    name: "next leader repeats the last five batches, and refuses gaps and older ones",
    run: async (probe) => {
      const { topic, leaderId, leader } = await replicated(probe, "failover");
      for (let base = 0; base < 12; base += 2) await probe.produce(topic, stamped(probe, base), { connection: leader });
      const next = await crash(probe, topic, leaderId);
      try {
        for (const base of [10, 8, 6, 4, 2, 0]) {
          probe.tell(`again ${base}`, await probe.produce(topic, stamped(probe, base), { connection: next }));
        }
        probe.tell("gap", await probe.produce(topic, stamped(probe, 14), { connection: next }));
        probe.tell("next", await probe.produce(topic, stamped(probe, 12), { connection: next }));
        probe.tell("log", await next.ask(fetchApi, 12, fetchFrom(topic, 0n)));
        const asked = { topics: [{ name: topic, partitionIndexes: [0] }] };
        probe.tell("remembered", await next.ask(describeProducers, 0, asked));
      } finally {
        await recovered(probe, topic, leaderId);
      }
    },
  },
  {
    name: "leader epochs tell where the old leader's log ended, and fence who still believes in it",
    run: async (probe) => {
      const { topic, leaderId, leader } = await replicated(probe, "epochs");
      const bytes = (count: number): Buffer => batch({ count, baseTimestamp: probe.nowMs });
      await probe.produce(topic, bytes(5), { connection: leader });
      const next = await crash(probe, topic, leaderId);
      try {
        probe.tell("produced in the next epoch", await probe.produce(topic, bytes(3), { connection: next }));
        for (const leaderEpoch of [0, 1, 5]) {
          const partitions = [{ index: 0, currentLeaderEpoch: -1, leaderEpoch }];
          const answer = await next.ask(offsetForLeaderEpoch, 4, {
            replicaId: -1,
            topics: [{ name: topic, partitions }],
          });
          probe.tell(`end of epoch ${leaderEpoch}`, answer);
        }
        probe.tell("fenced", await next.ask(fetchApi, 12, fetchFrom(topic, 5n, { current: 0 })));
        probe.tell("unknown", await next.ask(fetchApi, 12, fetchFrom(topic, 5n, { current: 9 })));
        probe.tell("last of epoch 0", await next.ask(fetchApi, 12, fetchFrom(topic, 5n, { last: 0 })));
        probe.tell("epoch 0 went on", await next.ask(fetchApi, 12, fetchFrom(topic, 7n, { last: 0 })));
        probe.tell("epoch 1", await next.ask(fetchApi, 12, fetchFrom(topic, 8n, { last: 1 })));
      } finally {
        await recovered(probe, topic, leaderId);
      }
    },
  },
  {
    name: "followers refuse writes and questions for the end, and let consumers read",
    run: async (probe) => {
      const { topic, leaderId, leader } = await replicated(probe, "followers");
      await probe.produce(topic, stamped(probe, 0, 4), { connection: leader });
      // A second round trip: after it the followers have heard of the high watermark.
      await probe.produce(topic, stamped(probe, 4, 1), { connection: leader });
      const followerId = [...probe.cluster.addresses.keys()].find((id) => id !== leaderId) ?? 0;
      const follower = await probe.connectTo(followerId);
      probe.tell("produce", await probe.produce(topic, stamped(probe, 5), { connection: follower, version: 12 }));
      probe.tell("list offsets", await follower.ask(listOffsets, 6, endOf(topic)));
      const { topics } = await follower.ask(fetchApi, 12, fetchFrom(topic, 0n));
      const [partition] = topics[0]?.partitions ?? [];
      probe.tell("fetch", { errorCode: partition?.errorCode, bytes: (partition?.records?.length ?? 0) > 0 });
      const asked = { topics: [{ name: topic, partitionIndexes: [0] }] };
      const producers = await follower.ask(describeProducers, 0, asked);
      probe.tell("producers", producers.topics[0]?.partitions[0]?.errorCode);
    },
  },
  {
    name: "write to all is refused while too few replicas are in sync, and to the leader alone is not",
    run: async (probe) => {
      const { topic, leaderId } = await replicated(probe, "min-isr", { "min.insync.replicas": "3" });
      const other = [...probe.cluster.addresses.keys()].find((id) => id !== leaderId) ?? 0;
      await probe.cluster.stopBroker(other);
      try {
        await until(probe, topic, ({ isrNodes }) => isrNodes.length === 2);
        const connection = await leading(probe, topic, (await described(probe, topic))?.leaderId ?? leaderId);
        const bytes = batch({ count: 2, baseTimestamp: probe.nowMs });
        probe.tell("acks all", await probe.produce(topic, bytes, { connection }));
        probe.tell("acks one", await probe.produce(topic, bytes, { connection, acks: 1 }));
        probe.tell("end", await connection.ask(listOffsets, 6, endOf(topic)));
      } finally {
        await recovered(probe, topic, other);
      }
    },
  },
  {
    name: "metadata names the crashed broker as offline and counts it no more",
    run: async (probe) => {
      const { topic, leaderId } = await replicated(probe, "offline");
      const next = await crash(probe, topic, leaderId);
      try {
        const answer = await next.ask(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: false });
        const [one] = answer.topics[0]?.partitions ?? [];
        probe.tell("partition", {
          errorCode: one?.errorCode,
          leaderEpoch: one?.leaderEpoch,
          replicas: one?.replicaNodes.length,
          inSync: one?.isrNodes.length,
          offlineIsCrashed: one?.offlineReplicas.length === 1 && one.offlineReplicas[0] === leaderId,
        });
        probe.tell("brokers", answer.brokers.length);
      } finally {
        await recovered(probe, topic, leaderId);
      }
    },
  },
];
