/** A process by its id and its start, so that a reused id is not taken for it. */

import { readFileSync } from "node:fs";

/** Which process. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start in clock ticks since boot; empty where the system does not tell. */
  readonly start: string;
}

/** This process, or another one by id. */
export function identityOf(pid: number = process.pid): ProcessIdentity {
  return { pid, start: startOf(pid) };
}

/** True while exactly this process exists. */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  if (isZombie(identity.pid)) return false;
  return identity.start === "" || startOf(identity.pid) === identity.start;
}

/** Fields of Linux's `/proc/<pid>/stat` after the command, which may itself contain spaces and brackets. */
function statFields(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return []; // not Linux, or gone
  }
}

/** Dead, but its parent has not asked yet. */
function isZombie(pid: number): boolean {
  return statFields(pid)[0] === "Z";
}

/** Field 22 of stat is the start time: the twentieth after the command. */
function startOf(pid: number): string {
  return statFields(pid)[19] ?? "";
}
