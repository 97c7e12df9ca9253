/** The records of the two internal topics as a view: the latest value per key, by lane. What every store keeps. */

import { mapFromChunks } from "./map-chunk-records.ts";
import { type LaneKey, type LaneStateRecord, laneKey, type StoredLane } from "./offset-ports.ts";
import { decodeLaneState } from "./state-record.ts";
import { type ChunkPlace, chunkKey, LANES_TOPIC, parseChunkKey } from "./state-record-keys.ts";
import { StoredError } from "./stored-error.ts";

/** Latest values as bytes, so that holding a lane that another worker owns costs what its records cost: about 600 bytes of state
 *  and 5 bytes per run of its map. */
export class StoredLanes {
  readonly #states = new Map<LaneKey, StoredState>();
  readonly #chunks = new Map<LaneKey, Map<ChunkPlace, Buffer>>();

  /** Takes one record as read from a topic (`LANES_TOPIC` or else the map's); null removes. Foreign keys are ignored. */
  apply(topic: string, key: string, value: Buffer | null): void {
    if (topic === LANES_TOPIC) {
      this.#applyState(key as LaneKey, value);
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
    const stored = this.#states.get(lane);
    const state = stored && decodeLaneState(stored.bytes);
    if (state !== undefined && laneKey(state.lane) !== lane) {
      throw new StoredError({ code: "STORED_MALFORMED", what: "lane state", why: "stored under another lane's key" });
    }
    const sourceFloor = state?.floor?.source ?? 0n;
    return { state, map: mapFromChunks(this.#chunks.get(lane) ?? [], { sourceFloor }) };
  }

  /** States of all lanes; records that cannot be used are left out, and answered by `lane`. */
  states(): readonly LaneStateRecord[] {
    const states: LaneStateRecord[] = [];
    for (const { bytes } of this.#states.values()) {
      const state = tryDecode(bytes);
      if (state !== undefined) states.push(state);
    }
    return states;
  }

  /** Keys of all complete blocks stored for the lane: to be removed when it begins another map. */
  blockKeys(lane: LaneKey): readonly string[] {
    const places = [...(this.#chunks.get(lane)?.keys() ?? [])];
    return places.filter((place) => place !== "tail").map((place) => chunkKey(lane, place));
  }

  /** A worker that has not yet noticed that another began a new era must not take the era back, and of several that begin a lane
   *  at the same time the first in the log has begun it, for all: eras only rise, and a lane begins once. */
  #applyState(lane: LaneKey, value: Buffer | null): void {
    if (value === null) {
      this.#states.delete(lane);
      return;
    }
    const kept = this.#states.get(lane);
    const state = tryDecode(value);
    const eraEpoch = state?.era.epoch ?? kept?.eraEpoch ?? 0;
    const begins = state?.progress.count === 0n ? state.floor?.source : undefined;
    if (kept !== undefined && (eraEpoch < kept.eraEpoch || (begins !== undefined && begins !== kept.begins))) return;
    this.#states.set(lane, { bytes: value, eraEpoch, begins });
  }
}

/** A state as it was written, and what decides whether another may take its place. */
interface StoredState {
  readonly bytes: Buffer;
  readonly eraEpoch: number;
  /** The source offset at which the lane began, while no record is copied. */
  readonly begins: bigint | undefined;
}

function tryDecode(bytes: Buffer): LaneStateRecord | undefined {
  try {
    return decodeLaneState(bytes);
  } catch (error) {
    if (error instanceof StoredError) return undefined;
    throw error;
  }
}
