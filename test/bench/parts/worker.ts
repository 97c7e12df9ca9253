/** A mirror worker as a process of its own, the way a user starts it, and what it costs as the kernel counts it. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import type { Endpoint } from "../../../src/core/network.ts";
import { workerStatus } from "../../../src/runtime/lanes-now.ts";
import { StateDirectory } from "../../../src/runtime/state-directory.ts";
import type { WorkerStatus } from "../../../src/runtime/worker-status.ts";

/** Clock ticks per second in /proc: fixed on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const TOPOLOGY = "bench";
const ROOT = join(import.meta.dirname, "../../..");

/** Makes the package as users install it: types that are stripped as the program loads would count as its memory. */
export function buildPackage(): void {
  execFileSync(process.execPath, [
    join(ROOT, "node_modules/typescript/bin/tsc"),
    "-p",
    join(ROOT, "tsconfig.build.json"),
  ]);
}

/** Where it copies from and to. */
export interface WorkerSides {
  readonly source: readonly Endpoint[];
  readonly target: readonly Endpoint[];
  /** More lines of the mirror, indented by four. */
  readonly mirrorLines?: readonly string[];
}

/** A running worker. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #state: StateDirectory;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, state: StateDirectory) {
    this.#child = child;
    this.#state = state;
    this.#ended = new Promise((resolve) => child.once("exit", resolve));
  }

  /** Starts it with a topology written into `directory`; `execArgv` goes to Node itself. */
  static start(directory: string, sides: WorkerSides, execArgv: readonly string[] = []): WorkerProcess {
    mkdirSync(directory, { recursive: true });
    const topology = join(directory, "topology.yaml");
    writeFileSync(topology, topologyOf(sides));
    const root = join(directory, "state");
    const entry = join(ROOT, "dist/cli/main.js");
    const args = [...execArgv, entry, "mirror", "run", "-t", topology, "--state", root];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"], cwd: directory });
    return new WorkerProcess(child, new StateDirectory({ root, topology: TOPOLOGY }, { storage: nodeStorage() }));
  }

  /** Its own account; undefined while it starts. */
  async status(): Promise<WorkerStatus | undefined> {
    if (this.#child.exitCode !== null) throw new Error(`the worker ended with ${this.#child.exitCode}`);
    return workerStatus({ state: this.#state }).catch(() => undefined);
  }

  /** Resident memory now. */
  get rssBytes(): number {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(this.#proc("status"))?.[1];
    return Number(kib) * 1024;
  }

  /** CPU used so far, user and system. */
  get cpuSeconds(): number {
    // After the name, which stands in parentheses and may hold anything.
    const fields = this.#proc("stat")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
    await this.#ended;
  }

  #proc(file: string): string {
    return readFileSync(`/proc/${this.#child.pid}/${file}`, "utf8");
  }
}

function topologyOf({ source, target, mirrorLines = [] }: WorkerSides): string {
  const addresses = (endpoints: readonly Endpoint[]): string =>
    endpoints.map(({ host, port }) => `"${host}:${port}"`).join(", ");
  return [
    "version: 1",
    `name: ${TOPOLOGY}`,
    "regions:",
    `  source: { brokers: [${addresses(source)}] }`,
    `  target: { brokers: [${addresses(target)}] }`,
    "mirrors:",
    "  - name: all",
    "    from: source",
    "    to: target",
    '    topics: ["t*"]',
    '    rename: "{topic}"',
    ...mirrorLines.map((line) => `    ${line}`),
    "",
  ].join("\n");
}
