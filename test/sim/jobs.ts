/** Spreads runs over processes: a run uses one core, and a hanging one must not take the others with it. */

import { type ChildProcess, fork } from "node:child_process";
import type { SimPlan } from "./plan.ts";
import type { SimResult } from "./run.ts";

/** Real time for one run; the usual one takes a quarter of a second. */
const RUN_MS_MAX = 120_000;

/** What a process is asked to run. */
export interface Job {
  readonly plan: SimPlan;
  /** A planted mistake, by name. */
  readonly mutant?: string | undefined;
  /** Runs the plan twice and compares. */
  readonly twice?: boolean | undefined;
}

/** Runs all jobs on that many processes and hands results over as they come; `onResult` answers false to stop early. */
export async function runJobs(
  jobs: Iterable<Job>,
  processes: number,
  onResult: (result: SimResult, job: Job) => boolean,
): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  let isStopped = false;
  const lane = async (): Promise<void> => {
    let worker = new Worker();
    try {
      for (;;) {
        const next = isStopped ? undefined : queue.next();
        if (next === undefined || next.done === true) return;
        const result = await worker.run(next.value);
        if (result.isFatal) {
          worker.end();
          worker = new Worker();
        }
        if (!onResult(result.result, next.value)) isStopped = true;
      }
    } finally {
      worker.end();
    }
  };
  await Promise.all(Array.from({ length: processes }, lane));
}

/** One process, one job at a time. */
class Worker {
  readonly #child: ChildProcess = fork(new URL("./job-process.ts", import.meta.url), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });

  async run(job: Job): Promise<{ readonly result: SimResult; readonly isFatal: boolean }> {
    const child = this.#child;
    return new Promise((resolve) => {
      const settle = (result: SimResult, isFatal: boolean): void => {
        clearTimeout(timer);
        child.removeAllListeners("message");
        child.removeAllListeners("exit");
        resolve({ result, isFatal });
      };
      const timer = setTimeout(() => settle(failed(job, "no end within two minutes"), true), RUN_MS_MAX);
      child.once("message", (result: SimResult) => settle(result, false));
      child.once("exit", (code, signal) => settle(failed(job, `the process ended with ${code ?? signal}`), true));
      child.send(job);
    });
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

function failed({ plan }: Job, what: string): SimResult {
  const findings = [{ anomaly: "CRASH", what }] as const;
  return { seed: plan.seed, findings, hash: "", virtualMs: 0, records: 0, marks: {} };
}
