/** An offset map as records: which keys to write when it changed, and the map again from what is stored. */

import { decodeMapChunk, encodeMapChunk } from "./map-chunk.ts";
import { type KeyedChunk, mergeMapChunks } from "./map-chunk-merge.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { LaneKey } from "./offset-ports.ts";
import { type ChunkPlace, chunkKey } from "./state-record-keys.ts";

/** A record to write; null removes the key. */
export interface KeyedWrite {
  readonly key: string;
  readonly value: Buffer | null;
}

/** The records that bring the stored map up to date. Write them in order, and in one batch where possible: removals come first,
 *  so that no reader ever joins a block from before a truncation to one from after it. */
export function mapWrites(lane: LaneKey, map: OffsetMap): readonly KeyedWrite[] {
  const { blocks, removed } = map.takeChanges();
  const { sourceNext, targetNext } = map.progress;
  const tailNext = { source: Number(sourceNext), target: Number(targetNext) };
  const writes: KeyedWrite[] = removed.map((number) => ({ key: chunkKey(lane, number), value: null }));
  for (const block of blocks) {
    const isTail = block.number === map.tailNumber;
    const next = isTail ? tailNext : block.end;
    writes.push({ key: chunkKey(lane, isTail ? "tail" : block.number), value: encodeMapChunk({ block, next }) });
  }
  return writes;
}

/** The map that the stored chunks of one lane prove; undefined when nothing is stored.
 *  @throws {StoredError} when a chunk cannot be read: its lane must stop rather than translate by half a map. */
export function mapFromChunks(
  chunks: Iterable<readonly [place: ChunkPlace, value: Buffer]>,
  options: { readonly sourceFloor?: bigint; readonly blockRunsMax?: number } = {},
): OffsetMap | undefined {
  const decoded: KeyedChunk[] = [];
  for (const [place, value] of chunks) {
    const { block, next } = decodeMapChunk(value, options);
    decoded.push({ block, next, isTail: place === "tail" });
  }
  return mergeMapChunks(decoded, Number(options.sourceFloor ?? 0n));
}
