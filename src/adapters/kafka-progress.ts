/** The `ProgressStore` over two compacted topics on the target: lanes' states and offset maps, written lazily.
 *
 *  ```
 *  save --> pending (latest per lane) --every second--> outbox (latest per key) --acks=all--> map topic, then state topic
 *  ```
 *  **Nobody coordinates the writers.** Two workers, one of them stale, may write the same lane in any order; so may a delayed
 *  request of this worker. No idempotence or transaction guards these topics, and none is needed:
 *
 *  - State is a hint. It holds acked progress only, so whatever version survives bounds a correct, perhaps longer, recovery walk.
 *    The one field that is more than a hint, the era, only rises (`StoredLanes`), and the brokers refuse older eras.
 *  - Map chunks are functions of the two logs. A shorter version over a longer one loses runs at the map's end, which the walk finds
 *    again; versions from before and after a truncation are told apart by target leader epoch (`map-chunk-merge.ts`).
 *  - A lane's chunks go out in one batch where they fit, and before its state. Neither order is relied upon. */

import type { KafkaClient } from "../client/kafka-client.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { assertInvariant, TributaryError, toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import { mapWrites } from "../mirror/map-chunk-records.ts";
import type { OffsetMap } from "../mirror/offset-map.ts";
import {
  type LaneIdentity,
  type LaneKey,
  type LaneStateRecord,
  laneKey,
  type ProgressStore,
  type StoredLane,
} from "../mirror/offset-ports.ts";
import { encodeLaneState } from "../mirror/state-record.ts";
import { chunkKey, LANES_TOPIC, OFFSETS_TOPIC } from "../mirror/state-record-keys.ts";
import { storeFailure } from "../mirror/stored-error.ts";
import { StoredLanes } from "../mirror/stored-lanes.ts";
import type { InternalRecord, InternalTopic } from "./internal-topic.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";
import { Shared } from "./shared-run.ts";

/** How long a lane's progress may stay unwritten: the recovery walk reads at most this much again. */
const DEFAULT_SAVE_INTERVAL_MS = 1_000;

/** The tail of a map is written whole, up to 20 KiB when a lane has many holes. It waits one interval more per this many runs, so
 *  that a lane writes at most about 1.3 KiB per second for its map. */
const RUNS_PER_INTERVAL = 256;

/** Attempts of `flush` before it gives up: with the backoff, about 15 s. */
const FLUSH_ATTEMPTS_MAX = 20;

/** Options of the store. */
export interface KafkaProgressOptions {
  /** Default 1 000. */
  readonly saveIntervalMs?: number | undefined;
  /** For commands that only look: creates nothing, and must not be saved to. Default false. */
  readonly readOnly?: boolean | undefined;
}

/** What the store works with. */
export interface KafkaProgressDeps {
  readonly lanes: InternalTopic;
  readonly offsets: InternalTopic;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The store of a target cluster; its topics are made when missing. The client is the caller's, to be closed after the store.
 *  @throws {ClientError} */
export async function openKafkaProgress(
  options: KafkaProgressOptions,
  deps: Omit<KafkaProgressDeps, "lanes" | "offsets"> & { readonly client: KafkaClient },
): Promise<KafkaProgressStore> {
  const createIfMissing = options.readOnly !== true;
  const lanes = await KafkaInternalTopic.open({ name: LANES_TOPIC, createIfMissing }, deps);
  const offsets = await KafkaInternalTopic.open({ name: OFFSETS_TOPIC, createIfMissing }, deps);
  return KafkaProgressStore.open(options, { ...deps, lanes, offsets });
}

/** A lane that waits to be written. */
interface Pending {
  /** Undefined when only the map still waits. */
  state: LaneStateRecord | undefined;
  readonly map: OffsetMap;
}

/** An open store of one worker. */
export class KafkaProgressStore implements ProgressStore, AsyncDisposable {
  readonly #deps: KafkaProgressDeps;
  readonly #intervalMs: number;
  /** What was read. Own writes get here by being read back, so that it follows the order of the log. */
  readonly #stored = new StoredLanes();
  readonly #refresh = new Shared(() => this.#readNew());
  readonly #write = new Shared(() => this.#writeOutbox());
  /** One entry per lane: bounded by the number of lanes. */
  readonly #pending = new Map<LaneKey, Pending>();
  readonly #mapDueMs = new Map<LaneKey, number>();
  /** The map that each lane's stored chunks belong to. */
  readonly #maps = new Map<LaneKey, OffsetMap>();
  /** Bytes not yet acked, latest per key; bounded by keys. */
  readonly #outbox = { lanes: new Map<string, InternalRecord>(), offsets: new Map<string, InternalRecord>() };
  #timer: Timer | undefined;
  #failures = 0;
  #closed = false;

  private constructor(options: KafkaProgressOptions, deps: KafkaProgressDeps) {
    this.#deps = deps;
    this.#intervalMs = options.saveIntervalMs ?? DEFAULT_SAVE_INTERVAL_MS;
  }

  /** Reads both topics to their end. @throws {TributaryError} when they cannot be read */
  static async open(options: KafkaProgressOptions, deps: KafkaProgressDeps): Promise<KafkaProgressStore> {
    const store = new KafkaProgressStore(options, deps);
    await store.#refresh.run();
    return store;
  }

  async load(lane: LaneIdentity): Promise<StoredLane> {
    const key = laneKey(lane);
    this.#pending.delete(key);
    const loaded = await translated(async () => {
      await this.#refresh.run();
      return this.#stored.lane(key);
    });
    if (loaded.map === undefined) this.#maps.delete(key);
    else this.#maps.set(key, loaded.map);
    return loaded;
  }

  async list(): Promise<readonly LaneStateRecord[]> {
    await translated(() => this.#refresh.run());
    return this.#stored.states();
  }

  save(state: LaneStateRecord, map: OffsetMap): void {
    if (this.#closed) return;
    this.#pending.set(laneKey(state.lane), { state, map });
    this.#arm(this.#intervalMs);
  }

  flush(): Promise<void> {
    return translated(() => this.#flush());
  }

  /** Writes what is saved, once, and stops. Idempotent; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#snapshot({ isFinal: true });
    this.#closed = true;
    await this.#write.run().catch((error: unknown) => this.#noteFailure(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #flush(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#snapshot({ isFinal: true });
      try {
        await this.#write.run();
        return;
      } catch (error) {
        if (attempt >= FLUSH_ATTEMPTS_MAX || this.#closed || !(error instanceof TributaryError)) throw error;
        await new Promise<void>((resolve) => {
          this.#deps.clock.after(backoffMs(attempt, this.#deps.random), resolve);
        });
      }
    }
  }

  #arm(delayMs: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#snapshot({ isFinal: false });
      void this.#writeInBackground();
    });
  }

  async #writeInBackground(): Promise<void> {
    try {
      await this.#write.run();
      if (this.#failures > 0) this.#deps.logger.info("progress is stored again", { afterFailures: this.#failures });
      this.#failures = 0;
      if (this.#pending.size > 0) this.#arm(this.#intervalMs);
    } catch (error) {
      this.#noteFailure(error);
      this.#arm(Math.max(this.#intervalMs, backoffMs(this.#failures, this.#deps.random)));
    }
  }

  #noteFailure(error: unknown): void {
    this.#failures++;
    if (this.#failures > 1) return;
    const facts = error instanceof TributaryError ? error.fault : { why: toError(error).message };
    this.#deps.logger.warn("progress cannot be stored", { ...facts });
  }

  /** Turns pending lanes into bytes. A lane whose map is not due yet stays pending for that alone. */
  #snapshot({ isFinal }: { readonly isFinal: boolean }): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [lane, pending] of this.#pending) {
      const { state, map } = pending;
      const isDue = isFinal || this.#maps.get(lane) !== map || nowMs >= (this.#mapDueMs.get(lane) ?? 0);
      if (isDue) this.#snapshotMap(lane, map, nowMs);
      if (state !== undefined) put(this.#outbox.lanes, { route: lane, key: lane, value: encodeLaneState(state) });
      if (map.hasChanges) pending.state = undefined;
      else this.#pending.delete(lane);
    }
  }

  #snapshotMap(lane: LaneKey, map: OffsetMap, nowMs: number): void {
    const former = this.#maps.get(lane);
    if (former !== map) {
      const written = (former?.blockNumbers ?? []).map((number) => chunkKey(lane, number));
      const keys = new Set([...this.#stored.blockKeys(lane), ...written]);
      for (const key of keys) put(this.#outbox.offsets, { route: lane, key, value: null });
      this.#maps.set(lane, map);
    }
    for (const { key, value } of mapWrites(lane, map)) put(this.#outbox.offsets, { route: lane, key, value });
    const waitMs = this.#intervalMs * Math.ceil(map.tailRunCount / RUNS_PER_INTERVAL);
    this.#mapDueMs.set(lane, nowMs + waitMs);
  }

  async #writeOutbox(): Promise<void> {
    await this.#drain(this.#outbox.offsets, this.#deps.offsets);
    await this.#drain(this.#outbox.lanes, this.#deps.lanes);
  }

  /** Keys that change while they are on their way stay in the outbox. */
  async #drain(outbox: Map<string, InternalRecord>, topic: InternalTopic): Promise<void> {
    const records = [...outbox.values()];
    if (records.length === 0) return;
    await topic.append(records);
    for (const record of records) if (outbox.get(record.key) === record) outbox.delete(record.key);
  }

  async #readNew(): Promise<void> {
    const { offsets, lanes } = this.#deps;
    assertInvariant(offsets.name === OFFSETS_TOPIC && lanes.name === LANES_TOPIC, "Each internal topic has its name");
    // Writers store a lane's map before its state. Read the other way round, a map is at least as new as the state found: a lane
    // written for the first time in between would else seem to have a state and no map, and lose its beginning.
    for (const topic of [lanes, offsets]) {
      await topic.readNew((key, value) => this.#stored.apply(topic.name, key, value));
    }
  }
}

/** Errors as lanes understand them. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeFailure(error, { topic: LANES_TOPIC, partition: 0 });
  }
}

/** Replaces the key's record and moves it to the end, so that records go out in the order in which they were made. */
function put(outbox: Map<string, InternalRecord>, record: InternalRecord): void {
  outbox.delete(record.key);
  outbox.set(record.key, record);
}
