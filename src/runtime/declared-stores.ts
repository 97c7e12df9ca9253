/** The object stores that a topology declares, each once, for commands that work on archives themselves. */

import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import type { ObjectStore } from "../tier/ports.ts";
import type { Topology } from "../topology/model.ts";
import { openStore, storeIdentity } from "./open-store.ts";
import type { StateDirectory } from "./state-directory.ts";

/** Opens one after the other and closes it again. `region` narrows to the stores of one region.
 *  @throws {StoreError} when one cannot be used @throws {RuntimeError | TopologyError} */
export async function* declaredStores(
  topology: Topology,
  state: StateDirectory,
  region?: string,
): AsyncGenerator<ObjectStore, void, undefined> {
  const seen = new Set<string>();
  for (const rule of topology.tiering) {
    const place = storeIdentity(rule);
    if ((region !== undefined && rule.region !== region) || seen.has(place)) continue;
    seen.add(place);
    const store = await openStore(rule, { clock: nodeClock(), random: nodeRandom(), statePath: state.path });
    try {
      yield store;
    } finally {
      store.close();
    }
  }
}
