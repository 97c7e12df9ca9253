/** A region in a process of its own, to be killed: prints its endpoints as one line of JSON and runs until then. */

import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import { silentLogger } from "../../../src/core/logger.ts";

const [directory = "", ports = "[]"] = process.argv.slice(2);
const given: readonly number[] = JSON.parse(ports);
const region = await EmbeddedRegion.open(
  { directory, ...(given.length === 0 ? {} : { ports: given }) },
  { storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger },
);
process.stdout.write(`${JSON.stringify(region.endpoints)}\n`);
