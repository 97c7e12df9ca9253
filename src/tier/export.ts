/** Writes an archived partition as the files of a Kafka log directory, each checked on its way.
 *
 *  ```
 *  <directory>/<topic>-<partition>/<20-digit base>.log|.index|.timeindex|.txnindex, leader-epoch-checkpoint
 *  ```
 *  A file appears under its name when it is whole; one that is there already and whole is left as it is, so that an export that was
 *  interrupted goes on where it was. */

import type { Storage } from "../core/storage.ts";
import { ArchiveError } from "./errors.ts";
import { type ArchivedSegment, indexesOf, type Manifest } from "./manifest.ts";
import { twentyDigits } from "./object-key.ts";
import type { LeaderEpochStart, ObjectStore } from "./ports.ts";
import { digestOf } from "./segment-walk.ts";

/** Names of files that are not whole yet. */
const PARTIAL_SUFFIX = ".partial";

/** Where to. */
export interface ExportPlace {
  readonly storage: Storage;
  readonly directory: string;
}

/** What an export wrote, or found there. */
export interface ExportReport {
  readonly directory: string;
  readonly segments: number;
  /** Of data files; indexes are not counted. */
  readonly bytes: number;
  /** Segments whose data file was there already. */
  readonly segmentsKept: number;
}

/** Writes all segments that the manifest names.
 *  @throws {ArchiveError} `ARCHIVE_READ_BACK_DIFFERS` when an object is not what was archived: nothing is left under its name
 *  @throws {StoreError | StorageError} */
export async function exportPartition(
  manifest: Manifest,
  { storage, directory }: ExportPlace,
  store: ObjectStore,
): Promise<ExportReport> {
  const below = `${directory}/${manifest.partition.topic}-${manifest.partition.partition}`;
  storage.makeDirectory(below);
  let [bytes, segmentsKept] = [0, 0];
  for (const segment of manifest.segments) {
    const isKept = await exportSegment(segment, { storage, directory: below }, store);
    bytes += segment.logBytes;
    if (isKept) segmentsKept++;
  }
  storage.writeFile(`${below}/leader-epoch-checkpoint`, Buffer.from(epochCheckpoint(manifest.segments)));
  return { directory: below, segments: manifest.segments.length, bytes, segmentsKept };
}

/** True when the data file was there already. */
async function exportSegment(segment: ArchivedSegment, place: ExportPlace, store: ObjectStore): Promise<boolean> {
  const { storage, directory } = place;
  const path = `${directory}/${twentyDigits(segment.baseOffset)}`;
  for (const [suffix, sizeBytes] of indexesOf(segment)) {
    const key = `${segment.key}.${suffix}`;
    const content = await store.get(key);
    if (content.length !== sizeBytes)
      throw new ArchiveError(
        { code: "ARCHIVE_WRONG_SIZE", key, expectedBytes: sizeBytes, actualBytes: content.length },
        { message: `${key} has ${content.length} bytes instead of ${sizeBytes}; tier repair may mend it` },
      );
    storage.writeFile(`${path}.${suffix}`, content);
  }
  if (await isThere(segment, `${path}.log`, storage)) return true;
  await exportLog(segment, `${path}.log`, { storage, store });
  return false;
}

async function isThere(segment: ArchivedSegment, path: string, storage: Storage): Promise<boolean> {
  if (!storage.exists(path)) return false;
  const file = storage.open(path, { create: false });
  try {
    if (file.sizeBytes !== segment.logBytes) return false;
    const read = (start: number, endExclusive: number) => file.read(start, endExclusive - start);
    return (await digestOf({ sizeBytes: file.sizeBytes, read })).sha256 === segment.logSha256;
  } finally {
    file.close();
  }
}

async function exportLog(
  segment: ArchivedSegment,
  path: string,
  { storage, store }: { readonly storage: Storage; readonly store: ObjectStore },
): Promise<void> {
  const partial = `${path}${PARTIAL_SUFFIX}`;
  storage.remove(partial);
  const file = storage.open(partial, { create: true });
  try {
    const body = {
      sizeBytes: segment.logBytes,
      read: async (start: number, endExclusive: number) => {
        const part = await store.get(`${segment.key}.log`, { start, endExclusive });
        file.append([part]);
        return part;
      },
    };
    const { sha256 } = await digestOf(body);
    if (sha256 !== segment.logSha256)
      throw new ArchiveError(
        {
          code: "ARCHIVE_READ_BACK_DIFFERS",
          key: `${segment.key}.log`,
          expectedSha256: segment.logSha256,
          actualSha256: sha256,
        },
        { message: `${segment.key}.log is not what was archived; tier verify tells more, tier repair may mend it` },
      );
    await file.sync();
  } catch (error) {
    file.close();
    storage.remove(partial);
    throw error;
  }
  file.close();
  storage.rename(partial, path);
}

/** Kafka's checkpoint of leader epochs: version, count, then one epoch and its first offset a line. */
function epochCheckpoint(segments: readonly ArchivedSegment[]): string {
  const starts: LeaderEpochStart[] = [];
  for (const { leaderEpochs } of segments)
    for (const start of leaderEpochs) if (start.epoch > (starts.at(-1)?.epoch ?? -1)) starts.push(start);
  const lines = starts.map(({ epoch, startOffset }) => `${epoch} ${startOffset}\n`);
  return `0\n${starts.length}\n${lines.join("")}`;
}
