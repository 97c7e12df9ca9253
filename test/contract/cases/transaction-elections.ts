/** A transaction on three brokers, the leader of which crashes in the middle: what the next one and the coordinator answer. */

import { setTimeout as delay } from "node:timers/promises";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { endTxn } from "../../../src/wire/apis/26-end-txn.ts";
import { describeTransactions } from "../../../src/wire/apis/65-describe-transactions.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { TRANSACTIONAL_BIT } from "../../../src/wire/record-batch.ts";
import { batch } from "../batches.ts";
import type { RawConnection } from "../connection.ts";
import type { ContractCase, Probe } from "../probe.ts";
import { hidden, shownBatches } from "../shown.ts";
import { crash, recovered, replicated } from "./elections.ts";

const POLLS_MAX = 300;
const POLL_MS = 100;
const IMPLICIT_VERSION = 12;

interface Writer {
  readonly id: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Asks until the answer is good; coordinators move, start and are busy meanwhile. */
async function patiently<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch {
      // The broker asked is down; the next turn asks another.
    }
    await delay(POLL_MS);
  }
  throw new Error(`did not happen: ${what}`);
}

/** A connection to the broker that keeps the id now. */
async function coordinator(probe: Probe, id: string): Promise<RawConnection | undefined> {
  for (const brokerId of probe.cluster.addresses.keys()) {
    const any = await probe.connectTo(brokerId).catch(() => undefined);
    const found = await any?.ask(findCoordinator, 4, { keyType: 1, coordinatorKeys: [id] });
    const one = found?.coordinators[0];
    if (one?.errorCode === ErrorCode.NONE) return probe.connectTo(one.nodeId);
  }
  return undefined;
}

async function opened(probe: Probe, id: string): Promise<Writer> {
  return patiently("a producer id", async () => {
    const asked = await coordinator(probe, id);
    const answer = await asked?.ask(initProducerId, 4, { transactionalId: id, transactionTimeoutMs: 60_000 });
    return answer?.errorCode === ErrorCode.NONE ? { id, ...answer } : undefined;
  });
}

async function send(probe: Probe, leader: RawConnection, topic: string, writer: Writer, baseSequence: number) {
  const { id, producerId, producerEpoch } = writer;
  const shape = { producerId, producerEpoch, baseSequence, attributes: TRANSACTIONAL_BIT };
  return patiently("a batch is appended", async () => {
    const answer = await leader.ask(produce, IMPLICIT_VERSION, {
      ...{ transactionalId: id, acks: -1, timeoutMs: 10_000 },
      topics: [{ name: topic, partitions: [{ index: 0, records: batch({ ...shape, baseTimestamp: probe.nowMs }) }] }],
    });
    const partition = answer.topics[0]?.partitions[0];
    // The coordinator may be the broker that crashed, and the next one not ready yet.
    return partition?.errorCode === ErrorCode.NOT_ENOUGH_REPLICAS ? undefined : partition;
  });
}

async function stableEnd(leader: RawConnection, topic: string): Promise<bigint | undefined> {
  const partitions = [{ index: 0, timestampMs: -1n }];
  const topics = [{ name: topic, partitions }];
  const answer = await leader.ask(listOffsets, 6, { replicaId: -1, isolationLevel: 1, topics });
  return answer.topics[0]?.partitions[0]?.offset;
}

/** Needs three brokers; leaves all of them running. */
export const transactionElectionCases: readonly ContractCase[] = [
  {
    name: "an open transaction goes on under the next leader, and commits as a whole",
    run: async (probe) => {
      const { topic, leaderId, leader } = await replicated(probe, "across");
      const writer = await opened(probe, probe.named("writer"));
      probe.tell("before", await send(probe, leader, topic, writer, 0));
      const next = await crash(probe, topic, leaderId);
      try {
        probe.tell("last stable offset", await stableEnd(next, topic));
        probe.tell("after", await send(probe, next, topic, writer, 1));
        probe.tell("repeated", await send(probe, next, topic, writer, 0));
        probe.tell("gap", await send(probe, next, topic, writer, 5));
        const { id: transactionalId, producerId, producerEpoch } = writer;
        const ended = await patiently("the end is decided", async () => {
          const asked = await coordinator(probe, writer.id);
          const answer = await asked?.ask(endTxn, 5, { transactionalId, producerId, producerEpoch, committed: true });
          return answer?.errorCode === ErrorCode.NONE ? answer : undefined;
        });
        probe.tell("epoch", ended.producerEpoch);
        await patiently("the marker is written", async () =>
          (await stableEnd(next, topic)) === 3n ? true : undefined,
        );
        const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 1_000_000, isolationLevel: 1 };
        const partition = { index: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 };
        const answer = await next.ask(fetchApi, 11, { ...limits, topics: [{ name: topic, partitions: [partition] }] });
        const records = answer.topics[0]?.partitions[0]?.records ?? Buffer.alloc(0);
        const shown = shownBatches(records).map(({ control, ...rest }) => ({
          ...rest,
          isMarker: control !== undefined,
        }));
        probe.tell("log", hidden(shown, [[producerId, "<writer>"]]));
        const state = await patiently("the end is recorded", async () => {
          const asked = await coordinator(probe, writer.id);
          const described = await asked?.ask(describeTransactions, 0, { transactionalIds: [writer.id] });
          const name = described?.transactionStates[0]?.transactionState;
          return name === "CompleteCommit" ? name : undefined;
        });
        probe.tell("state", state);
      } finally {
        await recovered(probe, topic, leaderId);
      }
    },
  },
];
