/** Regions on real sockets and files, in this process or in one that can be killed. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Kafka, logLevel } from "kafkajs";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { type BrokerEndpoint, EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import { silentLogger } from "../../../src/core/logger.ts";

/** A directory that goes with the test. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "region-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A region in this process. */
export function openRegion(directory: string): Promise<EmbeddedRegion> {
  return EmbeddedRegion.open(
    { directory },
    { storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger },
  );
}

/** A stock kafkajs client that retries quickly and says nothing. */
export function kafkaAt(endpoints: readonly BrokerEndpoint[]): Kafka {
  return new Kafka({
    clientId: "test",
    brokers: endpoints.map(({ host, port }) => `${host}:${port}`),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 100 },
  });
}

/** A region in a process of its own. */
export interface RegionProcess extends AsyncDisposable {
  readonly endpoints: readonly BrokerEndpoint[];
  /** SIGKILL; resolves when the process is gone. */
  readonly kill: () => Promise<void>;
}

/** Starts the process, on given ports when it is to take the place of another one. */
export async function spawnRegion(directory: string, ports: readonly number[] = []): Promise<RegionProcess> {
  const script = new URL("region-child.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [script, directory, JSON.stringify(ports)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, "line"), once(child, "exit").then(() => ["[]"])])) as [string];
  const endpoints: readonly BrokerEndpoint[] = JSON.parse(line);
  return { endpoints, kill: () => killed(child), [Symbol.asyncDispose]: () => killed(child) };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
