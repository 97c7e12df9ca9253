/** The object stores that a topology declares, each once, for commands that work on archives themselves. */

import type { Tiering, Topology } from "../topology/model.ts";
import { storeIdentity } from "./open-store.ts";

/** The rules that declare them, one for each store. `region` narrows to the stores of one region. */
export function storeDeclarations(topology: Topology, region?: string): readonly Tiering[] {
  const rules = new Map<string, Tiering>();
  for (const rule of topology.tiering) {
    const place = storeIdentity(rule);
    if ((region === undefined || rule.region === region) && !rules.has(place)) rules.set(place, rule);
  }
  return [...rules.values()];
}
