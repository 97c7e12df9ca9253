/** The trouble that the worker and the target get while flights are copied: SIGKILLs in the middle, a broker away. */

import { QuickstartError } from "./errors.ts";
import type { ProgressMeter } from "./progress-meter.ts";
import { until } from "./waiting.ts";
import type { MainJobWorld, WorkerProcess } from "./world.ts";

/** How far the copy has come, as a share of all flights, when the worker is killed. Well inside, and the load goes on
 *  behind each of them, so that the dead worker always leaves work undone. */
export const KILL_AT_SHARES: readonly number[] = [0.12, 0.36, 0.62];
/** How far the load may go before as many kills: whatever the speed of the copy, each kill then leaves work undone. */
const LOAD_SHARES: readonly number[] = [0.45, 0.7, 0.92];

/** Holds the load back until the kills have come that it has to leave work for. */
export class KillGate {
  #kills = 0;
  #isOpen = false;
  readonly #waiting: (() => void)[] = [];

  /** Resolves once so much of the load may be sent. */
  async pass(share: number): Promise<void> {
    while (!this.#isOpen && share > (LOAD_SHARES[this.#kills] ?? 1)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A kill has come. */
  killed(): void {
    this.#kills++;
    this.#wake();
  }

  /** No more kills will come. */
  open(): void {
    this.#isOpen = true;
    this.#wake();
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }
}

/** The broker goes after the first kill and comes back once this much more of all flights has arrived without it. */
const BROKER_AWAY_SHARE = 0.08;

/** What a restarted worker copies at least before it is killed in its turn. */
const OWN_SHARE = 0.05;

const PROGRESS_TIMEOUT_MS = 30_000;

/** One SIGKILL: how many flights were on the target when the process was gone. */
export interface KillMoment {
  readonly pid: number;
  readonly mirrored: number;
  readonly total: number;
}

/** What happened. */
export interface Trouble {
  readonly kills: readonly KillMoment[];
  readonly brokerStops: number;
  /** The worker that runs at the end. */
  readonly worker: WorkerProcess;
}

/** What the trouble needs. */
export interface TroubleDeps {
  readonly world: MainJobWorld;
  readonly meter: Pick<ProgressMeter, "mirrored">;
  readonly total: number;
  readonly gate: KillGate;
  readonly onEvent: (text: string) => void;
}

/** Kills and restarts the worker at each share, and takes a broker away meanwhile.
 *  @throws {QuickstartError} `QUICKSTART_KILL_TOO_LATE` when a kill met a worker that had nothing left to copy */
export async function makeTrouble(first: WorkerProcess, deps: TroubleDeps): Promise<Trouble> {
  const kills: KillMoment[] = [];
  let worker = first;
  let broker: Promise<void> | undefined;
  try {
    for (const share of KILL_AT_SHARES) {
      const wanted = Math.ceil(deps.total * Math.max(share, nextShare(kills.at(-1))));
      kills.push(await killAt(worker, { ...deps, wanted, kill: kills.length + 1 }));
      deps.gate.killed();
      // Started at once and awaited at the end: the broker is away while the worker starts and copies.
      broker ??= brokerAway(deps);
      broker.catch(() => undefined);
      worker = await deps.world.startWorker();
    }
    await broker;
  } catch (error) {
    await worker.kill();
    throw error;
  } finally {
    deps.gate.open();
  }
  return { kills, brokerStops: 1, worker };
}

/** A worker has to copy something of its own before it is killed. */
function nextShare(last: KillMoment | undefined): number {
  return last === undefined ? 0 : last.mirrored / last.total + OWN_SHARE;
}

async function killAt(
  worker: WorkerProcess,
  deps: TroubleDeps & { readonly wanted: number; readonly kill: number },
): Promise<KillMoment> {
  const { meter, total } = deps;
  const wait = { what: `flights on the target before kill ${deps.kill}`, timeoutMs: PROGRESS_TIMEOUT_MS };
  const ended = worker.ended.then((end): never => {
    throw new QuickstartError({ code: "QUICKSTART_WORKER_ENDED", ...end });
  });
  ended.catch(() => undefined);
  await Promise.race([ended, until({ ...wait, wanted: deps.wanted }, () => meter.mirrored())]);
  await worker.kill();
  const mirrored = await meter.mirrored();
  if (mirrored >= total) {
    const message = `kill ${deps.kill} came when all ${total} flights were copied and proves nothing; try again`;
    throw new QuickstartError({ code: "QUICKSTART_KILL_TOO_LATE", kill: deps.kill, mirrored, total }, { message });
  }
  deps.onEvent(`worker killed at ${mirrored} of ${total} flights`);
  return { pid: worker.pid, mirrored, total };
}

async function brokerAway({ world, meter, total, onEvent }: TroubleDeps): Promise<void> {
  await world.stopTargetBroker();
  onEvent(`a broker of ${world.target.region} stopped`);
  const wanted = Math.min(total, (await meter.mirrored()) + Math.ceil(total * BROKER_AWAY_SHARE));
  const wait = { what: "flights on the target while a broker is away", timeoutMs: PROGRESS_TIMEOUT_MS, wanted };
  try {
    await until(wait, () => meter.mirrored());
  } finally {
    await world.startTargetBroker();
    onEvent(`the broker of ${world.target.region} is back`);
  }
}
