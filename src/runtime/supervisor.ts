/** Starts the processes of a topology, waits until they are ready, hears when they die, and stops them. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { type ChildMessage, failureOf } from "./child-messages.ts";
import { control } from "./control-client.ts";
import { RuntimeError } from "./errors.ts";
import { isAlive, type ProcessIdentity } from "./process-identity.ts";
import type { RegionSpec } from "./region-spec.ts";
import type { RegionRecord, StateDirectory } from "./state-directory.ts";

/** A region is ready in less than 2 s on an idle machine; a loaded one gets this long. */
const READY_MS_MAX = 30_000;
/** A region that does not stop by itself in this time is killed. */
const STOP_MS_MAX = 10_000;
/** How often a process that is no child of ours is looked at while it ends. */
const POLL_MS = 20;

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that this one started. */
export interface StartedProcess {
  readonly pid: number;
  /** Resolves when it has ended. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal; SIGKILL by intent is a crash. */
  kill(signal: NodeJS.Signals): void;
  /** Lets it live on when this process ends. */
  release(): void;
}

/** A region that this process started and that is ready. */
export interface StartedRegion extends StartedProcess {
  readonly record: RegionRecord;
}

/** Starts a region's process and resolves once its brokers answer.
 *  @throws {TributaryError} what kept it from starting, as it said itself */
export async function startRegion(spec: RegionSpec, state: StateDirectory): Promise<StartedRegion> {
  state.create();
  const entry = sibling("./region-main");
  const child = launch([entry], { logPath: state.logPath(`region.${spec.region}`), attached: spec.attached });
  child.process.send(spec);
  const record = await ready<RegionRecord>(child, `region "${spec.region}"`);
  return { ...child.handle, record };
}

/** Starts regions side by side. When one fails, those that did start are stopped and the first failure is thrown. */
export async function startRegions(
  specs: readonly RegionSpec[],
  state: StateDirectory,
  onReady: (region: StartedRegion) => void = () => {},
): Promise<readonly StartedRegion[]> {
  const starts = specs.map(async (spec) => {
    const region = await startRegion(spec, state);
    onReady(region);
    return region;
  });
  const results = await Promise.allSettled(starts);
  const started = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failure = results.find((result) => result.status === "rejected");
  if (failure === undefined) return started;
  await Promise.allSettled(started.map((region) => stopRegion(region.record)));
  throw failure.reason;
}

/** What a mirror worker is started with. */
export interface WorkerOptions {
  /** Topology file or name, as `-t` takes it. */
  readonly topology: string;
  readonly stateRoot: string;
  /** Names of mirrors; empty: all. */
  readonly mirrors: readonly string[];
  /** Ends when this process ends. */
  readonly attached: boolean;
}

/** Starts a mirror worker process (`tributary mirror run`); resolves once it has opened its flows. */
export async function startWorker(options: WorkerOptions, state: StateDirectory): Promise<StartedProcess> {
  state.create();
  const entry = sibling("../cli/main");
  const shared = ["-v", "-t", options.topology, "--state", options.stateRoot];
  const args = [entry, "mirror", "run", ...options.mirrors, ...(options.attached ? ["--attached"] : []), ...shared];
  const child = launch(args, { logPath: state.logPath("worker"), attached: options.attached });
  await ready(child, "mirror worker");
  return child.handle;
}

/** Asks a region to stop and waits until it has; kills it when it does not obey. Nothing happens when it is gone. */
export async function stopRegion(record: RegionRecord): Promise<void> {
  await control(record.socketPath, { method: "POST", path: "/shutdown", timeoutMs: STOP_MS_MAX }).catch(
    () => undefined,
  );
  await ensureEnded(record.process);
}

/** Waits until a process has ended; kills it after a while. */
export async function ensureEnded(identity: ProcessIdentity, waitMs: number = STOP_MS_MAX): Promise<void> {
  for (let waited = 0; isAlive(identity); waited += POLL_MS) {
    if (waited === waitMs) process.kill(identity.pid, "SIGKILL");
    if (waited >= 2 * waitMs) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

interface Launched {
  readonly process: ChildProcess;
  readonly handle: StartedProcess;
  readonly logPath: string;
}

/** Runs node with the same executable. The child gets a group of its own, so that a Ctrl-C reaches only this process, which
 *  then ends the others in order. Its stderr goes to a file, because nobody reads a pipe after a detach. */
function launch(args: readonly string[], options: { readonly logPath: string; readonly attached: boolean }): Launched {
  const log = openSync(options.logPath, "a");
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "ignore", log, "ipc"] });
  closeSync(log);
  const ended = new Promise<ProcessEnd>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  const release = (): void => {
    if (child.connected) child.disconnect();
    child.unref();
  };
  const handle: StartedProcess = {
    pid: child.pid ?? -1,
    ended,
    kill: (signal) => void child.kill(signal),
    release,
  };
  return { process: child, handle, logPath: options.logPath };
}

/** Waits for the one message of a child. */
function ready<Ready>(child: Launched, name: string): Promise<Ready> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      child.process.removeAllListeners("message");
      child.process.off("exit", onExit);
      act();
    };
    const failed = (how: string): RuntimeError =>
      new RuntimeError(
        { code: "REGION_DIED", region: name, how },
        { message: `${name} did not start: ${how}; its log tells why (${child.logPath})` },
      );
    const onExit = (code: number | null, signal: NodeJS.Signals | null): void =>
      settle(() => reject(failed(signal === null ? `it ended with code ${code}` : `it was killed by ${signal}`)));
    const timer = setTimeout(() => {
      child.process.kill("SIGKILL");
      settle(() => reject(failed(`it was not ready in ${READY_MS_MAX / 1_000} s`)));
    }, READY_MS_MAX);
    child.process.once("error", (error) => settle(() => reject(failed(error.message))));
    child.process.once("exit", onExit);
    child.process.on("message", (message: ChildMessage<Ready>) => {
      settle(() => (message.kind === "ready" ? resolve(message.ready) : reject(failureOf(message, name))));
    });
  });
}

/** A module of this package as a path: `.ts` in the checkout, `.js` when built. */
function sibling(path: string): string {
  return fileURLToPath(new URL(`${path}${extname(import.meta.url)}`, import.meta.url));
}
