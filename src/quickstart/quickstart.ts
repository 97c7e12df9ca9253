/** The quickstart: starts the four regions of hub-and-spoke, runs the main job on real flights, cleans up. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { nodeStorage } from "../adapters/node-storage.ts";
import type { LogLevel } from "../adapters/pino-logger.ts";
import { toError } from "../core/errors.ts";
import { StateDirectory } from "../runtime/state-directory.ts";
import { DEFAULT_TOPOLOGY, findTopologyFile, loadTopology } from "../runtime/topology-files.ts";
import { openEmbeddedWorld } from "./embedded-world.ts";
import { QuickstartError } from "./errors.ts";
import { loadFlights } from "./flights.ts";
import { type JobProgress, type MainJobResult, runMainJob } from "./main-job.ts";
import type { RegionAccess } from "./region-access.ts";
import { allHolds, coldHolds } from "./report.ts";

/** The region that the others flow into. */
const TARGET_REGION = "central";

/** Of each log; the cause is as a rule in the last line or two. */
const LOG_LINES_SHOWN_MAX = 8;

/** How to run it. */
export interface QuickstartOptions {
  /** Leaves the regions up, in the state directory that other commands look into. */
  readonly keep: boolean;
  /** That directory; without `keep` a temporary one is used, so that nothing of the user's is touched. */
  readonly stateRoot: string;
  readonly logLevel: LogLevel;
  /** Ends the run early; it then cleans up and rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** What goes on, repainted often. */
  readonly onProgress: (progress: JobProgress) => void;
  /** Something happened that is worth a line of its own. */
  readonly onEvent: (text: string) => void;
}

/** What came out. */
export interface QuickstartResult extends MainJobResult {
  /** All that was promised holds. */
  readonly holds: boolean;
  /** Addresses of the regions; they are gone again unless they were kept. */
  readonly regions: readonly RegionAccess[];
}

/** Runs it all. Regions are stopped and their data removed, whatever happens, unless they are kept.
 *  @throws {QuickstartError} `QUICKSTART_STATE_IN_USE` when regions are to be kept where others have data already */
export async function runQuickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  using _quiet = withoutTimeoutWarnings();
  const flights = loadFlights();
  const startedMs = performance.now();
  const topologyFile = resolve(findTopologyFile(DEFAULT_TOPOLOGY));
  const topology = loadTopology(topologyFile);
  const stateRoot = options.keep ? resolve(options.stateRoot) : temporaryDirectory();
  const state = new StateDirectory({ root: stateRoot, topology: topology.name }, { storage: nodeStorage() });
  if (nodeStorage().exists(join(state.path, "data"))) {
    const message = `regions have data already (${state.path}); remove it with tributary down --wipe, or leave --keep out`;
    throw new QuickstartError({ code: "QUICKSTART_STATE_IN_USE", path: state.path }, { message });
  }
  const total = flights.length;
  await using cleanup = new AsyncDisposableStack();
  options.signal.throwIfAborted();
  if (!options.keep) cleanup.defer(() => rmSync(stateRoot, { recursive: true, force: true }));
  const opened = await openEmbeddedWorld({
    topology,
    topologyFile,
    state,
    stateRoot,
    target: TARGET_REGION,
    attached: !options.keep,
    logLevel: options.logLevel,
    onReady: (ready, all) =>
      options.onProgress({ step: `starting regions, ${ready} of ${all} ready`, produced: 0, mirrored: 0, total }),
  });
  cleanup.defer(() => opened.close());
  options.onEvent(`${opened.records.length} regions started`);
  const running = runMainJob(opened.world, { flights, onProgress: options.onProgress, onEvent: options.onEvent });
  const job = await orAborted(running, options.signal).catch((error: unknown) => {
    // The logs go with the state directory.
    if (!options.signal.aborted) for (const line of logEnds(state)) options.onEvent(line);
    throw error;
  });
  const figures = { ...job.figures, elapsedMs: Math.round(performance.now() - startedMs) };
  const result = { ...job, figures };
  if (options.keep) {
    opened.release();
    cleanup.move();
  }
  const regions = [...opened.world.sources, opened.world.target];
  return { ...result, regions, holds: allHolds(result, total) && coldHolds(figures) };
}

function temporaryDirectory(): string {
  const prefix = join(tmpdir(), "tributary-quickstart-");
  try {
    return mkdtempSync(prefix);
  } catch (cause) {
    const message = `cannot make a temporary directory (${prefix}): ${toError(cause).message}; set TMPDIR to a place with room`;
    throw new QuickstartError({ code: "QUICKSTART_NO_ROOM", path: prefix }, { message, cause });
  }
}

/** The last lines of every process's log, each with the name of the process. */
function logEnds(state: StateDirectory): readonly string[] {
  return nodeStorage()
    .list(state.path)
    .filter((name) => name.endsWith(".log"))
    .flatMap((name) => {
      const lines = readFileSync(join(state.path, name), "utf8").trimEnd().split("\n");
      return lines
        .filter((line) => line !== "")
        .slice(-LOG_LINES_SHOWN_MAX)
        .map((line) => `${name}: ${line}`);
    });
}

/** The promise, or the signal's reason when that comes first. Regions and worker are then taken away under the job, whose
 *  own failure nobody hears any more. */
function orAborted<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  running.catch(() => undefined);
  signal.throwIfAborted();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  return Promise.race([running, aborted]);
}

/** kafkajs sets timers with negative delays, which Node 24 warns of on stderr; they mean "at once" and do no harm. */
function withoutTimeoutWarnings(): Disposable {
  const listeners = process.listeners("warning");
  process.removeAllListeners("warning");
  const filtered = (warning: Error): void => {
    if (warning.name === "TimeoutNegativeWarning") return;
    for (const listener of listeners) listener(warning);
  };
  process.on("warning", filtered);
  return {
    [Symbol.dispose]: () => {
      process.off("warning", filtered);
      for (const listener of listeners) process.on("warning", listener);
    },
  };
}
