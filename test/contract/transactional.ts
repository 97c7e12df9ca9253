/** A transactional producer for the contract cases, request by request; its producer id shows as a word in what it tells. */

import { setTimeout as delay } from "node:timers/promises";
import type { Api } from "../../src/wire/api.ts";
import { produce } from "../../src/wire/apis/00-produce.ts";
import { offsetFetch } from "../../src/wire/apis/09-offset-fetch.ts";
import { findCoordinator } from "../../src/wire/apis/10-find-coordinator.ts";
import { initProducerId } from "../../src/wire/apis/22-init-producer-id.ts";
import { addPartitionsToTxn } from "../../src/wire/apis/24-add-partitions-to-txn.ts";
import { endTxn } from "../../src/wire/apis/26-end-txn.ts";
import { describeProducers } from "../../src/wire/apis/61-describe-producers.ts";
import { describeTransactions } from "../../src/wire/apis/65-describe-transactions.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { TRANSACTIONAL_BIT } from "../../src/wire/record-batch.ts";
import { batch } from "./batches.ts";
import type { Probe } from "./probe.ts";
import { hidden, shownBatches } from "./shown.ts";

/** A coordinator starts, and a transaction ends, within this many polls. */
const POLLS_MAX = 500;
const POLL_MS = 20;

/** What a coordinator answers while it is not ready, or is still busy with the transaction before. */
const PASSING: ReadonlySet<number> = new Set([
  ErrorCode.GROUP_LOAD_IN_PROGRESS,
  ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR_FOR_GROUP,
  ErrorCode.CONCURRENT_TRANSACTIONS,
]);

/** How one batch is sent. */
export interface SentBatch {
  readonly topic: string;
  readonly base: number;
  readonly count?: number;
  readonly partition?: number;
  readonly version?: number;
  readonly epoch?: number;
  readonly isTransactional?: boolean;
  readonly transactionalId?: string | null;
}

/** One writer with a transactional id. */
export class Transactional {
  readonly id: string;
  readonly #probe: Probe;
  readonly #name: string;
  producerId = -1n;
  epoch = -1;

  private constructor(probe: Probe, name: string) {
    this.#probe = probe;
    this.#name = name;
    this.id = probe.named(name);
  }

  /** Gets a producer id, once the coordinator is there. */
  static async open(probe: Probe, name: string, options: { readonly timeoutMs?: number } = {}): Promise<Transactional> {
    const writer = new Transactional(probe, name);
    await writer.reopen(options);
    return writer;
  }

  /** Takes the id over, as a successor would. */
  async reopen(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    await coordinated(this.#probe, this.id);
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const answer = await this.init(options);
      if (!PASSING.has(answer.errorCode)) {
        if (answer.errorCode !== ErrorCode.NONE) throw new Error(`no producer id: ${answer.errorCode}`);
        this.producerId = answer.producerId;
        this.epoch = answer.producerEpoch;
        return;
      }
      await delay(POLL_MS);
    }
    throw new Error(`transactional id ${this.id} stays busy`);
  }

  /** One InitProducerId. */
  init(
    options: {
      readonly timeoutMs?: number;
      readonly producerId?: bigint;
      readonly epoch?: number;
      readonly version?: number;
    } = {},
  ) {
    return this.#probe.ask(initProducerId, options.version ?? 4, {
      transactionalId: this.id,
      transactionTimeoutMs: options.timeoutMs ?? 60_000,
      producerId: options.producerId ?? -1n,
      producerEpoch: options.epoch ?? -1,
    });
  }

  /** Tells an answer with this writer's producer id as a word. */
  tell(label: string, answer: unknown): void {
    this.#probe.tell(label, hidden(answer, [[this.producerId, `<${this.#name}>`]]));
  }

  /** Asks and tells. */
  async check<RI, SO>(label: string, api: Api<unknown, RI, SO, never>, version: number, body: RI): Promise<SO> {
    const answer = await this.#probe.ask(api, version, body);
    this.tell(label, answer);
    return answer;
  }

  /** Announces partitions of one topic; asks again while the transaction before is being ended. */
  async add(label: string, topic: string, partitions: readonly number[] = [0], version = 3): Promise<void> {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const answer = await this.#probe.ask(addPartitionsToTxn, version, this.#addition(topic, partitions));
      if (answer.topics[0]?.partitions[0]?.errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS) {
        this.tell(label, answer);
        return;
      }
      await delay(POLL_MS);
    }
    throw new Error(`transactional id ${this.id} stays busy`);
  }

  /** Sends one batch and tells the partition's answer. */
  async send(label: string, sent: SentBatch): Promise<void> {
    const { topic, base, count = 1, partition = 0, version = 9, epoch = this.epoch, isTransactional = true } = sent;
    const records = batch({
      ...{ count, producerId: this.producerId, producerEpoch: epoch, baseSequence: base },
      attributes: isTransactional ? TRANSACTIONAL_BIT : 0,
      baseTimestamp: this.#probe.nowMs,
    });
    const answer = await this.#probe.ask(produce, version, {
      transactionalId: sent.transactionalId === undefined ? this.id : sent.transactionalId,
      ...{ acks: -1, timeoutMs: 10_000 },
      topics: [{ name: topic, partitions: [{ index: partition, records }] }],
    });
    this.tell(label, answer.topics[0]?.partitions[0]);
  }

  /** Ends the transaction, tells the answer, takes over the epoch that v5 gives, and waits until the markers are written. */
  async end(label: string, committed: boolean, version = 3): Promise<void> {
    const answer = await this.#probe.ask(endTxn, version, this.ending(committed));
    this.tell(label, answer);
    if (version >= 5 && answer.errorCode === ErrorCode.NONE) this.epoch = answer.producerEpoch;
    await this.ended();
  }

  /** The body of an EndTxn. */
  ending(committed: boolean, epoch = this.epoch) {
    return { transactionalId: this.id, producerId: this.producerId, producerEpoch: epoch, committed };
  }

  /** Waits until no transaction is being ended; returns what the coordinator then says. */
  async ended(wanted: RegExp = /^(Empty|Complete)/) {
    for (let poll = 0; poll < POLLS_MAX; poll++) {
      const answer = await this.#probe.ask(describeTransactions, 0, { transactionalIds: [this.id] });
      const state = answer.transactionStates[0];
      if (state !== undefined && wanted.test(state.transactionState)) return state;
      await delay(POLL_MS);
    }
    throw new Error(`transaction of ${this.id} does not end`);
  }

  /** Tells what the coordinator knows of the id; times only as far as there are any. */
  async describe(label: string): Promise<void> {
    const answer = await this.#probe.ask(describeTransactions, 0, { transactionalIds: [this.id] });
    const states = answer.transactionStates.map(({ transactionStartTimeMs, topics, ...state }) => ({
      ...state,
      // Which partition of the internal topic a group's offsets lie in depends on the group's name.
      topics: topics.map(({ name, partitionIndexes: indexes }) => ({
        name,
        indexes: name.startsWith("__") ? [] : indexes.toSorted((a, b) => a - b),
      })),
      isStarted: transactionStartTimeMs >= 0n,
    }));
    this.tell(label, states);
  }

  /** Tells what a partition knows of this producer. */
  async remembered(label: string, topic: string, partition = 0): Promise<void> {
    const answer = await this.#probe.ask(describeProducers, 0, {
      topics: [{ name: topic, partitionIndexes: [partition] }],
    });
    const producers = answer.topics[0]?.partitions[0]?.activeProducers ?? [];
    const own = producers.filter(({ producerId }) => producerId === this.producerId);
    this.tell(
      label,
      own.map(({ lastTimestampMs, ...rest }) => ({ ...rest, hasTime: lastTimestampMs >= 0n })),
    );
  }

  /** Tells what a reader gets; producer ids of all writers as words. */
  static async read(
    probe: Probe,
    label: string,
    what: {
      readonly topic: string;
      readonly writers: readonly Transactional[];
      readonly offset?: bigint;
      readonly isolationLevel?: number;
      readonly partitionMaxBytes?: number;
    },
  ): Promise<void> {
    const { topic, writers, ...options } = what;
    const answer = await probe.fetch(topic, { isolationLevel: 1, ...options });
    const words = writers.map((writer) => [writer.producerId, `<${writer.#name}>`] as const);
    const shown = answer.topics.map(({ partitions }) =>
      partitions.map(({ records, ...rest }) => ({ ...rest, batches: records === null ? [] : shownBatches(records) })),
    );
    probe.tell(label, hidden(shown, words));
  }

  #addition(topic: string, partitions: readonly number[]) {
    const { id: transactionalId, producerId, epoch: producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch, topics: [{ name: topic, partitions }] };
  }
}

/** The first use of transactions creates their topic, which takes a moment. */
export async function coordinated(probe: Probe, transactionalId: string): Promise<void> {
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    const found = await probe.ask(findCoordinator, 4, { keyType: 1, coordinatorKeys: [transactionalId] });
    if (found.coordinators[0]?.errorCode === ErrorCode.NONE) {
      const known = await probe.ask(describeTransactions, 0, { transactionalIds: [transactionalId] });
      if (!PASSING.has(known.transactionStates[0]?.errorCode ?? ErrorCode.UNKNOWN)) return;
    }
    await delay(POLL_MS);
  }
  throw new Error(`no coordinator for ${transactionalId}`);
}

/** The first use of groups creates their topic, which takes a moment. */
export async function groupCoordinated(probe: Probe, groupId: string): Promise<void> {
  for (let poll = 0; poll < POLLS_MAX; poll++) {
    const found = await probe.ask(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] });
    if (found.coordinators[0]?.errorCode === ErrorCode.NONE) {
      const tried = await probe.ask(offsetFetch, 7, { groupId, topics: [], requireStable: false });
      if (tried.errorCode === ErrorCode.NONE) return;
    }
    await delay(POLL_MS);
  }
  throw new Error(`no coordinator for ${groupId}`);
}
