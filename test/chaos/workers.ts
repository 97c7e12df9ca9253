/** Two worker processes on the same lanes, each `tributary mirror run` as a user starts it; killed, frozen, started again. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WORKERS, type Worker } from "./faults.ts";
import { type Said, saidIn } from "./worker-log.ts";

const CLI = join(import.meta.dirname, "../../src/cli/main.ts");
/** It settles what is in flight, which takes as long as the slowest broker. */
const STOP_TIMEOUT_MS = 30_000;
/** Of a worker that ended by itself, for the report. */
const LOG_TAIL_BYTES = 1_500;

/** Both workers; disposing of them kills what still runs. */
export class Workers implements AsyncDisposable {
  readonly #topologyFile: string;
  readonly #directory: string;
  readonly #running = new Map<Worker, ChildProcess>();
  readonly #expected = new WeakSet<ChildProcess>();
  readonly #failures: string[] = [];

  constructor(options: { readonly topologyFile: string; readonly directory: string }) {
    this.#topologyFile = options.topologyFile;
    this.#directory = options.directory;
  }

  /** Workers that ended although nobody ended them, and what they said. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  /** Starts a worker and returns at once, so that it can be killed while it starts. */
  start(worker: Worker): void {
    const state = join(this.#directory, `state-${worker}`);
    mkdirSync(state, { recursive: true });
    const logPath = join(state, "worker.log");
    const log = openSync(logPath, "a");
    // Attached: it ends when this process ends.
    const args = [CLI, "-v", "mirror", "run", "--attached", "-t", this.#topologyFile, "--state", state];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", log, "ipc"] });
    closeSync(log);
    this.#running.set(worker, child);
    child.once("exit", (code, signal) => {
      if (this.#expected.has(child)) return;
      const said = readFileSync(logPath, "utf8").slice(-LOG_TAIL_BYTES);
      this.#failures.push(`worker ${worker} ended by itself with ${code ?? signal}: ${said}`);
    });
  }

  /** SIGKILL to all of them at once; resolves when they are gone. */
  async kill(workers: readonly Worker[]): Promise<void> {
    await Promise.all(workers.map((worker) => this.#end(worker, "SIGKILL")));
  }

  /** SIGSTOP now, SIGCONT later unless the process has been replaced by then. */
  freeze(worker: Worker, forMs: number): void {
    const child = this.#running.get(worker);
    child?.kill("SIGSTOP");
    setTimeout(() => child?.kill("SIGCONT"), forMs);
  }

  /** All that both have said. */
  said(): readonly Said[] {
    return WORKERS.flatMap((worker) =>
      saidIn(worker, readFileSync(join(this.#directory, `state-${worker}`, "worker.log"), "utf8")),
    );
  }

  /** What `tributary mirror status` says of each worker, for the report. */
  async status(): Promise<readonly string[]> {
    return Promise.all(
      WORKERS.map(async (worker) => `worker ${worker}: ${await this.#run(worker, ["mirror", "status"])}`),
    );
  }

  #run(worker: Worker, command: readonly string[]): Promise<string> {
    const args = [CLI, ...command, "-t", this.#topologyFile, "--state", join(this.#directory, `state-${worker}`)];
    return new Promise((resolve) => {
      execFile(process.execPath, args, { timeout: STOP_TIMEOUT_MS }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
  }

  /** Ends both as a user does; whatever they have in flight is settled. */
  async stop(): Promise<void> {
    await Promise.all(WORKERS.map((worker) => this.#end(worker, "SIGTERM")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill(WORKERS);
  }

  async #end(worker: Worker, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#running.get(worker);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    this.#expected.add(child);
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    const overdue = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(overdue);
  }
}
