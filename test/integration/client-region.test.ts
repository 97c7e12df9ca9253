/** The client's cases on an embedded region over sockets; the suite on Apache Kafka runs the same ones there. */

import { after, test } from "node:test";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { CLIENT_CASES } from "./client-cases.ts";

const region = await EmbeddedRegion.open(
  { directory: "region", brokers: 3 },
  {
    storage: new MemoryStorage(),
    clock: nodeClock(),
    random: nodeRandom(),
    network: nodeNetwork(),
    logger: silentLogger,
  },
);
after(() => region.close());

const world = {
  bootstrap: region.endpoints,
  stopBroker: (id: number) => region.stopBroker(id),
  startBroker: (id: number) => region.startBroker(id),
};

for (const one of CLIENT_CASES) test(`client on an embedded region ${one.name}`, () => one.run(world));
