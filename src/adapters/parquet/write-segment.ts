/** Writes an archived segment as a Parquet file where it belongs: "A Parquet file is whole or not there".
 *
 *  ```
 *  <spool>/<name>.partial -> on the disk -> <directory>/<name>, or parquet/<name> in the store
 *  ``` */

import { join } from "node:path";
import type { Storage } from "../../core/storage.ts";
import type { ObjectStore } from "../../tier/ports.ts";
import { parquetName } from "./parquet-name.ts";
import { type ParquetOptions, type SegmentTask, segmentToParquet } from "./segment-to-parquet.ts";

/** Below it lie the files that go into the store itself. */
const STORE_PREFIX = "parquet/";

/** Where to, and how. */
export interface ParquetPlace {
  /** Undefined: below `parquet/` in the store itself. */
  readonly directory: string | undefined;
  /** For files that are not whole yet; on the same file system as `directory`. */
  readonly spoolDirectory: string;
  readonly isOverwriting: boolean;
  readonly options: ParquetOptions;
}

/** What became of a segment. `waiting`: a transaction in it has no end in the archive yet. */
export type ParquetOutcome =
  | { readonly kind: "written"; readonly target: string; readonly rows: number; readonly bytes: number }
  | { readonly kind: "there"; readonly target: string }
  | { readonly kind: "waiting" };

/** Leaves nothing behind when it fails. @throws as `segmentToParquet` */
export async function writeSegment(
  task: SegmentTask,
  { directory, spoolDirectory, isOverwriting, options }: ParquetPlace,
  { store, storage }: { readonly store: ObjectStore; readonly storage: Storage },
): Promise<ParquetOutcome> {
  const name = parquetName(task.partition, task.segment);
  const target = directory === undefined ? `${STORE_PREFIX}${name}` : join(directory, name);
  const isThere = directory === undefined ? (await store.stat(target)) !== undefined : storage.exists(target);
  if (isThere && !isOverwriting) return { kind: "there", target };
  const partial = join(spoolDirectory, `${name.slice(name.lastIndexOf("/") + 1)}.partial`);
  storage.remove(partial);
  try {
    const written = await segmentToParquet(task, options, { store, storage, path: partial });
    if (written === undefined) return { kind: "waiting" };
    if (directory === undefined) await putFile(target, partial, { store, storage });
    else {
      storage.makeDirectory(target.slice(0, target.lastIndexOf("/")));
      storage.rename(partial, target);
    }
    return { kind: "written", target, ...written };
  } finally {
    storage.remove(partial);
  }
}

async function putFile(
  key: string,
  path: string,
  { store, storage }: { readonly store: ObjectStore; readonly storage: Storage },
): Promise<void> {
  const file = storage.open(path, { create: false });
  try {
    const read = (start: number, endExclusive: number) => file.read(start, endExclusive - start);
    await store.put(key, { sizeBytes: file.sizeBytes, read });
  } finally {
    file.close();
  }
}
