/** Whether a worker is alive, and whether it is ready: two questions, because a cluster that is away is no reason to restart a worker. */

import type { FlowSnapshot, WorkerStatus } from "../runtime/worker-status.ts";

/** The worker looks at everything once a second; after this long without it, its timers are dead. */
const WORKER_ROUND_MS_MAX = 10_000;
/** A flow's loop waits for clusters, but each wait has a limit of some seconds and a handful of tries: after this long without
 *  a round, good or bad, it hangs. */
const FLOW_ROUND_MS_MAX = 300_000;

/** An answer and its reasons. */
export interface Verdict {
  readonly ok: boolean;
  /** Each a sentence; empty when all is well. */
  readonly reasons: readonly string[];
}

/** Alive: the process's loops go round. Never depends on what Kafka answers. */
export function health(status: WorkerStatus): Verdict {
  const reasons: string[] = [];
  if (status.state === "running") {
    if (status.roundAgeMs > WORKER_ROUND_MS_MAX)
      reasons.push(`the worker has not looked around for ${seconds(status.roundAgeMs)}`);
    for (const flow of status.flows) {
      if (flow.roundAgeMs > FLOW_ROUND_MS_MAX)
        reasons.push(`${nameOf(flow)} has not gone round for ${seconds(flow.roundAgeMs)}`);
    }
  }
  return { ok: reasons.length === 0, reasons };
}

/** Ready: both ends of every flow are reached and their lanes are known. A lane that stands for a reason is a matter of its state
 *  and its lag, not of readiness. */
export function readiness(status: WorkerStatus): Verdict {
  if (status.state !== "running") return { ok: false, reasons: [`the worker is ${status.state}`] };
  const reasons = status.flows.flatMap((flow) => {
    if (flow.failure !== null) return [`${nameOf(flow)}: ${flow.failure}`];
    if (flow.state === "waiting") return [`${nameOf(flow)}: regions are not reached yet`];
    return flow.discoveredMs === null ? [`${nameOf(flow)}: lanes are not known yet`] : [];
  });
  return { ok: reasons.length === 0, reasons };
}

function nameOf({ mirror, source, target }: FlowSnapshot): string {
  return `${mirror}: ${source} -> ${target}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
