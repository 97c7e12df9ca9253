/** A region in virtual time whose history topic holds transactions that nobody ends, and those who wait for them. */

import { AbandonedTransactions } from "../../../src/adapters/kafka-abandoned.ts";
import { transactionalIdOf } from "../../../src/adapters/kafka-history.ts";
import { KafkaInternalTopic } from "../../../src/adapters/kafka-internal-topic.ts";
import { MemoryNetwork } from "../../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { createSimClock, type SimClock } from "../../../src/adapters/sim-clock.ts";
import { EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import type { FaultAction } from "../../../src/broker/faults.ts";
import { KafkaClient } from "../../../src/client/kafka-client.ts";
import { TransactionalWriter } from "../../../src/client/transactions.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { encodeHistory, HISTORY_TOPIC, type HistoryRecord } from "../../../src/mirror/history/record.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { lane } from "../../support/sample-lane.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { settledOn } from "../../support/settled-on.ts";

const PLACE = { topic: HISTORY_TOPIC, index: 0 };
const TRANSACTION_TIMEOUT_MS = 600_000;

/** What an open transaction says of itself. */
export interface LeftOpen {
  readonly worker: string;
  /** How long ago its record was made, by that worker's clock. Default 0. */
  readonly ageMs?: number;
}

/** Who waits for the end of the topic. */
export interface Waiter {
  /** Ends what rests; answers how many transactions are still open then. */
  look(): Promise<number>;
}

/** Open one for each test. */
export class AbandonedWorld implements AsyncDisposable {
  readonly #clock: SimClock;
  readonly #region: EmbeddedRegion;
  readonly #client: KafkaClient;
  readonly #topic: KafkaInternalTopic;
  #writer: TransactionalWriter | undefined;
  #written = 0;

  private constructor(parts: {
    readonly clock: SimClock;
    readonly region: EmbeddedRegion;
    readonly client: KafkaClient;
    readonly topic: KafkaInternalTopic;
  }) {
    this.#clock = parts.clock;
    this.#region = parts.region;
    this.#client = parts.client;
    this.#topic = parts.topic;
  }

  static async open(): Promise<AbandonedWorld> {
    const clock = createSimClock();
    const random = seededRandom(1);
    const network = new MemoryNetwork({}, { clock, random });
    const deps = { clock, random, network, logger: silentLogger };
    const opening = (async () => {
      const region = await EmbeddedRegion.open(
        { directory: "region", brokers: 1 },
        { ...deps, storage: new MemoryStorage() },
      );
      const client = await KafkaClient.open({ bootstrap: region.endpoints, clientId: "waiter" }, deps);
      const topic = await KafkaInternalTopic.open({ name: HISTORY_TOPIC }, { client, clock });
      return new AbandonedWorld({ clock, region, client, topic });
    })();
    return settledOn(clock, opening);
  }

  /** The epoch of the writer whose transaction is open. */
  get writerEpoch(): number {
    return this.#writer?.identity.producerEpoch ?? -1;
  }

  /** Writes a history record in a new transaction of the lane's writer, and leaves that open. */
  async begin({ worker, ageMs = 0 }: LeftOpen): Promise<void> {
    await this.beginWith(encodeHistory({ ...RECORD, worker, updatedMs: this.#clock.nowMs() - ageMs }));
  }

  /** Likewise with any value. */
  async beginWith(value: Buffer): Promise<void> {
    await settledOn(this.#clock, this.#write(value));
  }

  /** Commits what is open. */
  async commit(): Promise<void> {
    if (this.#writer !== undefined) await settledOn(this.#clock, this.#writer.end("commit"));
  }

  /** Somebody who has just begun to look, and has these writers' transactions in its own hands. */
  waiter(worker: string, isOurs: (record: HistoryRecord, producerEpoch: number) => boolean = () => false): Waiter {
    const abandoned = new AbandonedTransactions(
      { client: this.#client, clock: this.#clock, worker },
      { isOurs, opened: () => {} },
    );
    const look = async (): Promise<number> => {
      await abandoned.end(await this.#topic.openRecords());
      return (await this.#topic.openRecords()).length;
    };
    return { look: () => settledOn(this.#clock, look()) };
  }

  /** From now on nobody may open a writer; answers how often it was tried. */
  refuseWriters(): () => number {
    let asked = 0;
    const errorCode = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const response = { throttleMs: 0, errorCode, producerId: -1n, producerEpoch: -1 };
    const refuse = (): FaultAction => {
      asked++;
      return { kind: "answer", response };
    };
    this.#region.faults.control(initProducerId.key, refuse, { stays: true });
    return () => asked;
  }

  /** Lets time pass. */
  async pass(forMs: number): Promise<void> {
    await this.#clock.runUntil(() => false, forMs);
  }

  async #write(value: Buffer): Promise<void> {
    const client = this.#client;
    const transactionalId = transactionalIdOf(lane);
    this.#writer ??= await TransactionalWriter.open(client, {
      transactionalId,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
    });
    await this.#writer.announce([PLACE]);
    const { bytes } = encodeBatch([{ timestampMs: BigInt(this.#clock.nowMs()), key: Buffer.from("lane"), value }], {
      ...this.#writer.identity,
      baseSequence: this.#written++,
      isTransactional: true,
    });
    const { leaderId = -1 } = client.metadata.leaderOf(PLACE.topic, PLACE.index) ?? {};
    const { errorCode } = await this.#writer.produce(leaderId, { ...PLACE, topicId: ZERO_UUID, records: bytes });
    if (errorCode !== 0) throw new Error(`the record was refused with error ${errorCode}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
    await settledOn(this.#clock, this.#region.close());
  }
}

const RECORD: Omit<HistoryRecord, "worker" | "updatedMs"> = {
  lane,
  mode: "history",
  epoch: 1,
  progress: { sourceNext: 5n, targetNext: 5n, count: 5n },
  sourceEpoch: 0,
  stretches: [{ producerId: 9n, epoch: 0, base: 0n }],
  plan: "v1 provenance=all",
  planBase: 0n,
  gaps: [],
  gapCount: 0,
};
