/** Names and keys of the internal topics on the target. Keys are text: `<lane>` for state, `<lane>/<block>` and
 *  `<lane>/tail` for map chunks. */

import type { LaneKey } from "./offset-ports.ts";

/** One record per lane: its state. */
export const LANES_TOPIC = "tributary.lanes.internal";
/** One record per block of a lane's offset map. */
export const OFFSETS_TOPIC = "tributary.offsets.internal";

/** The six parts that `laneKey` joins. */
const LANE_PARTS = 6;
const TAIL = "tail";

/** A chunk's place: a complete block by number, or the growing end. */
export type ChunkPlace = number | "tail";

/** The key of a chunk's record. */
export function chunkKey(lane: LaneKey, place: ChunkPlace): string {
  return `${lane}/${place}`;
}

/** What a chunk's key says; undefined when something else wrote it. */
export function parseChunkKey(key: string): { readonly lane: LaneKey; readonly place: ChunkPlace } | undefined {
  const parts = key.split("/");
  const place = parts.pop();
  if (parts.length !== LANE_PARTS || place === undefined) return undefined;
  const lane = parts.join("/") as LaneKey;
  if (place === TAIL) return { lane, place };
  return /^\d{1,10}$/.test(place) ? { lane, place: Number(place) } : undefined;
}
