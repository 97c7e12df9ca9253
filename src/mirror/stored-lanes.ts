/** The records of the two internal topics as a view: the latest value per key, by lane. What every store keeps. */

import { mapFromChunks } from "./map-chunk-records.ts";
import { type LaneKey, type LaneStateRecord, laneKey, type StoredLane } from "./offset-ports.ts";
import { decodeLaneState } from "./state-record.ts";
import { type ChunkPlace, chunkKey, LANES_TOPIC, parseChunkKey } from "./state-record-keys.ts";
import { StoredError } from "./stored-error.ts";

/** Latest values as bytes, so that holding a lane that another worker owns costs what its records cost: about 600 bytes of state
 *  and 5 bytes per run of its map. */
export class StoredLanes {
  readonly #states = new Map<LaneKey, Buffer>();
  readonly #chunks = new Map<LaneKey, Map<ChunkPlace, Buffer>>();

  /** Takes one record as read from a topic (`LANES_TOPIC` or else the map's); null removes. Foreign keys are ignored. */
  apply(topic: string, key: string, value: Buffer | null): void {
    if (topic === LANES_TOPIC) {
      if (value === null) this.#states.delete(key as LaneKey);
      else this.#states.set(key as LaneKey, value);
      return;
    }
    const parsed = parseChunkKey(key);
    if (parsed === undefined) return;
    const chunks = this.#chunks.get(parsed.lane) ?? new Map<ChunkPlace, Buffer>();
    if (value === null) chunks.delete(parsed.place);
    else chunks.set(parsed.place, value);
    this.#chunks.set(parsed.lane, chunks);
  }

  /** State and map of a lane. @throws {StoredError} when its records cannot be used */
  lane(lane: LaneKey): StoredLane {
    const bytes = this.#states.get(lane);
    const state = bytes && decodeLaneState(bytes);
    if (state !== undefined && laneKey(state.lane) !== lane) {
      throw new StoredError({ code: "STORED_MALFORMED", what: "lane state", why: "stored under another lane's key" });
    }
    const sourceFloor = state?.floor?.source ?? 0n;
    return { state, map: mapFromChunks(this.#chunks.get(lane) ?? [], { sourceFloor }) };
  }

  /** States of all lanes; records that cannot be used are left out, and answered by `lane`. */
  states(): readonly LaneStateRecord[] {
    const states: LaneStateRecord[] = [];
    for (const bytes of this.#states.values()) {
      try {
        states.push(decodeLaneState(bytes));
      } catch (error) {
        if (!(error instanceof StoredError)) throw error;
      }
    }
    return states;
  }

  /** Keys of all complete blocks stored for the lane: to be removed when it begins another map. */
  blockKeys(lane: LaneKey): readonly string[] {
    const places = [...(this.#chunks.get(lane)?.keys() ?? [])];
    return places.filter((place) => place !== "tail").map((place) => chunkKey(lane, place));
  }
}
