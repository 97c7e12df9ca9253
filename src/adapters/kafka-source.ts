/** The mirror's source over a Kafka client. */

import { listTopics } from "../client/admin.ts";
import { ClientError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { describeProducers } from "../client/producers.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { LaneKey } from "../mirror/offset-ports.ts";
import type {
  PartitionBounds,
  Source,
  SourcePosition,
  SourceReader,
  TopicInfo,
  TopicPartition,
} from "../mirror/ports.ts";
import { topicInfo } from "./kafka-partitions.ts";
import { KafkaReader } from "./kafka-reader.ts";
import { KafkaReaderPlacement } from "./kafka-reader-placement.ts";
import { CALL_TIMEOUT_MS, KafkaSourceTopics } from "./kafka-source-topics.ts";
import { KafkaWriters, PRODUCERS_TOPIC } from "./kafka-writers.ts";
import { PrefetchBudget } from "./prefetch-budget.ts";
import { sourceFailure, unavailable } from "./source-faults.ts";

/** Options of a source. */
export interface KafkaSourceOptions {
  /** Tells the connections of several sources of one client apart: each takes as many as `CHANNELS`. Default 0. */
  readonly firstChannel?: number;
  /** The rack, as brokers call it, from which is read: leaders then name replicas in it to read from (KIP-392). */
  readonly rackId?: string | undefined;
}

/** What the source works with; the client is opened and closed by the caller. */
export interface KafkaSourceDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Shared with other sources; one of its own without. */
  readonly budget?: PrefetchBudget;
}

/** One for each flow: of two readers of the same partition only the one that was opened last is served. */
export class KafkaSource implements Source {
  readonly clusterId: string;
  readonly #client: KafkaClient;
  readonly #budget: PrefetchBudget;
  readonly #topics: KafkaSourceTopics;
  readonly #placement: KafkaReaderPlacement;
  readonly #writers: KafkaWriters;
  #heldBytes = 0;

  /** @throws {ClientError} when the cluster does not tell its id */
  constructor(options: KafkaSourceOptions, deps: KafkaSourceDeps) {
    const { client, clock, random } = deps;
    const { clusterId } = client.metadata;
    if (clusterId === null)
      throw new ClientError({ code: "CLIENT_UNREACHABLE", bootstrap: "", reason: "no cluster id" });
    this.clusterId = clusterId;
    this.#client = client;
    this.#budget = deps.budget ?? new PrefetchBudget();
    this.#topics = new KafkaSourceTopics(client);
    this.#placement = new KafkaReaderPlacement(
      { firstChannel: options.firstChannel ?? 0, rackId: options.rackId },
      { client, clock, random, budget: this.#budget, topics: this.#topics },
    );
    this.#writers = new KafkaWriters({ client, clock });
  }

  /** Bytes fetched and not yet released by those who read them. */
  get fetchedBytes(): number {
    return this.#heldBytes;
  }

  open(at: TopicPartition, from: SourcePosition): SourceReader {
    return new KafkaReader(at, from, {
      onOpen: (reader) => this.#placement.add(reader),
      onWanting: (reader) => this.#placement.wake(reader),
      onHeld: (bytes) => {
        this.#heldBytes += bytes;
        this.#budget.add(bytes);
      },
      onClose: (reader) => this.#placement.remove(reader),
    });
  }

  bounds(at: TopicPartition): Promise<PartitionBounds> {
    return this.#topics.bounds(at);
  }

  async laneOfWriter(producerId: bigint): Promise<LaneKey | undefined> {
    try {
      return await this.#writers.laneOf(producerId);
    } catch (error) {
      // Where the list may not be read, nothing can be told from loops.
      throw sourceFailure({ topic: PRODUCERS_TOPIC, partition: 0 }, error);
    }
  }

  async openTransaction(at: TopicPartition, firstOffset: bigint): Promise<{ readonly producerId: bigint } | undefined> {
    const { topic, partition: index } = at;
    const [described] = await describeProducers(this.#client, [{ topic, index }], { timeoutMs: CALL_TIMEOUT_MS }).catch(
      (error: unknown) => {
        if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return [];
        throw unavailable(at, toError(error));
      },
    );
    return described?.producers.find(({ currentTxnStartOffset }) => currentTxnStartOffset === firstOffset);
  }

  async topics(): Promise<readonly TopicInfo[]> {
    try {
      return (await listTopics(this.#client)).map(topicInfo);
    } catch (error) {
      throw unavailable({ topic: "*", partition: -1 }, toError(error));
    }
  }
}
