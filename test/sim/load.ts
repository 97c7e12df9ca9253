/** A region's producer: sends batches of many kinds, repeats what certainly had no effect, and writes down what it knows. */

import { hadNoEffect } from "../../src/client/errors.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { TributaryError } from "../../src/core/errors.ts";
import type { Logger } from "../../src/core/logger.ts";
import type { Network } from "../../src/core/network.ts";
import { type Random, randomInt } from "../../src/core/random.ts";
import { codecNamed } from "../../src/wire/compression/codecs.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import type { BatchView } from "../../src/wire/record-batch.ts";
import { encodeBatch, type RecordInput } from "../../src/wire/records.ts";
import { contentOf, type Ledger, type LedgerRecord } from "./ledger.ts";
import type { Marks } from "./marks.ts";
import type { Shape } from "./plan.ts";
import type { SimRegion } from "./sim-region.ts";

/** Records are up to this much older than now, so that batches are not in order of time. */
const PAST_MS_MAX = 300;
const RETRY_MS = 40;
/** Attempts for one batch; then it counts as failed. */
const ATTEMPTS_MAX = 20;
const ACK_TIMEOUT_MS = 1_500;
const HEADERS_MAX = 2;

/** Codes after which the broker may have appended all the same. */
const UNKNOWN_CODES: ReadonlySet<number> = new Set([
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.NOT_LEADER_FOR_PARTITION,
  ErrorCode.UNKNOWN,
]);

/** What a producer works with. */
export interface LoadDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** For the client itself. */
  readonly clientRandom: Random;
  readonly network: Network;
  readonly logger: Logger;
  readonly region: SimRegion;
  readonly shape: Shape;
  readonly ledger: Ledger;
  readonly marks: Marks;
  /** When to send nothing, and when to end. */
  readonly schedule: { readonly isPaused: boolean; readonly endMs: number };
}

/** A record in the ledger, and its place in the batch. */
interface Entry {
  readonly record: LedgerRecord;
  readonly delta: number;
}

interface Prepared {
  readonly batch: BatchView;
  readonly entries: readonly Entry[];
}

/** One producer, from `run` to the schedule's end. */
export class Load {
  readonly #deps: LoadDeps;
  #serial = 0;

  constructor(deps: LoadDeps) {
    this.#deps = deps;
  }

  /** Sends until the schedule ends or `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, shape, schedule } = this.#deps;
    const client = await this.#client(signal);
    if (client === undefined) return;
    try {
      while (!signal.aborted && clock.monotonicMs() < schedule.endMs) {
        await sleep(clock, random.next() * 2 * shape.pauseMs, signal).catch(() => undefined);
        if (schedule.isPaused || signal.aborted) continue;
        const topic = shape.topics[randomInt(random, shape.topics.length)];
        if (topic === undefined) continue;
        const partition = randomInt(random, topic.partitions);
        if (random.next() < shape.compactedShare) this.#appendCompacted(topic.name, partition);
        else await this.#produce(client, { topic: topic.name, partition }, signal);
      }
    } finally {
      await client.close();
    }
  }

  async #client(signal: AbortSignal): Promise<KafkaClient | undefined> {
    const { clock, clientRandom: random, network, logger, region } = this.#deps;
    const clientId = `producer-${region.name}`;
    const options = { bootstrap: region.endpoints, clientId, requestTimeoutMs: 2_000, connectTimeoutMs: 500, signal };
    while (!signal.aborted) {
      try {
        return await KafkaClient.open(options, { clock, random, network, logger });
      } catch (error) {
        if (!(error instanceof TributaryError) && error !== signal.reason) throw error;
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  async #produce(
    client: KafkaClient,
    at: { readonly topic: string; readonly partition: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, marks } = this.#deps;
    client.metadata.track([at.topic]);
    let prepared: Prepared | undefined;
    let preparedFor = "";
    for (let attempt = 0; attempt < ATTEMPTS_MAX && !signal.aborted; attempt++) {
      const topicId = client.metadata.topic(at.topic)?.topicId;
      const leader = client.metadata.leaderOf(at.topic, at.partition)?.leaderId;
      if (topicId === undefined || leader === undefined) {
        await this.#refreshed(client, signal);
        continue;
      }
      if (prepared === undefined || preparedFor !== topicId) prepared = this.#prepare({ ...at, topicId });
      preparedFor = topicId;
      const partition = { topic: at.topic, topicId, index: at.partition, records: prepared.batch.bytes };
      try {
        const options = { partitions: [partition], acks: -1, ackTimeoutMs: ACK_TIMEOUT_MS, timeoutMs: 2_000 } as const;
        const [answer] = await produceTo(client, leader, options);
        if (answer?.errorCode === ErrorCode.NONE) {
          for (const entry of prepared.entries) settle(entry, "ok", answer.baseOffset);
          return;
        }
        if (UNKNOWN_CODES.has(answer?.errorCode ?? ErrorCode.UNKNOWN)) {
          marks.hit("load-unknown");
          return;
        }
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        if (!hadNoEffect(error)) {
          marks.hit("load-unknown");
          return;
        }
      }
      await sleep(clock, RETRY_MS, signal).catch(() => undefined);
      await this.#refreshed(client, signal);
    }
    for (const entry of prepared?.entries ?? []) settle(entry, "fail");
  }

  async #refreshed(client: KafkaClient, signal: AbortSignal): Promise<void> {
    await client.metadata.refresh("load", { all: true, signal }).catch(() => undefined);
    await sleep(this.#deps.clock, RETRY_MS, signal).catch(() => undefined);
  }

  /** Leaves a batch as compaction would have: put into the log itself, because no broker takes such a batch from a client. */
  #appendCompacted(topic: string, index: number): void {
    const region = this.#deps.region.up;
    const partition = region?.partition(topic, index);
    // With a full disk no election is on record, and a leader may be one that does not run.
    if (partition === undefined || region?.runningBrokers.includes(partition.leaderId) !== true) return;
    if (partition.isUnderMinIsr) return;
    const origin = { topic, topicId: partition.topicId, partition: index };
    const { batch, entries } = this.#prepare(origin, { isCompacted: true });
    try {
      const { baseOffset } = partition.log.append(batch, { leaderEpoch: partition.leaderEpoch });
      for (const entry of entries) settle(entry, "ok", baseOffset);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      for (const entry of entries) settle(entry, "fail");
    }
    partition.refreshReplicas();
  }

  #prepare(
    at: { readonly topic: string; readonly topicId: string; readonly partition: number },
    options: { readonly isCompacted?: boolean } = {},
  ): Prepared {
    const { random, shape, region, ledger } = this.#deps;
    const count = 1 + randomInt(random, shape.batchRecordsMax);
    const serial = ++this.#serial;
    let delta = -1;
    const origin = { region: region.name, ...at };
    const records: RecordInput[] = [];
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++) {
      delta += 1 + (options.isCompacted === true ? randomInt(random, 3) : 0);
      const record = this.#record(`${region.name} ${serial}.${i}`);
      records.push({ ...record, offsetDelta: delta });
      entries.push({ record: ledger.invoke(origin, seenOf(record)), delta });
    }
    const codec = codecNamed(shape.codecs[randomInt(random, shape.codecs.length)] ?? "none")?.id ?? 0;
    const lastOffsetDelta = delta + (options.isCompacted === true ? randomInt(random, 3) : 0);
    return { batch: encodeBatch(records, { codec, lastOffsetDelta }), entries };
  }

  #key(): Buffer | null {
    const { random } = this.#deps;
    return random.next() < 0.2 ? null : Buffer.from(`key-${randomInt(random, 5)}`);
  }

  /** The name is in the value, or where that is null in the key. */
  #record(name: string): RecordInput {
    const { random, shape, clock } = this.#deps;
    const isTombstone = random.next() < 0.1;
    const value = Buffer.concat([Buffer.from(`${name} `), random.bytes(randomInt(random, shape.valueBytesMax))]);
    return {
      timestampMs: BigInt(clock.nowMs() - randomInt(random, PAST_MS_MAX)),
      key: isTombstone ? Buffer.from(name) : this.#key(),
      value: isTombstone ? null : value,
      headers: Array.from({ length: randomInt(random, HEADERS_MAX + 1) }, (_, i) => ({
        key: `header-${i}`,
        value: random.next() < 0.2 ? null : Buffer.from(name),
      })),
    };
  }
}

function seenOf(record: RecordInput) {
  const { key, value, headers = [], timestampMs } = record;
  return { content: contentOf({ key, value, headers }), timestampMs };
}

function settle({ record, delta }: Entry, outcome: "ok" | "fail", baseOffset?: bigint): void {
  record.outcome = outcome;
  if (baseOffset !== undefined) record.offset = baseOffset + BigInt(delta);
}
