/** Embedded regions, set up for the contract suite. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { BrokerAddress } from "./connection.ts";
import { REGION_CONFIGS } from "./peer.ts";
import type { ClusterControl } from "./probe.ts";

/** A region, and where its only broker listens. */
export interface ContractRegion extends AsyncDisposable {
  readonly address: BrokerAddress;
}

/** Opens a fresh region on a free port; disposing of it removes its data. */
export async function openContractRegion(): Promise<ContractRegion> {
  const { region, dispose } = await openRegion(1);
  const [endpoint] = region.endpoints;
  if (endpoint === undefined) throw new Error("a region of one broker has no broker 1");
  return { address: endpoint, [Symbol.asyncDispose]: dispose };
}

/** Opens a fresh region of three brokers, for the cases that stop some. */
export async function openContractCluster(): Promise<ClusterControl & AsyncDisposable> {
  const { region, dispose } = await openRegion(3);
  return {
    addresses: new Map(region.endpoints.map((endpoint) => [endpoint.brokerId, endpoint])),
    stopBroker: (id) => region.stopBroker(id),
    startBroker: (id) => region.startBroker(id),
    [Symbol.asyncDispose]: dispose,
  };
}

async function openRegion(brokers: number) {
  const directory = mkdtempSync(join(tmpdir(), "contract-"));
  const region = await EmbeddedRegion.open(
    { brokers, host: "127.0.0.1", directory, brokerConfigs: REGION_CONFIGS },
    { storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger },
  );
  const dispose = async (): Promise<void> => {
    await region.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { region, dispose };
}
