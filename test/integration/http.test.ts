/** A worker seen from outside while its regions come and go: what the pages say. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get as httpGet } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { presentError } from "../../src/cli/present-error.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { NetworkError } from "../../src/core/network.ts";
import { StateDirectory } from "../../src/runtime/state-directory.ts";
import { MirrorWorker } from "../../src/runtime/worker.ts";
import { flowsOf } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { formatHttpAddress } from "../../src/web/http-address.ts";
import type { HttpServer } from "../../src/web/http-server.ts";
import { openWorkerHttp } from "../../src/web/worker-http.ts";
import { eventually, MirrorWorld, type Side } from "./mirror-world.ts";

const REGION_DEPS = {
  clock: nodeClock(),
  random: nodeRandom(),
  network: nodeNetwork(),
  logger: silentLogger,
  storage: nodeStorage(),
};
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

/** A worker of this process between two regions that are there already, with its pages. */
class Watched implements AsyncDisposable {
  readonly worker: MirrorWorker;
  readonly #http: HttpServer;
  readonly #directory: string;

  private constructor(worker: MirrorWorker, http: HttpServer, directory: string) {
    this.worker = worker;
    this.#http = http;
    this.#directory = directory;
  }

  static async open(west: Side, hub: Side): Promise<Watched> {
    const directory = mkdtempSync(join(tmpdir(), "watched-"));
    const brokers = ({ region }: Side): string =>
      JSON.stringify(region.endpoints.map(({ host, port }) => `${host}:${port}`));
    const text = `version: 1
name: pair
regions: {west: {brokers: ${brokers(west)}}, hub: {brokers: ${brokers(hub)}}}
mirrors:
  - {name: in, from: west, to: hub, topics: "*", rename: "{source}.{topic}", groups: {include: "*", every: 100ms}}
`;
    const topology = parseTopology({ file: "pair.yaml", text });
    const state = new StateDirectory({ root: directory, topology: "pair" }, { storage: nodeStorage() });
    const run = { world: { topology, state }, flows: flowsOf(topology) };
    const worker = await MirrorWorker.open(run, { logger: silentLogger, onShutdown: () => undefined });
    const http = await openWorkerHttp({ endpoint: { host: "127.0.0.1", port: 0 } }, () => worker.status);
    return new Watched(worker, http, directory);
  }

  async page(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://${formatHttpAddress(this.#http.endpoint)}${path}`);
    return { status: response.status, text: await response.text() };
  }

  /** The sum of a metric over its series whose labels contain `label`; undefined when there is none. */
  async metric(name: string, label = ""): Promise<number | undefined> {
    const { text } = await this.page("/metrics");
    const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) && line.includes(label));
    return lines.length === 0 ? undefined : lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.close();
    await this.#http.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

test("lag rises and the state changes while the target is away, and both come back with it", async () => {
  await using world = new MirrorWorld();
  const directory = mkdtempSync(join(tmpdir(), "hub-"));
  const west = await world.side("west", { brokers: 1 });
  const hub = await world.side("hub", { brokers: 1, directory });
  await world.topic(west, "orders", 2);
  await world.produce(west, "orders", 0, 10);
  await using watched = await Watched.open(west, hub);
  const lag = (): Promise<number | undefined> => watched.metric("tributary_mirror_lag_records", 'topic="orders"');
  const isIn = async (state: string): Promise<boolean> =>
    (await watched.metric("tributary_mirror_state", `state="${state}"`)) === 1;

  await eventually(async () => (await watched.metric("tributary_mirror_records_total")) === 10, "it is copied");
  await eventually(async () => (await lag()) === 0, "no lag");
  assert.equal(await isIn("active"), true);
  assert.equal((await watched.page("/readyz")).status, 200);
  await eventually(async () => (await watched.metric("tributary_mirror_aligned_lanes")) === 2, "both are aligned");
  const moved = await watched.metric("tributary_mirror_last_progress_timestamp_seconds");
  assert.ok(Math.abs((moved ?? 0) - Date.now() / 1_000) < 60);

  const ports = hub.region.endpoints.map(({ port }) => port);
  await hub.region.close();
  await world.produce(west, "orders", 0, 5);
  await world.produce(west, "orders", 1, 5);
  await eventually(async () => (await lag()) === 10, "lag rises");
  await eventually(() => isIn("faulted"), "the flow is faulted");
  await eventually(
    async () => ((await watched.metric("tributary_mirror_lag_seconds")) ?? 0) > 0,
    "it is told in seconds",
  );
  await eventually(async () => ((await watched.metric("tributary_mirror_lanes_held")) ?? 0) > 0, "reasons are told");
  await eventually(async () => (await watched.page("/readyz")).status === 503, "it is not ready");
  assert.match((await watched.page("/readyz")).text, /in: west -> hub: /);
  assert.equal((await watched.page("/healthz")).status, 200, "a region that is away is no reason to restart a worker");

  await using back = await EmbeddedRegion.open({ brokers: 1, directory, ports }, REGION_DEPS);
  assert.ok(back.endpoints.length > 0);
  await eventually(async () => (await lag()) === 0, "lag falls");
  await eventually(() => isIn("active"), "the flow is active");
  await eventually(async () => (await watched.page("/readyz")).status === 200, "it is ready");
  assert.equal(await watched.metric("tributary_mirror_records_total"), 20);
  assert.ok(((await watched.metric("tributary_mirror_errors_total", 'side="target"')) ?? 0) > 0);
  assert.ok(((await watched.metric("tributary_mirror_takeovers_total")) ?? 0) >= 4);
  const acknowledged = await watched.metric("tributary_mirror_latency_seconds_count");
  assert.equal(acknowledged, await watched.metric("tributary_mirror_batches_total"));
  rmSync(directory, { recursive: true, force: true });
});

/** A project with a mirror whose regions do not run. */
class Project implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "http-"));

  constructor() {
    const text = `version: 1
name: pair
regions: {west: {local: {brokers: 1}}, hub: {local: {brokers: 1}}}
mirrors:
  - {name: in, from: west, to: hub, topics: "*", rename: "{source}.{topic}"}
`;
    writeFileSync(join(this.path, "pair.yaml"), text);
  }

  run(...args: readonly string[]): ChildProcess {
    return spawn(process.execPath, [MAIN, "-t", "pair.yaml", "mirror", "run", ...args], { cwd: this.path });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Reads a process's stderr until it has said something; goes on reading, because nobody writes well into a closed pipe. */
function said(child: ChildProcess, until: RegExp): Promise<RegExpExecArray> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.stderr?.on("data", (chunk) => {
      text += String(chunk);
      const match = until.exec(text);
      if (match !== null) resolve(match);
    });
    child.once("close", () => reject(new Error(`never said ${until}: ${text}`)));
  });
}

test("mirror run --http serves until the end, and a connection that is kept open does not hold it up", async () => {
  using project = new Project();
  const worker = project.run("--http", ":0", "--log-format", "pretty", "-v");
  const ended = once(worker, "exit");
  const [, address] = await said(worker, /metrics and status on (http:\S+)/);
  const agent = new Agent({ keepAlive: true });
  const answered = await new Promise<number | undefined>((resolve, reject) => {
    httpGet(`${address}healthz`, { agent }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    }).once("error", reject);
  });
  assert.equal(answered, 200);
  const ready = await fetch(`${address}readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /region \\"(west|hub)\\" does not run/);
  const status = (await (await fetch(`${address}api/status`)).json()) as { origin: string; format_version: string };
  assert.deepEqual([status.origin, status.format_version], ["worker", "1.0"]);

  const second = project.run("--http", new URL(address ?? "").host);
  const secondEnded = once(second, "exit");
  await said(
    second,
    /^tributary: 127\.0\.0\.1:\d+ is taken: stop the process that listens there or choose another port with --http\n$/,
  );
  // The same exit code as of any other command whose port is taken.
  const taken = new NetworkError({ code: "NETWORK_PORT_TAKEN", host: "127.0.0.1", port: 1 });
  assert.deepEqual(await secondEnded, [presentError(taken).exitCode, null]);

  worker.kill("SIGTERM");
  assert.deepEqual(await ended, [143, null]);
  agent.destroy();
});

test("mirror run refuses what is no address, as a mistake of usage", async () => {
  using project = new Project();
  const worker = project.run("--http", "nonsense");
  const ended = once(worker, "exit");
  await said(worker, /^tributary: .*'nonsense' is invalid\. it must be HOST:PORT or :PORT; see tributary --help\n$/);
  assert.deepEqual(await ended, [64, null]);
});
