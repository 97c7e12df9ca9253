/** A mirror worker: the flows of a topology in this process, their status for everybody who asks, and an orderly end. */

import { join } from "node:path";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeStorage } from "../adapters/node-storage.ts";
import { PrefetchBudget } from "../adapters/prefetch-budget.ts";
import type { Timer } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { VERSION } from "../core/version.ts";
import { Backfill } from "../mirror/backfill.ts";
import { Pace } from "../mirror/pace.ts";
import { type Flow, flowsOf } from "../topology/model.ts";
import { ControlServer } from "./control-server.ts";
import { aclDuty } from "./flow-metadata.ts";
import { FlowRunner } from "./flow-runner.ts";
import { companyOf, indexLanes, type LaneIndex, NO_LANES } from "./lane-company.ts";
import { type LockFile, lockPath } from "./lock-file.ts";
import { identityOf } from "./process-identity.ts";
import { RegionLink } from "./region-link.ts";
import type { WorkerRecord } from "./state-directory.ts";
import type { StoredWorld } from "./stored-status.ts";
import type { WorkerStatus } from "./worker-status.ts";

/** How often the worker shows that it is not stuck, and how long an index over all lanes is good for. */
const ROUND_EVERY_MS = 1_000;

/** What to run. */
export interface WorkerRun {
  readonly world: StoredWorld;
  readonly flows: readonly Flow[];
}

/** What a worker stands on. */
export interface WorkerDeps {
  readonly logger: Logger;
  /** Called once when `POST /shutdown` asks this process to end; closing is up to the caller. */
  readonly onShutdown: () => void;
}

/** Works from `open` to `close`. */
export class MirrorWorker implements AsyncDisposable {
  readonly #run: WorkerRun;
  readonly #deps: WorkerDeps;
  readonly #lock: LockFile;
  readonly #record: WorkerRecord;
  readonly #links = new Map<string, Promise<RegionLink>>();
  readonly #open = new Map<string, RegionLink>();
  readonly #budget = new PrefetchBudget();
  readonly #stopping = new AbortController();
  /** By mirror. */
  readonly #paces: ReadonlyMap<string, Pace>;
  readonly #backfills: ReadonlyMap<string, Backfill>;
  readonly #runners: readonly FlowRunner[];
  #server: ControlServer | undefined;
  #timer: Timer | undefined;
  #index: { readonly lanes: LaneIndex; readonly atMs: number } | undefined;
  #state: WorkerStatus["state"] = "running";
  #roundAtMs = nodeClock().monotonicMs();
  #closing: Promise<void> | undefined;
  #isForgotten = false;

  private constructor(run: WorkerRun, deps: WorkerDeps, lock: LockFile) {
    this.#run = run;
    this.#deps = deps;
    this.#lock = lock;
    this.#record = {
      process: identityOf(),
      mirrors: [...new Set(run.flows.map((flow) => flow.mirror.name))],
      socketPath: run.world.state.socketPath("worker"),
      startedMs: nodeClock().nowMs(),
    };
    const runnerDeps = {
      link: (region: string) => this.#link(region),
      companyOf: (lane: Parameters<typeof companyOf>[0]) => companyOf(lane, this.#laneIndex()),
      logger: deps.logger,
    };
    this.#paces = new Map(run.flows.map(({ mirror }) => [mirror.name, paceOf(mirror)]));
    this.#backfills = new Map(
      run.flows.flatMap(({ mirror: { name, backfill } }) =>
        backfill === undefined ? [] : [[name, new Backfill(backfill, nodeClock())] as const],
      ),
    );
    this.#runners = run.flows.map((flow) => {
      const pace = this.#paces.get(flow.mirror.name) ?? paceOf(flow.mirror);
      const declared = flowsOf(run.world.topology);
      const acls = aclDuty(flow, run.world.topology, run.flows);
      const backfill = this.#backfills.get(flow.mirror.name);
      return FlowRunner.start(flow, { ...runnerDeps, acls, pace, backfill, declared });
    });
  }

  /** Starts all flows; regions that are not there yet are waited for.
   *  @throws {RuntimeError} `STATE_LOCKED` while another worker of this state directory runs */
  static async open(run: WorkerRun, deps: WorkerDeps): Promise<MirrorWorker> {
    const { state } = run.world;
    state.create();
    const lock = lockPath(join(state.path, "worker.lock"), { what: "a mirror worker of this topology" }, nodeStorage());
    const worker = new MirrorWorker(run, deps, lock);
    try {
      worker.#server = await ControlServer.open(worker.#record.socketPath, {
        "GET /status": () => worker.status,
        "POST /shutdown": () => void setImmediate(deps.onShutdown),
      });
      state.writeWorker(worker.#record);
      worker.#goRound();
    } catch (error) {
      await worker.close();
      throw error;
    }
    return worker;
  }

  /** A snapshot of everything. */
  get status(): WorkerStatus {
    return {
      version: VERSION,
      topology: this.#run.world.topology.name,
      pid: process.pid,
      startedMs: this.#record.startedMs,
      atMs: nodeClock().nowMs(),
      state: this.#state,
      roundAgeMs: nodeClock().monotonicMs() - this.#roundAtMs,
      flows: this.#runners.map((runner) => runner.snapshot),
      links: [...this.#open.values()].map((link) => link.snapshot),
      limits: [...this.#paces].map(([mirror, { status }]) => {
        const backfill = this.#backfills.get(mirror)?.status ?? null;
        return { mirror, ...status, bytesPerSecond: status.bytesPerSecond ?? null, backfill };
      }),
    };
  }

  /** Settles what is in flight, stores progress, and leaves. Less than 10 s. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#state = "draining";
    this.#timer?.cancel();
    await Promise.all(this.#runners.map((runner) => runner.close()));
    this.#stopping.abort();
    await Promise.all(
      [...this.#links.values()].map((opening) =>
        opening.then(
          (link) => link.close(),
          () => undefined,
        ),
      ),
    );
    this.#state = "stopped";
    await this.#server?.close();
    this.abandon();
  }

  /** Forgets at once that this worker runs: for an exit that cannot wait for `close`. Idempotent. */
  abandon(): void {
    if (this.#isForgotten) return; // a successor may be running by now
    this.#isForgotten = true;
    this.#run.world.state.forget("worker");
    this.#lock.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One link for each region; one that could not be opened is forgotten, so that the next call tries again. */
  #link(region: string): Promise<RegionLink> {
    const known = this.#links.get(region);
    if (known !== undefined) return known;
    const { world } = this.#run;
    const opening = RegionLink.open(
      region,
      { world, logger: this.#deps.logger, budget: this.#budget },
      this.#stopping.signal,
    );
    this.#links.set(region, opening);
    opening.then(
      (link) => this.#open.set(region, link),
      () => this.#links.delete(region),
    );
    return opening;
  }

  /** Group sync asks for every commit of a round; within a second the answer stays the same. */
  #laneIndex(): LaneIndex {
    const atMs = nodeClock().monotonicMs();
    if (this.#index === undefined || atMs - this.#index.atMs > ROUND_EVERY_MS) {
      const flows = this.#runners.flatMap((runner) => runner.flow ?? []);
      // Set before the walk: the flows' directories ask for company themselves.
      this.#index = { lanes: this.#index?.lanes ?? NO_LANES, atMs };
      this.#index = { lanes: indexLanes(flows), atMs };
    }
    return this.#index.lanes;
  }

  #goRound(): void {
    if (this.#state !== "running") return;
    this.#roundAtMs = nodeClock().monotonicMs();
    this.#timer = nodeClock().after(ROUND_EVERY_MS, () => this.#goRound());
  }
}

function paceOf({ limits: { bytesPerSecond, inFlightBytes } }: Flow["mirror"]): Pace {
  return new Pace({ bytesPerSecond, inFlightBytesMax: inFlightBytes }, nodeClock());
}
