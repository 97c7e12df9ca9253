/** What the mirrors of a topology are doing: asked of the running worker, else read from what is stored. */

import type { Flow } from "../topology/model.ts";
import { control } from "./control-client.ts";
import { type StoredWorld, storedStatus } from "./stored-status.ts";
import type { FlowSnapshot, WorkerStatus } from "./worker-status.ts";

/** An answer within this time, or the worker counts as hung. */
const ANSWER_MS_MAX = 3_000;

/** Flows, and who told about them. */
export interface LanesNow {
  /** `worker`: live; `stored`: no worker runs, lags come from stored progress and the logs' ends. */
  readonly origin: "worker" | "stored";
  readonly atMs: number;
  readonly flows: readonly FlowSnapshot[];
  /** The running worker; undefined when there is none. */
  readonly worker: WorkerStatus | undefined;
}

/** The given flows now. Flows that the running worker does not run are read from what is stored.
 *  @throws {RuntimeError} `CONTROL_FAILED` when a worker runs but does not answer */
export async function lanesNow(world: StoredWorld, flows: readonly Flow[]): Promise<LanesNow> {
  const status = await workerStatus(world);
  const isRun = (flow: Flow): boolean => status?.flows.some((one) => isSame(one, flow)) === true;
  const live = (status?.flows ?? []).filter((one) => flows.some((flow) => isSame(one, flow)));
  const others = flows.filter((flow) => !isRun(flow));
  const stored = others.length === 0 ? [] : await storedStatus(world, others);
  return {
    origin: live.length > 0 ? "worker" : "stored",
    atMs: status?.atMs ?? Date.now(),
    flows: [...live, ...stored],
    worker: status,
  };
}

/** The snapshot of the running worker, undefined when none runs. @throws {RuntimeError} `CONTROL_FAILED` */
export async function workerStatus({ state }: Pick<StoredWorld, "state">): Promise<WorkerStatus | undefined> {
  const worker = state.worker();
  if (worker === undefined) return undefined;
  return control<WorkerStatus>(worker.socketPath, { method: "GET", path: "/status", timeoutMs: ANSWER_MS_MAX });
}

function isSame(snapshot: FlowSnapshot, flow: Flow): boolean {
  return snapshot.mirror === flow.mirror.name && snapshot.source === flow.source && snapshot.target === flow.target;
}
