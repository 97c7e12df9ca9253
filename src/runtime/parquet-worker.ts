/** A worker thread that writes segments as Parquet files, one after the other, for `ParquetPool`. */

import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import { parquetName } from "../adapters/parquet/parquet-name.ts";
import { type SegmentTask, segmentToParquet } from "../adapters/parquet/segment-to-parquet.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { openStore } from "./open-store.ts";
import type { ParquetAnswer, ParquetJob } from "./parquet-pool.ts";

/** Below it lie the files that go into the store itself. */
const STORE_PREFIX = "parquet/";

const job = workerData as ParquetJob;
const storage = nodeStorage();
const opening = openStore(job.store, { clock: nodeClock(), random: nodeRandom(), statePath: job.statePath });

parentPort?.on("message", (task: SegmentTask) => {
  void answerTo(task).then((answer) => parentPort?.postMessage(answer));
});

async function answerTo(task: SegmentTask): Promise<ParquetAnswer> {
  try {
    return await write(task, await opening);
  } catch (thrown) {
    const error = toError(thrown);
    const code = error instanceof TributaryError ? error.fault.code : "UNEXPECTED";
    return { kind: "failed", code, message: error.message };
  }
}

async function write(task: SegmentTask, store: ObjectStore): Promise<ParquetAnswer> {
  const name = parquetName(task.partition, task.segment);
  const target = job.directory === undefined ? `${STORE_PREFIX}${name}` : join(job.directory, name);
  const isThere = job.directory === undefined ? (await store.stat(target)) !== undefined : storage.exists(target);
  if (isThere && !job.isOverwriting) return { kind: "there", target };
  const partial = join(job.spoolDirectory, `${name.slice(name.lastIndexOf("/") + 1)}.partial`);
  storage.remove(partial);
  try {
    const written = await segmentToParquet(task, job.options, { store, storage, path: partial });
    if (written === undefined) return { kind: "waiting" };
    if (job.directory === undefined) await putFile(store, target, partial);
    else {
      storage.makeDirectory(target.slice(0, target.lastIndexOf("/")));
      storage.rename(partial, target);
    }
    return { kind: "written", target, ...written };
  } finally {
    storage.remove(partial);
  }
}

async function putFile(store: ObjectStore, key: string, path: string): Promise<void> {
  const file = storage.open(path, { create: false });
  try {
    const read = (start: number, endExclusive: number) => file.read(start, endExclusive - start);
    await store.put(key, { sizeBytes: file.sizeBytes, read });
  } finally {
    file.close();
  }
}
