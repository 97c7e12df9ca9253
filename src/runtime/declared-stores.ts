/** The object stores that a topology declares, each once, for commands that work on archives themselves. */

import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import type { ObjectStore } from "../tier/ports.ts";
import type { Tiering, Topology } from "../topology/model.ts";
import { openStore, storeIdentity } from "./open-store.ts";
import type { StateDirectory } from "./state-directory.ts";

/** The rules that declare them, one for each store. `region` narrows to the stores of one region. */
export function storeDeclarations(topology: Topology, region?: string): readonly Tiering[] {
  const rules = new Map<string, Tiering>();
  for (const rule of topology.tiering) {
    const place = storeIdentity(rule);
    if ((region === undefined || rule.region === region) && !rules.has(place)) rules.set(place, rule);
  }
  return [...rules.values()];
}

/** Opens one after the other and closes it again. `region` narrows to the stores of one region.
 *  @throws {StoreError} when one cannot be used @throws {RuntimeError | TopologyError} */
export async function* declaredStores(
  topology: Topology,
  state: StateDirectory,
  region?: string,
): AsyncGenerator<ObjectStore, void, undefined> {
  for (const rule of storeDeclarations(topology, region)) {
    const store = await openStore(rule, { clock: nodeClock(), random: nodeRandom(), statePath: state.path });
    try {
      yield store;
    } finally {
      store.close();
    }
  }
}
