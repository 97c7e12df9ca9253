/** A transaction coordinator and the history topic in memory, by Kafka's rules as they were seen on running brokers, and what goes
 *  wrong on the way there: requests and answers that get lost, an end that arrives late, markers that take their time. */

import type { Clock } from "../../../../src/core/clock.ts";
import type { Random } from "../../../../src/core/random.ts";
import { MirrorError, type TargetFault } from "../../../../src/mirror/errors.ts";
import type { FenceOutcome, HistoryTarget, HistoryWriter } from "../../../../src/mirror/history/ports.ts";
import { decodeHistory, encodeHistory, type HistoryRecord } from "../../../../src/mirror/history/record.ts";
import type { AppendOutcome } from "../../../../src/mirror/ports.ts";
import { BatchView } from "../../../../src/wire/record-batch.ts";
import { failed, type ModelBroker } from "./model-broker.ts";
import type { NetworkFaults } from "./model-target.ts";

/** The coordinator aborts what is open for longer. */
const TIMEOUT_MS = 10_000;
/** Whoever reads ends what stands open in front of it for longer. */
const ABANDONED_MS = 1_000;
/** Markers are written within this time of a transaction's end. */
const MARKERS_MS = 40;

/** Mistakes built in on purpose. */
export interface TransactionMistakes {
  /** Reads end at the last stable offset. */
  readonly readsToStableEnd?: boolean;
  /** The marker that keeps live writers out is acknowledged and not written. */
  readonly fencesNobody?: boolean;
  /** The leader tells of its producer's own batches only, as if nothing of the past could stand open in front of them. */
  readonly tellsNoLeftovers?: boolean;
}

interface Entry {
  readonly producerId: bigint;
  readonly value: Buffer | "commit" | "abort";
}

/** The one lane's transactional id, and the history topic of all. */
export class ModelCoordinator {
  /** The high watermark is its end. */
  readonly topic: Entry[] = [];
  readonly broker: ModelBroker;
  readonly clock: Clock;
  readonly random: Random;
  readonly producerId = 1_000n;
  /** Brokers before Kafka 2.8 do not. */
  readonly tellsStart: boolean;
  epoch = -1;
  commits = 0;
  /** Of the last marker in the history topic. */
  markedEpoch = -1;
  aborts = 0;
  #open: { readonly sinceMs: number } | undefined;
  /** The end of a transaction whose markers are not all written. */
  #completing: Promise<void> | undefined;

  constructor(broker: ModelBroker, clock: Clock, random: Random) {
    this.broker = broker;
    this.clock = clock;
    this.random = random;
    this.tellsStart = random.next() < 0.7;
  }

  /** InitProducerId. */
  async open(): Promise<number> {
    for (;;) {
      const { epoch } = this;
      await this.#completing;
      if (this.#completing !== undefined || epoch !== this.epoch) continue;
      this.epoch++;
      if (this.#open === undefined) return this.epoch;
      await this.#end(false);
    }
  }

  /** AddPartitionsToTxn; false when fenced. */
  async announce(epoch: number): Promise<boolean> {
    while (epoch === this.epoch && this.#completing !== undefined) await this.#completing;
    if (epoch !== this.epoch) return false;
    const open = { sinceMs: this.clock.monotonicMs() };
    this.#open ??= open;
    this.clock.after(TIMEOUT_MS, () => {
      if (this.#open !== open || this.#completing !== undefined) return;
      this.epoch++;
      void this.#end(false);
    });
    return true;
  }

  /** A transactional batch to the lane's partition. */
  produce(batch: BatchView) {
    if (batch.producerEpoch !== this.epoch || this.#open === undefined || this.#completing !== undefined)
      return { kind: "refused", why: "INVALID_PRODUCER_EPOCH" } as const;
    return this.broker.append(batch);
  }

  /** A transactional record to the history topic; false when fenced. */
  append(epoch: number, value: Buffer): boolean {
    if (epoch !== this.epoch || this.#open === undefined || this.#completing !== undefined) return false;
    this.topic.push({ producerId: this.producerId, value });
    return true;
  }

  /** The lane's transaction that is open now, by a name of its own; undefined while its end is being written. */
  get openSince(): object | undefined {
    return this.#completing === undefined ? this.#open : undefined;
  }

  /** EndTxn; false when fenced. Acknowledged before the markers are written. */
  end(epoch: number, commit: boolean): boolean {
    if (epoch !== this.epoch) return false;
    if (this.#open !== undefined && this.#completing === undefined) void this.#end(commit);
    return true;
  }

  async #end(commit: boolean): Promise<void> {
    const { epoch } = this;
    if (commit) this.commits++;
    else this.aborts++;
    const later = (): Promise<void> =>
      new Promise((resolve) => this.clock.after(this.random.next() * MARKERS_MS, resolve));
    const onData = async (): Promise<void> => {
      await later();
      const how = { epoch, commit, nowMs: this.clock.nowMs() };
      for (let end = this.broker.mark(this.producerId, how); end !== undefined; ) {
        const { leaderEpoch } = this.broker;
        while (this.broker.highWatermark < end && this.broker.leaderEpoch === leaderEpoch) await later();
        if (this.broker.leaderEpoch === leaderEpoch) return;
        end = this.broker.mark(this.producerId, how);
      }
    };
    const onTopic = async (): Promise<void> => {
      await later();
      this.markedEpoch = epoch;
      this.topic.push({ producerId: this.producerId, value: commit ? "commit" : "abort" });
    };
    this.#completing = Promise.all([onData(), onTopic()]).then(() => {
      this.#open = undefined;
      this.#completing = undefined;
    });
    await this.#completing;
  }

  /** Another lane's transactions stand open in the history topic again and again. */
  disturb(): void {
    const producerId = 7n;
    this.topic.push({ producerId, value: Buffer.from("another lane's") });
    this.clock.after(this.random.next() * 400, () => {
      this.topic.push({ producerId, value: "commit" });
      this.clock.after(this.random.next() * 400, () => this.disturb());
    });
  }

  get stableEnd(): number {
    const open = new Map<bigint, number>();
    for (const [at, { producerId, value }] of this.topic.entries()) {
      if (typeof value === "string") open.delete(producerId);
      else if (!open.has(producerId)) open.set(producerId, at);
    }
    return Math.min(this.topic.length, ...open.values());
  }

  /** The lane's last record committed below `end`. */
  committed(end: number): HistoryRecord | undefined {
    let latest: Buffer | undefined;
    let pending: Buffer | undefined;
    for (const { producerId, value } of this.topic.slice(0, end)) {
      if (producerId !== this.producerId) continue;
      if (typeof value !== "string") pending = value;
      else {
        if (value === "commit") latest = pending ?? latest;
        pending = undefined;
      }
    }
    return latest && decodeHistory(latest);
  }
}

/** One worker's way to the coordinator. */
export function modelHistory(
  coordinator: ModelCoordinator,
  way: {
    readonly faults: () => NetworkFaults;
    readonly worker: string;
    readonly mistakes?: TransactionMistakes | undefined;
  },
): HistoryTarget {
  const { clock, random, broker } = coordinator;
  const { faults, worker, mistakes = {} } = way;
  const pause = (): Promise<void> =>
    new Promise((resolve) => clock.after(random.next() * faults().delayMsMax, resolve));
  /** A request: it or its answer may get lost, and what was lost on the way may arrive late. */
  const ask = async <T>(apply: () => T | Promise<T>): Promise<T> => {
    await pause();
    if (random.next() < faults().breaks) {
      const fate = random.next();
      if (fate < 0.4) clock.after(random.next() * 500, () => void apply());
      else if (fate < 0.7) await apply();
      throw error("TARGET_DOUBT", "DISCONNECTED");
    }
    const answer = await apply();
    await pause();
    return answer;
  };
  const until = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await new Promise<void>((resolve) => clock.after(2, resolve));
  };
  let ownEpoch = -1;
  const open = async (): Promise<number> => {
    ownEpoch = await ask(() => coordinator.open());
    return ownEpoch;
  };
  return {
    worker,
    fence: (_partition, producerId, epoch) =>
      ask(async (): Promise<FenceOutcome> => {
        if (mistakes.fencesNobody === true) return { kind: "fenced" };
        const { leaderEpoch } = broker;
        const end = broker.mark(producerId, { epoch, commit: false, nowMs: clock.nowMs() });
        if (end === undefined) return { kind: "outrun" };
        await until(() => broker.highWatermark >= end || broker.leaderEpoch !== leaderEpoch);
        if (broker.leaderEpoch !== leaderEpoch) throw error("TARGET_DOUBT", "NOT_LEADER_OR_FOLLOWER");
        return { kind: "fenced" };
      }),
    read: async () => {
      await pause();
      const end = mistakes.readsToStableEnd === true ? coordinator.stableEnd : coordinator.topic.length;
      for (let held = coordinator.openSince, sinceMs = clock.monotonicMs(); coordinator.stableEnd < end; ) {
        await new Promise<void>((resolve) => clock.after(2, resolve));
        if (held !== coordinator.openSince) [held, sinceMs] = [coordinator.openSince, clock.monotonicMs()];
        if (held === undefined || clock.monotonicMs() - sinceMs < ABANDONED_MS) continue;
        await open().catch(() => undefined);
      }
      return coordinator.committed(end);
    },
    peek: async () => {
      await pause();
      return { record: coordinator.committed(coordinator.stableEnd), writerEpoch: coordinator.markedEpoch };
    },
    rival: async () => {
      const { epoch, producerId, tellsStart } = coordinator;
      await pause();
      return tellsStart && epoch >= 0 && epoch !== ownEpoch ? { producerId, epoch } : undefined;
    },
    open: async () => modelWriter(coordinator, await open(), { ask, pause, faults, mistakes }),
    leaderEpoch: () => broker.leaderEpoch,
    stableEnd: async () => {
      await pause();
      return broker.lastStableOffset;
    },
  };
}

interface Way {
  readonly ask: <T>(apply: () => T | Promise<T>) => Promise<T>;
  readonly pause: () => Promise<void>;
  readonly faults: () => NetworkFaults;
  readonly mistakes: TransactionMistakes;
}

function modelWriter(
  coordinator: ModelCoordinator,
  epoch: number,
  { ask, pause, faults, mistakes }: Way,
): HistoryWriter {
  const { broker, clock, random, producerId } = coordinator;
  /** Batches travel one behind the other. */
  let connection: Promise<unknown> = Promise.resolve();
  let isBroken = false;
  /** A request goes to the leader of the time when it was made. */
  const send = async (bytes: Buffer, leaderEpoch: number): Promise<AppendOutcome> => {
    await pause();
    if (isBroken || random.next() < faults().breaks) {
      isBroken = true;
      const late = Buffer.from(bytes);
      if (random.next() < 0.5)
        clock.after(random.next() * 300, () => {
          if (broker.leaderEpoch === leaderEpoch) coordinator.produce(new BatchView(late, 0, late.length));
        });
      return failed("DISCONNECTED");
    }
    if (broker.leaderEpoch !== leaderEpoch) return failed("NOT_LEADER_OR_FOLLOWER");
    const stored = coordinator.produce(new BatchView(bytes, 0, bytes.length));
    if (stored.kind === "refused") {
      isBroken = true;
      return stored.why === "INVALID_PRODUCER_EPOCH"
        ? { kind: "failed", fault: fault("TARGET_FENCED", "") }
        : failed(stored.why);
    }
    while (broker.highWatermark < stored.nextOffset && broker.leaderEpoch === leaderEpoch)
      await new Promise<void>((resolve) => clock.after(1, resolve));
    if (broker.leaderEpoch !== leaderEpoch) return failed("NOT_LEADER_OR_FOLLOWER");
    return { kind: "appended", baseOffset: stored.baseOffset };
  };
  return {
    producerId,
    producerEpoch: epoch,
    begin: async () => {
      if (!(await ask(() => coordinator.announce(epoch)))) throw error("TARGET_FENCED", "");
    },
    append: (batch) => {
      const { leaderEpoch } = broker;
      const sent = connection.then(() => send(batch.bytes, leaderEpoch));
      connection = sent;
      return sent;
    },
    start: coordinator.tellsStart
      ? () => ask(() => broker.startOf(producerId, mistakes.tellsNoLeftovers === true ? epoch : undefined))
      : undefined,
    commit: async (record) => {
      if (!(await ask(() => coordinator.append(epoch, encodeHistory(record))))) throw error("TARGET_FENCED", "");
      if (!(await ask(() => coordinator.end(epoch, true)))) throw error("TARGET_FENCED", "");
    },
    abort: async () => {
      if (!(await ask(() => coordinator.end(epoch, false)))) throw error("TARGET_FENCED", "");
    },
    close: () => {},
  };
}

function fault(code: "TARGET_DOUBT" | "TARGET_FENCED", why: string): TargetFault {
  const at = { topic: "west.orders", partition: 0 };
  return code === "TARGET_FENCED" ? { code, ...at } : { code, ...at, why };
}

function error(code: "TARGET_DOUBT" | "TARGET_FENCED", why: string): MirrorError {
  return new MirrorError(fault(code, why));
}
