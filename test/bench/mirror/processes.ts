/** What a process has used, as Linux counts it: all its threads together; and stopping it for a while. */

import { readFileSync, writeFileSync } from "node:fs";

/** `USER_HZ`, fixed on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** What `clear_refs` takes to forget the peak of the resident memory (proc(5)). */
const FORGET_PEAK = "5";

/** User and system CPU seconds so far. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in parentheses may hold blanks; user and system time are the 12th and 13th field behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Most resident memory since the start or `forgetPeak`, in MiB. */
export function peakMemoryMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1_024;
}

/** Begins the peak anew, for a process that copies several cases. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, FORGET_PEAK);
}

/** Lets a stopped process run while `work` does, so that nobody but the brokers competes with it. */
export async function thawed<T>(pid: number, work: () => Promise<T> | T): Promise<T> {
  process.kill(pid, "SIGCONT");
  try {
    return await work();
  } finally {
    freeze(pid);
  }
}

/** Stops it where it is; one that has ended is found out by whoever needs it next. */
export function freeze(pid: number): void {
  try {
    process.kill(pid, "SIGSTOP");
  } catch {
    return;
  }
}
