/** A `ProgressStore` in memory, for tests and the simulator: it keeps records, as the topics would, never live objects. */

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
import { LANES_TOPIC, OFFSETS_TOPIC } from "../mirror/state-record-keys.ts";
import { storeFailure } from "../mirror/stored-error.ts";
import { StoredLanes } from "../mirror/stored-lanes.ts";

/** What several workers share; each opens its own `MemoryProgressStore` over it. */
export class MemoryLanes {
  readonly stored = new StoredLanes();
}

/** One worker's store. What is not flushed when the worker is dropped was never written. */
export class MemoryProgressStore implements ProgressStore {
  readonly #lanes: MemoryLanes;
  readonly #pending = new Map<LaneKey, { readonly state: LaneStateRecord; readonly map: OffsetMap }>();
  readonly #maps = new Map<LaneKey, OffsetMap>();

  constructor(lanes = new MemoryLanes()) {
    this.#lanes = lanes;
  }

  async load(lane: LaneIdentity): Promise<StoredLane> {
    const key = laneKey(lane);
    this.#pending.delete(key);
    try {
      const loaded = this.#lanes.stored.lane(key);
      if (loaded.map !== undefined) this.#maps.set(key, loaded.map);
      return loaded;
    } catch (error) {
      throw storeFailure(error, { topic: LANES_TOPIC, partition: 0 });
    }
  }

  async list(): Promise<readonly LaneStateRecord[]> {
    return this.#lanes.stored.states();
  }

  save(state: LaneStateRecord, map: OffsetMap): void {
    this.#pending.set(laneKey(state.lane), { state, map });
  }

  async flush(): Promise<void> {
    const { stored } = this.#lanes;
    for (const [lane, { state, map }] of this.#pending) {
      if (this.#maps.get(lane) !== map) {
        for (const key of stored.blockKeys(lane)) stored.apply(OFFSETS_TOPIC, key, null);
        this.#maps.set(lane, map);
      }
      for (const { key, value } of mapWrites(lane, map)) stored.apply(OFFSETS_TOPIC, key, value);
      stored.apply(LANES_TOPIC, lane, encodeLaneState(state));
    }
    this.#pending.clear();
  }
}
