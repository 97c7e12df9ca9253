/** What will go wrong and when: a list that a seed decides before anything runs. */

import { between, oneOf, streamOf } from "./chance.ts";

/** The two workers that run at once. */
export type Worker = "a" | "b";
/** Both. */
export const WORKERS: readonly Worker[] = ["a", "b"];

/** One fault; `atMs` counts from the start of the load. */
export type Fault =
  /** SIGKILL, and a new process at once. */
  | { readonly kind: "kill"; readonly atMs: number; readonly workers: readonly Worker[] }
  /** SIGSTOP for a while: what the worker sends afterwards is stale. */
  | { readonly kind: "freeze"; readonly atMs: number; readonly worker: Worker; readonly forMs: number }
  /** A broker of the target goes, with or without handing over what it leads, and comes back. */
  | {
      readonly kind: "bounce";
      readonly atMs: number;
      readonly broker: number;
      readonly how: "term" | "kill";
      readonly forMs: number;
    };

/** Before the first fault every lane must have copied something, and the brokers' virtual machines must have compiled what they run:
 *  a lane moves again only if it moved before. */
const FIRST_MS = 10_000;
/** A worker is killed every few seconds: sometimes while it still starts, mostly while it copies. */
const KILL_EVERY_MS = [1_500, 5_000] as const;
/** Long enough for the other worker to pass by, several times in a run. */
const FREEZE_MS = [300, 3_000] as const;
const BOUNCE_EVERY_MS = [18_000, 30_000] as const;
const BOUNCE_MS = [3_000, 7_000] as const;
const TARGET_BROKERS = [1, 2, 3] as const;

/** The faults of a run of `durationMs`, in order of time. */
export function planFaults(seed: number, durationMs: number): readonly Fault[] {
  return [...workerFaults(seed, durationMs), ...brokerFaults(seed, durationMs)].sort((a, b) => a.atMs - b.atMs);
}

function workerFaults(seed: number, durationMs: number): readonly Fault[] {
  const random = streamOf(seed, "workers");
  const faults: Fault[] = [];
  for (let atMs = FIRST_MS; atMs < durationMs; atMs += between(random, ...KILL_EVERY_MS)) {
    const kind = random.next();
    if (kind < 0.6) faults.push({ kind: "kill", atMs, workers: WORKERS });
    else if (kind < 0.85) faults.push({ kind: "kill", atMs, workers: [oneOf(random, ["a", "b"])] });
    else faults.push({ kind: "freeze", atMs, worker: oneOf(random, ["a", "b"]), forMs: between(random, ...FREEZE_MS) });
  }
  return faults;
}

/** One broker at a time, and the last of them is back before the end. */
function brokerFaults(seed: number, durationMs: number): readonly Fault[] {
  const random = streamOf(seed, "brokers");
  const faults: Fault[] = [];
  let atMs = between(random, 12_000, 16_000);
  while (atMs + BOUNCE_MS[1] < durationMs) {
    const broker = oneOf(random, TARGET_BROKERS);
    const how = oneOf<"term" | "kill">(random, ["term", "kill"]);
    faults.push({ kind: "bounce", atMs, broker, how, forMs: between(random, ...BOUNCE_MS) });
    atMs += between(random, ...BOUNCE_EVERY_MS);
  }
  return faults;
}
