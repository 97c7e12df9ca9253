/** A worker thread that writes segments as Parquet files, one after the other, for `ParquetPool`. */

import { parentPort, workerData } from "node:worker_threads";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import type { SegmentTask } from "../adapters/parquet/segment-to-parquet.ts";
import { writeSegment } from "../adapters/parquet/write-segment.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { ObjectStore } from "../tier/ports.ts";
import { throttledStore } from "../tier/throttled-store.ts";
import { openStore } from "./open-store.ts";
import type { ParquetAnswer, ParquetJob } from "./parquet-pool.ts";

const job = workerData as ParquetJob;
const storage = nodeStorage();
const opening = openOwnStore();

parentPort?.on("message", (task: SegmentTask) => {
  void answerTo(task).then((answer) => parentPort?.postMessage(answer));
});

/** Within its share of the limits. */
async function openOwnStore(): Promise<ObjectStore> {
  const { statePath, limits = {}, workers } = job;
  const store = await openStore(job.store, { clock: nodeClock(), random: nodeRandom(), statePath });
  const share = (rate: number | undefined) => (rate === undefined ? undefined : rate / workers);
  const own = { bytesPerSecond: share(limits.bytesPerSecond), requestsPerSecond: share(limits.requestsPerSecond) };
  return throttledStore(store, own, nodeClock());
}

async function answerTo(task: SegmentTask): Promise<ParquetAnswer> {
  try {
    return await writeSegment(task, job, { store: await opening, storage });
  } catch (thrown) {
    const error = toError(thrown);
    const code = error instanceof TributaryError ? error.fault.code : "UNEXPECTED";
    return { kind: "failed", code, message: error.message };
  }
}
