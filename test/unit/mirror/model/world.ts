/** A lane's whole world in memory and virtual time: a source log, a target leader, stores, and any number of workers. */

import { MemoryLanes, MemoryProgressStore } from "../../../../src/adapters/memory-progress.ts";
import { createSimClock, type SimClock } from "../../../../src/adapters/sim-clock.ts";
import type { Uuid } from "../../../../src/core/brand.ts";
import type { Clock } from "../../../../src/core/clock.ts";
import { type Logger, silentLogger } from "../../../../src/core/logger.ts";
import type { Random } from "../../../../src/core/random.ts";
import { Backfill, type BackfillLimits } from "../../../../src/mirror/backfill.ts";
import type { HistoryTarget } from "../../../../src/mirror/history/ports.ts";
import { Lane } from "../../../../src/mirror/lane.ts";
import { producerIdOf, reverseLane } from "../../../../src/mirror/lane-id.ts";
import { toRecord } from "../../../../src/mirror/lane-memory.ts";
import type { LaneHooks, LaneOptions } from "../../../../src/mirror/lane-options.ts";
import { OffsetMap } from "../../../../src/mirror/offset-map.ts";
import { later } from "../../../../src/mirror/offset-order.ts";
import type { LaneIdentity, ProgressStore } from "../../../../src/mirror/offset-ports.ts";
import { Pace, type PaceLimits } from "../../../../src/mirror/pace.ts";
import { planText } from "../../../../src/mirror/plan.ts";
import type { Target, TargetLimits, TopicPartition } from "../../../../src/mirror/ports.ts";
import { BatchView, stampBatch } from "../../../../src/wire/record-batch.ts";
import { decodeRecords, type EncodeOptions, encodeBatch } from "../../../../src/wire/records.ts";
import { seededRandom } from "../../../support/seeded-random.ts";
import { ModelBroker } from "./model-broker.ts";
import { ModelSourceLog, modelSource } from "./model-source.ts";
import { ModelTarget, type NetworkFaults, NO_FAULTS } from "./model-target.ts";
import { ModelCoordinator, modelHistory, type TransactionMistakes } from "./model-transactions.ts";

const SOURCE: TopicPartition = { topic: "orders", topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partition: 0 };
const TARGET: TopicPartition = { topic: "west.orders", topicId: "AAAAAAAAAAAAAAAAAAAAAg" as Uuid, partition: 0 };

/** The value of records that the lane did not write. */
const FOREIGN = "foreign";

/** The one lane of the model. */
export const MODEL_LANE: LaneIdentity = {
  sourceClusterId: "west",
  sourceTopicId: SOURCE.topicId,
  sourcePartition: 0,
  targetClusterId: "central",
  targetTopicId: TARGET.topicId,
  targetPartition: 0,
};

/** What the lane does unless a test says otherwise. */
export const LANE_OPTIONS: LaneOptions = {
  lane: MODEL_LANE,
  sourcePartition: SOURCE,
  targetPartition: TARGET,
  producerId: producerIdOf(MODEL_LANE),
  rules: { provenance: "all", reverseProducerId: producerIdOf(reverseLane(MODEL_LANE)), filter: undefined },
  delivery: "exactly-once",
  gapPolicy: "stop",
  divergencePolicy: "stop",
  openTransactionMs: 60_000,
  start: "earliest",
};

/** How a world is made. */
export interface WorldOptions {
  readonly seed: number;
  readonly faults?: NetworkFaults;
  readonly hooks?: LaneHooks;
  readonly dedup?: boolean;
  readonly lane?: Partial<LaneOptions>;
  readonly limits?: TargetLimits;
  /** Each worker's own. */
  readonly pace?: PaceLimits;
  /** Each worker's own. */
  readonly backfill?: BackfillLimits;
  /** The target knows transactions. */
  readonly history?: TransactionMistakes;
  /** How often a worker stores its progress. */
  readonly storeEveryMs?: number;
  /** Followers copy everything this often; without it, when the test says so. */
  readonly replicatesMs?: number;
  /** Hears what the lanes say. */
  readonly logger?: Logger;
}

/** A worker that runs the lane. */
export interface Worker {
  /** What it calls itself in records. */
  readonly name: string;
  readonly lane: Lane;
  readonly target: ModelTarget;
  readonly store: MemoryProgressStore;
  /** Dies at once: nothing it waits for ever returns, nothing unsaved is saved. */
  crash(): void;
  /** Stops in an orderly way and stores its progress. */
  stop(): Promise<void>;
  /** Stands still, and then goes on as if nothing had been: what it sends was decided before. */
  freeze(forMs: number): void;
}

/** What a record is known by in the model. */
export interface Seen {
  readonly offset: bigint;
  readonly value: string;
}

/** See the file's comment. */
export class World {
  readonly clock: SimClock = createSimClock();
  readonly random: Random;
  readonly source = new ModelSourceLog();
  readonly broker: ModelBroker;
  readonly lanes = new MemoryLanes();
  readonly coordinator: ModelCoordinator | undefined;
  readonly #options: WorldOptions;
  #produced = 0;
  #spawned = 0;
  /** Errors that only a bug can cause. */
  readonly bugs: unknown[] = [];

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed);
    this.broker = new ModelBroker(options.dedup === undefined ? {} : { dedup: options.dedup });
    if (options.history !== undefined) this.coordinator = new ModelCoordinator(this.broker, this.clock, this.random);
    if (options.replicatesMs !== undefined) this.#replicate(options.replicatesMs);
  }

  #replicate(everyMs: number): void {
    this.broker.commit();
    this.clock.after(everyMs, () => this.#replicate(everyMs));
  }

  /** Appends one batch of `count` records to the source, with the time of now. */
  produce(count: number, encode: EncodeOptions = {}, timestampMs = this.clock.nowMs()): void {
    this.source.append(encodeBatch(this.records(count, timestampMs), encode));
  }

  /** Appends a batch as compaction leaves it: records at `deltas` only, of `span` offsets. */
  compacted(deltas: readonly number[], span: number): void {
    const records = this.records(deltas.length).map((record, at) => ({ ...record, offsetDelta: deltas[at] ?? 0 }));
    this.source.append(encodeBatch(records, { lastOffsetDelta: span - 1 }));
  }

  /** A transaction of one batch, and its marker. */
  transaction(count: number, end: "commit" | "abort"): void {
    const producer = { producerId: 9n, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    const firstOffset = this.source.endOffset;
    this.produce(count, producer);
    this.produce(1, { ...producer, isControl: true });
    if (end === "abort")
      this.source.aborted.push({ producerId: 9n, firstOffset, lastOffset: firstOffset + BigInt(count) });
  }

  /** What a read_committed consumer of the source reads. */
  committedRecords(): Seen[] {
    const isAborted = (offset: bigint): boolean =>
      this.source.aborted.some((txn) => offset >= txn.firstOffset && offset <= txn.lastOffset);
    return this.sourceRecords().filter(({ offset }) => !isAborted(offset));
  }

  /** Somebody else writes into the target. */
  writeForeign(count: number): void {
    const timestampMs = BigInt(this.clock.nowMs());
    const records = Array.from({ length: count }, () => ({ timestampMs, key: null, value: Buffer.from(FOREIGN) }));
    this.broker.append(encodeBatch(records));
  }

  /** The lane has a long past: `position` records, the last of which is the source's and the target's first here. */
  beginAt(position: bigint): void {
    this.produce(1);
    const [first] = this.source.batches;
    if (first === undefined) throw new Error("nothing produced");
    const copy = new BatchView(Buffer.from(first.bytes), 0, first.sizeBytes);
    const baseSequence = Number((position - 1n) % 2n ** 31n);
    stampBatch(copy, { producerId: LANE_OPTIONS.producerId, producerEpoch: 0, baseSequence });
    this.broker.append(copy);
    this.broker.commit();
    const map = OffsetMap.startingAt({ sourceNext: 1n, targetNext: 1n, count: position });
    const store = new MemoryProgressStore(this.lanes);
    const memory = { map, era: { epoch: 0, base: 0n }, sourceEpoch: -1, gaps: [], gapCount: 0, repeats: 0n };
    const rules = { walkPlan: planText(LANE_OPTIONS.rules), planBase: 0n };
    const held = { ...memory, ...rules, history: undefined, returned: undefined } as const;
    store.save(toRecord(LANE_OPTIONS, held, this.clock.nowMs()), map);
    void store.flush();
  }

  /** The next records to be produced. */
  records(count: number, timestampMs = this.clock.nowMs()): { timestampMs: bigint; key: Buffer; value: Buffer }[] {
    return Array.from({ length: count }, () => {
      const value = Buffer.from(`v${this.#produced++}`);
      return { timestampMs: BigInt(timestampMs), key: value, value };
    });
  }

  /** Starts a worker, whose options may differ from the other ones'; of its own name unless it is another's restart. */
  spawn(own: Partial<LaneOptions> = {}, name = `worker ${this.#spawned++}`): Worker {
    const life = new Life(this.clock);
    const { clock, random, broker } = this;
    const mortal = mortalClock(clock, life);
    const target = new ModelTarget(
      { clusterId: MODEL_LANE.targetClusterId, faults: this.#options.faults ?? NO_FAULTS },
      { broker, clock, random },
    );
    if (this.#options.limits !== undefined) target.limitsNow = this.#options.limits;
    const faults = (): NetworkFaults => target.faults;
    const way = { faults, worker: name, mistakes: this.#options.history };
    if (this.coordinator !== undefined) target.history = modelHistory(this.coordinator, way);
    const storeMs = (this.#options.faults ?? NO_FAULTS).delayMsMax;
    const store = new MemoryProgressStore(this.lanes);
    const source = modelSource(this.source, { clock: mortal, random, clusterId: MODEL_LANE.sourceClusterId });
    const lane = new Lane(
      { ...LANE_OPTIONS, ...this.#options.lane, ...own },
      {
        source,
        target: mortalTarget(target, life),
        progress: mortalStore(
          store,
          life,
          () => new Promise((resolve) => clock.after(random.next() * storeMs, resolve)),
        ),
        clock: mortal,
        random,
        logger: this.#options.logger ?? silentLogger,
        pace: this.#options.pace && new Pace(this.#options.pace, mortal),
        backfill: this.#options.backfill && new Backfill(this.#options.backfill, mortal),
        ...(this.#options.hooks === undefined ? {} : { hooks: this.#options.hooks }),
      },
    );
    const stopping = new AbortController();
    const running = lane.run(stopping.signal).catch((bug: unknown) => {
      if (!life.dead) this.bugs.push(bug);
    });
    const everyMs = this.#options.storeEveryMs ?? 50;
    const tick = (): void => {
      if (life.dead) return;
      void store.flush();
      void lane.check();
      clock.after(everyMs, tick);
    };
    clock.after(everyMs * random.next(), tick);
    return {
      name,
      lane,
      target,
      store,
      crash: () => {
        life.dead = true;
        target.crash();
      },
      freeze: (forMs) => life.freeze(forMs),
      stop: async () => {
        stopping.abort();
        await running;
        await store.flush();
        life.dead = true;
      },
    };
  }

  /** Lets virtual time pass until `isDone`; false when it did not come true within the limit. */
  until(isDone: () => boolean, limitMs = 600_000): Promise<boolean> {
    return this.clock.runUntil(isDone, limitMs);
  }

  /** What a consumer of the source reads (aborted data and markers left out by the caller's choice of `batches`). */
  sourceRecords(batches: readonly BatchView[] = this.source.batches): Seen[] {
    return batches.flatMap(seen);
  }
  /** What the lane wrote. */
  targetRecords(): Seen[] {
    return this.broker.committed.flatMap(seen).filter(({ value }) => value !== FOREIGN);
  }

  /** The first difference between two lists of values, for messages; undefined when equal. */
  difference(expected: readonly Seen[] = this.sourceRecords()): string | undefined {
    const got = this.targetRecords();
    for (let i = 0; i < Math.max(expected.length, got.length); i++) {
      if (expected[i]?.value !== got[i]?.value)
        return `record ${i}: expected ${expected[i]?.value ?? "none"}, got ${got[i]?.value ?? "none"}`;
    }
    return undefined;
  }

  /** The first source offset that a lane's map translates wrongly, forwards or backwards. */
  wrongTranslation(lane: Lane, source: readonly Seen[] = this.sourceRecords()): string | undefined {
    const { map } = lane;
    if (map === undefined) return "no map";
    const target = this.targetRecords();
    const placeOf = new Map(target.map(({ value, offset }) => [value, offset]));
    for (let g = later(this.source.startOffset, map.floor.source); g < this.source.endOffset; g++) {
      const next = source.find(({ offset }) => offset >= g);
      const want = next === undefined ? map.progress.targetNext : placeOf.get(next.value);
      const got = map.translate(g);
      if (got.kind !== "exact" || got.targetOffset !== want)
        return `translate(${g}) = ${got.kind} ${got.targetOffset}, wanted ${want}`;
      if (next === undefined || want === undefined) continue;
      const back = map.reverse(want);
      if (back.kind !== "exact" || back.sourceOffset !== next.offset)
        return `reverse(${want}) = ${back.kind} ${back.sourceOffset}, wanted ${next.offset}`;
    }
    return undefined;
  }
}

/** A process: it may stand still for a while, or be dead. */
class Life {
  dead = false;
  readonly #clock: Clock;
  #frozenUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#clock.monotonicMs() + forMs);
  }

  /** How long it will stand still. */
  get frozenMs(): number {
    return Math.max(0, this.#frozenUntilMs - this.#clock.monotonicMs());
  }

  /** What others do for it goes on meanwhile; it hears of the result when it is awake, or never. */
  async guard<T>(work: Promise<T>): Promise<T> {
    const [settled] = await Promise.allSettled([work]);
    while (this.frozenMs > 0) await new Promise<void>((resolve) => this.#clock.after(this.frozenMs, resolve));
    if (this.dead) return never<T>();
    if (settled.status === "rejected") throw settled.reason;
    return settled.value;
  }
}

/** What a dead process waits for never comes. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

function mortalClock(clock: Clock, life: Life): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs, callback) => {
      const fire = (): void => {
        if (life.dead || isCancelled) return;
        if (life.frozenMs > 0) clock.after(life.frozenMs, fire);
        else callback();
      };
      let isCancelled = false;
      const timer = clock.after(delayMs, fire);
      return {
        cancel: () => {
          isCancelled = true;
          timer.cancel();
        },
      };
    },
  };
}

function mortalTarget(target: ModelTarget, life: Life): Target {
  const guard = <T>(work: Promise<T>): Promise<T> => life.guard(work);
  return {
    clusterId: target.clusterId,
    append: (partition, batch) => (life.dead ? never() : guard(target.append(partition, batch))),
    producer: (partition, producerId) => guard(target.producer(partition, producerId)),
    bounds: () => guard(target.bounds()),
    scan: (partition, from, to) => target.scan(partition, from, to),
    limits: () => guard(target.limits()),
    topics: () => guard(target.topics()),
    createTopic: () => target.createTopic(),
    growTopic: () => target.growTopic(),
    history: target.history && mortalHistory(target.history, life),
  };
}

function mortalHistory(history: HistoryTarget, life: Life): HistoryTarget {
  return {
    worker: history.worker,
    peek: (lane) => life.guard(history.peek(lane)),
    fence: (partition, producerId, epoch) => life.guard(history.fence(partition, producerId, epoch)),
    read: (lane) => life.guard(history.read(lane)),
    rival: (lane) => life.guard(history.rival(lane)),
    stableEnd: (partition) => life.guard(history.stableEnd(partition)),
    leaderEpoch: (partition) => history.leaderEpoch(partition),
    open: async (lane, partition) => {
      const writer = await life.guard(history.open(lane, partition));
      const { producerId, producerEpoch } = writer;
      return {
        producerId,
        producerEpoch,
        begin: () => life.guard(writer.begin()),
        append: (batch) => (life.dead ? never() : life.guard(writer.append(batch))),
        start: writer.start && (() => life.guard(writer.start?.() ?? Promise.resolve(undefined))),
        commit: (record) => life.guard(writer.commit(record)),
        abort: () => life.guard(writer.abort()),
        close: () => writer.close(),
      };
    },
  };
}

function mortalStore(store: MemoryProgressStore, life: Life, pause: () => Promise<void>): ProgressStore {
  const slowly = async <T>(work: () => Promise<T>): Promise<T> => {
    await pause();
    if (life.dead) return never();
    const result = await work();
    await pause();
    return life.dead ? never() : result;
  };
  return {
    load: (lane) => slowly(() => store.load(lane)),
    list: () => slowly(() => store.list()),
    save: (state, map) => {
      if (!life.dead) store.save(state, map);
    },
    flush: () => slowly(() => store.flush()),
  };
}

function seen(batch: BatchView): Seen[] {
  if (batch.isControl) return [];
  return decodeRecords(batch).map((record) => ({
    offset: batch.baseOffset + BigInt(record.offsetDelta),
    value: record.value?.toString() ?? "",
  }));
}
