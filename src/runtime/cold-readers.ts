/** What reads archives back for the brokers of a region, or for a server of archives: with a cache on the disk where the store
 *  is far. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { type Storage, StorageError } from "../core/storage.ts";
import { ChunkFiles } from "../tier/chunk-files.ts";
import { ColdReader } from "../tier/cold-reader.ts";
import type { ObjectStore } from "../tier/ports.ts";

/** Chunks on the disk unless told otherwise: enough for some readers of one archive, little beside what brokers keep. */
const READ_CACHE_DEFAULT_BYTES = 1024 ** 3;

/** What readers stand on. */
export interface ColdReaderDeps {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One store, and how much of it to keep near. */
export interface ReadableStore {
  readonly store: ObjectStore;
  /** Default `READ_CACHE_DEFAULT_BYTES`; 0 keeps nothing. */
  readonly cacheBytesMax?: number | undefined;
}

/** One reader for each store; caches lie below `directory`, one for each. A cache that cannot be opened is done without. */
export function openColdReaders(
  stores: readonly ReadableStore[],
  directory: string,
  deps: ColdReaderDeps,
): readonly ColdReader[] {
  const distinct = new Map(stores.map((readable) => [readable.store, readable]));
  return [...distinct.values()].map((readable) => {
    const { store } = readable;
    return new ColdReader({ store, clock: deps.clock, files: openFiles(readable, directory, deps) });
  });
}

/** A short name for a store, or one cluster's part of it, that is the same each time. */
export function storeName({ location }: ObjectStore, clusterId = ""): string {
  return createHash("sha256").update(`${location}\0${clusterId}`).digest("hex").slice(0, 16);
}

function openFiles(
  { store, cacheBytesMax: bytesMax = READ_CACHE_DEFAULT_BYTES }: ReadableStore,
  directory: string,
  deps: ColdReaderDeps,
): ChunkFiles | undefined {
  // A directory in reach needs no second copy of itself.
  if (bytesMax === 0 || store.location.startsWith("file://")) return undefined;
  const path = join(directory, storeName(store));
  try {
    return ChunkFiles.open({ directory: path, bytesMax }, deps);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    deps.logger.warn("archived chunks are read without a cache", { directory: path, cause: error.message });
    return undefined;
  }
}
