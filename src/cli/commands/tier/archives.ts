/** What the commands below `tier` share: the archives of all declared stores, from the bucket alone. No region has to run. */

import { declaredStores } from "../../../runtime/declared-stores.ts";
import { type CatalogEntry, readCatalog } from "../../../tier/catalog.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import type { CliContext } from "../../context.ts";
import { topologyInUse } from "../../topology-in-use.ts";

/** Options of all of them. */
export interface TierOptions {
  readonly region?: string;
}

/** One partition's archive and the store it lies in. */
export interface StoredArchive {
  readonly store: ObjectStore;
  readonly entry: CatalogEntry;
}

/** Every archived partition of every declared store, one store after the other; says so when none is declared.
 *  @throws {StoreError | RuntimeError | TopologyError} */
export async function* storedArchives(
  context: CliContext,
  { region }: TierOptions,
): AsyncGenerator<StoredArchive, void, undefined> {
  const { topology, state } = topologyInUse(context);
  let stores = 0;
  for await (const store of declaredStores(topology, state, region)) {
    stores++;
    for (const entry of await readCatalog(store)) yield { store, entry };
  }
  if (stores === 0)
    context.talk(region === undefined ? "no tiering is declared" : `no tiering of ${region} is declared`);
}
