/** The embedded region that archives are restored into, in a process of its own that ends with the one that started it. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { type BrokerEndpoint, EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import { silentLogger } from "../../../src/core/logger.ts";

/** A region that listens. */
export interface Region extends AsyncDisposable {
  readonly bootstrap: readonly BrokerEndpoint[];
}

/** Starts it over an empty directory. */
export async function startRegion(directory: string): Promise<Region> {
  const child = fork(import.meta.filename, [directory]);
  const ended = once(child, "exit");
  const early = ended.then(() => Promise.reject(new Error("the region ended")));
  early.catch(() => undefined);
  const [bootstrap] = (await Promise.race([once(child, "message"), early])) as [readonly BrokerEndpoint[]];
  const close = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    await ended;
  };
  return { bootstrap, [Symbol.asyncDispose]: close };
}

if (import.meta.main) {
  const deps = { storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork() };
  const region = await EmbeddedRegion.open({ directory: process.argv[2] ?? "" }, { ...deps, logger: silentLogger });
  process.once("disconnect", () => process.exit());
  process.send?.(region.endpoints);
}
