/** A topology over clusters that run already: workers of this process, and the command line beside them. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { selectedFlows } from "../../src/runtime/flow-selection.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { MirrorWorker } from "../../src/runtime/worker.ts";
import { parseTopology } from "../../src/topology/parse.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
/** For one condition; a busy machine takes a while. */
const WITHIN_MS = 60_000;
const POLL_MS = 50;

/** What the topology is made of. */
export interface TopologyParts {
  readonly regions: Readonly<Record<string, readonly Endpoint[]>>;
  /** More of a region as YAML, such as `tls: true`. */
  readonly more?: Readonly<Record<string, string>>;
  /** Lines of YAML, one for each mirror. */
  readonly mirrors: readonly string[];
}

/** How a command ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly text: string;
}

/** See the file's comment. */
export class TopologyWorld implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "topology-"));
  readonly #text: string;
  readonly #workers: MirrorWorker[] = [];

  constructor({ regions, more, mirrors }: TopologyParts) {
    const lines = Object.entries(regions).map(([name, endpoints]) => {
      const brokers = endpoints.map(({ host, port }) => `${host}:${port}`);
      return `  ${name}: {${[`brokers: ${JSON.stringify(brokers)}`, ...(more?.[name] === undefined ? [] : [more[name]])].join(", ")}}`;
    });
    const entries = mirrors.map((mirror) => `  - {${mirror}}`);
    this.#text = ["version: 1", "name: pair", "regions:", ...lines, "mirrors:", ...entries, ""].join("\n");
    writeFileSync(join(this.#directory, "pair.yaml"), this.#text);
  }

  /** A worker of all flows, or of those of some mirrors; closed with the world, or before. Two at a time need two worlds. */
  async worker(mirrors: readonly string[] = []): Promise<MirrorWorker> {
    const topology = parseTopology({ file: "pair.yaml", text: this.#text });
    const state = new StateDirectory(
      { root: join(this.#directory, ".tributary"), topology: "pair" },
      { storage: nodeStorage() },
    );
    const run = { world: { topology, state }, flows: selectedFlows(topology, mirrors) };
    const worker = await MirrorWorker.open(run, { logger: silentLogger, onShutdown: () => undefined });
    this.#workers.push(worker);
    return worker;
  }

  /** A command of the command line on this topology; both streams together. */
  command(...args: readonly string[]): Promise<CommandResult> {
    return this.commandOn("", ...args);
  }

  /** The same with something on stdin. */
  async commandOn(input: string, ...args: readonly string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [MAIN, "-t", "pair.yaml", ...args], { cwd: this.#directory });
    child.stdin.end(input);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += String(chunk)));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Polls until what is seen is what is wanted; fails with the difference. */
export async function comesTo<T>(see: () => Promise<T> | T, wanted: T): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  for (;;) {
    const seen = await see();
    try {
      assert.deepEqual(seen, wanted);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(POLL_MS);
    }
  }
}
