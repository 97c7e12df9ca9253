/** A child process: one embedded region in a directory of its own; tells its parent where it listens. */

import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../../src/adapters/node-network.ts";
import { nodeRandom } from "../../../src/adapters/node-random.ts";
import { nodeStorage } from "../../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../../src/broker/embedded-region.ts";
import { silentLogger } from "../../../src/core/logger.ts";

const [directory = "", clusterId = ""] = process.argv.slice(2);
const region = await EmbeddedRegion.open(
  { directory, clusterId, brokers: 1 },
  { storage: nodeStorage(), clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger },
);
process.send?.({ endpoints: region.endpoints });
process.on("message", (message) => {
  if (message === "cpu") process.send?.({ cpu: process.cpuUsage() });
});
process.on("disconnect", () => process.exit(0));
