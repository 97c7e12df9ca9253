/** Reads one topic from given positions on, committed records only, from all leaders side by side. */

import { brokerError, mayRetry } from "../client/errors.ts";
import { type FetchedPartition, fetchFrom } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { isLeaderCode } from "../client/leaders.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { AbortedTransactions } from "../mirror/aborted.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { asBatches } from "../wire/message-set.ts";
import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import { CommandError } from "./errors.ts";
import type { ReadRecord } from "./record-output.ts";

/** How long a broker may hold a fetch open: also the longest wait until an interruption is heard. */
const WAIT_MS_MAX = 500;
/** Per answer and per partition: a screenful comes at once, and a fast consumer is not held up. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const PARTITION_BYTES_MAX = 1024 * 1024;
/** Pause before asking again when a leader is missing. */
const RETRY_MS = 100;

/** What to read. */
export interface TopicReaderOptions {
  readonly topic: string;
  /** Next offset by partition. */
  readonly positions: ReadonlyMap<number, bigint>;
}

/** What a reader stands on. */
export interface TopicReaderDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
}

/** What one leader answered. */
interface Answer {
  readonly nodeId: number;
  readonly fetched: readonly FetchedPartition[];
}

/** Records in the order of each partition. Positions move as chunks are handed out. */
export class TopicReader {
  readonly #options: TopicReaderOptions;
  readonly #deps: TopicReaderDeps;
  readonly #positions: Map<number, bigint>;
  /** Epoch of the last batch read, so that a truncated log is told as such. */
  readonly #epochs = new Map<number, number>();

  constructor(options: TopicReaderOptions, deps: TopicReaderDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#positions = new Map(options.positions);
  }

  /** The next offset of each partition. */
  get positions(): ReadonlyMap<number, bigint> {
    return this.#positions;
  }

  /** Chunks of one partition each, empty ones when nothing came for a while; ends when `signal` aborts.
   *  @throws {CommandError | ClientError} when a partition cannot be read on */
  async *chunks(signal: AbortSignal): AsyncGenerator<readonly ReadRecord[]> {
    const pending = new Map<number, Promise<Answer>>();
    while (!signal.aborted) {
      this.#ask(pending, signal);
      if (pending.size === 0) {
        await this.#deps.client.metadata.refresh("leaders needed", { signal });
        await sleep(this.#deps.clock, RETRY_MS, signal).catch(() => undefined);
        continue;
      }
      const { nodeId, fetched } = await Promise.race(pending.values());
      pending.delete(nodeId);
      for (const partition of fetched) yield this.#records(partition);
      if (fetched.every((partition) => partition.errorCode !== ErrorCode.NONE)) {
        yield [];
        await sleep(this.#deps.clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** One fetch for each leader that has none under way. */
  #ask(pending: Map<number, Promise<Answer>>, signal: AbortSignal): void {
    const { client } = this.#deps;
    const { topic } = this.#options;
    const known = client.metadata.topic(topic);
    if (known === undefined) return;
    const byLeader = Map.groupBy(this.#positions, ([index]) => client.metadata.leaderOf(topic, index)?.leaderId ?? -1);
    for (const [nodeId, positions] of byLeader) {
      if (nodeId < 0 || pending.has(nodeId)) continue;
      const partitions = positions.map(([index, fetchOffset]) => ({
        topic,
        topicId: known.topicId,
        index,
        fetchOffset,
        lastFetchedEpoch: this.#epochs.get(index) ?? -1,
        currentLeaderEpoch: -1,
        maxBytes: PARTITION_BYTES_MAX,
      }));
      const request = { partitions, maxWaitMs: WAIT_MS_MAX, minBytes: 1, maxBytes: ANSWER_BYTES_MAX, signal } as const;
      const answer = fetchFrom(client, nodeId, { ...request, isolation: "read_committed" });
      pending.set(
        nodeId,
        answer.then(
          (fetched) => ({ nodeId, fetched }),
          (error: unknown) => {
            if (signal.aborted || mayRetry(error)) return { nodeId, fetched: [] };
            throw error;
          },
        ),
      );
    }
  }

  #records(partition: FetchedPartition): readonly ReadRecord[] {
    const { topic } = this.#options;
    const { index, errorCode } = partition;
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE || partition.divergingEpoch !== undefined)
      throw this.#lost(partition);
    if (errorCode !== ErrorCode.NONE) {
      if (isLeaderCode(errorCode)) return [];
      throw brokerError("Fetch", errorCode, { subject: `topic ${topic} partition ${index}` });
    }
    const aborted = new AbortedTransactions(partition.abortedTransactions);
    const records: ReadRecord[] = [];
    for (const batch of batchesIn(asBatches(partition.records))) {
      const from = this.#positions.get(index) ?? 0n;
      if (batch.nextOffset <= from) continue;
      const hidden = aborted.covers(batch) || batch.isControl;
      if (!hidden) verify(batch, `topic "${topic}" partition ${index}`);
      for (const record of hidden ? [] : decodeRecords(batch)) {
        const offset = batch.baseOffset + BigInt(record.offsetDelta);
        if (offset >= from) records.push({ ...record, topic, partition: index, offset });
      }
      this.#positions.set(index, batch.nextOffset);
      this.#epochs.set(index, batch.leaderEpoch);
    }
    return records;
  }

  #lost({ index, topic }: FetchedPartition): CommandError {
    const offset = this.#positions.get(index);
    const what = `offset ${offset} of topic "${topic}" partition ${index} does not exist (any more)`;
    return new CommandError(
      { code: "COMMAND_FAILED", what },
      { message: `${what}; read with --offset start or --offset end` },
    );
  }
}

/** Brokers do not check what they read from their disk: a flipped bit is found here or nowhere. */
function verify(batch: BatchView, place: string): void {
  try {
    batch.verifyCrc();
  } catch (cause) {
    const what = `${place}: the batch of offsets ${batch.baseOffset} to ${batch.nextOffset - 1n} is damaged, its CRC does not match`;
    const message = `${what}; read around it with --offset ${batch.nextOffset}`;
    throw new CommandError({ code: "COMMAND_FAILED", what }, { message, cause });
  }
}
