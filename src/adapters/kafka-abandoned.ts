/** "A dead worker's transactions keep nobody waiting": between its record and its markers a transaction hides what lies behind it in the
 *  history topic, for milliseconds. One that hides it for longer is ended by whoever waits, as its lane's next writer would end it:
 *  by opening a writer, which aborts what has no commit and waits for what has one. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { ProducerIdentity } from "../client/producers.ts";
import { TransactionalWriter } from "../client/transactions.ts";
import type { Clock } from "../core/clock.ts";
import { decodeHistory, type HistoryRecord } from "../mirror/history/record.ts";
import { transactionalIdOf } from "./kafka-history.ts";
import type { OpenRecord } from "./kafka-internal-reader.ts";

/** A living worker commits sooner. If it does not, it copies some batches once more. */
export const ABANDONED_MS = 1_000;
/** A worker that has just begun may have been started together with the lane's own worker, which ends the transaction itself when it opens
 *  its writer: after that, ending it once more would fence that writer. */
export const HEAD_START_MS = 500;
/** The writers opened here write nothing. */
const TIMEOUT_MS = 10_000;

/** What it works with. */
export interface AbandonedDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  /** See `HistoryTarget.worker`. */
  readonly worker: string;
}

/** What is known of transactions. */
export interface AbandonedOptions {
  /** Whether a writer of this process has the transaction in its hands. */
  readonly isOurs: (record: HistoryRecord, producerEpoch: number) => boolean;
  /** Hears of each writer that was opened to end one. */
  readonly opened: (record: HistoryRecord, identity: ProducerIdentity) => void;
}

/** Remembers what it saw for as long as it is there. */
export class AbandonedTransactions {
  readonly #deps: AbandonedDeps;
  readonly #options: AbandonedOptions;
  /** When each was seen first, or ended, by the monotonic clock. */
  #sinceMs = new Map<string, number>();
  readonly #begunMs: number;

  constructor(deps: AbandonedDeps, options: AbandonedOptions) {
    this.#deps = deps;
    this.#begunMs = deps.clock.monotonicMs();
    this.#options = options;
  }

  /** Ends those of the records' transactions that rest; failures show in that they are still there at the next call. */
  async end(open: readonly OpenRecord[]): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    const known = this.#sinceMs;
    this.#sinceMs = new Map();
    const ending: HistoryRecord[] = [];
    for (const one of open) {
      const record = recordOf(one);
      if (record === undefined || this.#options.isOurs(record, one.producerEpoch)) continue;
      const name = `${one.producerId}/${one.producerEpoch}/${one.offset}`;
      const sinceMs = known.get(name) ?? this.#beganAtMs(record);
      const isAbandoned = nowMs - sinceMs >= ABANDONED_MS && (this.#isOwn(record) || this.#hasWaited(nowMs));
      if (isAbandoned) ending.push(record);
      this.#sinceMs.set(name, isAbandoned ? nowMs : sinceMs);
    }
    const { client } = this.#deps;
    const opened = ending.map(async (record) => {
      const options = { transactionalId: transactionalIdOf(record.lane), transactionTimeoutMs: TIMEOUT_MS };
      const { identity } = await TransactionalWriter.open(client, options);
      this.#options.opened(record, identity);
    });
    await Promise.allSettled(opened);
  }

  /** At first sight the record's own time counts. What a worker of this name left, it left before this one began. */
  #beganAtMs(record: HistoryRecord): number {
    const { clock } = this.#deps;
    if (this.#isOwn(record)) return Number.NEGATIVE_INFINITY;
    return clock.monotonicMs() - Math.max(0, clock.nowMs() - record.updatedMs);
  }

  #isOwn({ worker }: HistoryRecord): boolean {
    return worker !== "" && worker === this.#deps.worker;
  }

  #hasWaited(nowMs: number): boolean {
    return nowMs - this.#begunMs >= HEAD_START_MS;
  }
}

/** Undefined for what this version does not understand: that one times out. */
function recordOf({ value }: OpenRecord): HistoryRecord | undefined {
  try {
    return value === null ? undefined : decodeHistory(value);
  } catch {
    return undefined;
  }
}
