/** What the commands below `tier` share: the archives of all declared stores, from the bucket alone. No region has to run. */

import { declaredStores } from "../../../runtime/declared-stores.ts";
import { type ArchiveSelection, type CatalogEntry, isSelected, readCatalog } from "../../../tier/catalog.ts";
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

/** Options of those that may be narrowed to a topic. */
export interface TierTopicOptions extends TierOptions {
  readonly topic?: string;
  readonly partition?: number;
  /** Tells topics of one name apart, of which one was deleted. */
  readonly topicId?: string;
}

/** Every archived partition of every declared store that is selected, one store after the other; says so when no store is declared.
 *  The store is open until the next step. @throws {StoreError | RuntimeError | TopologyError} */
export async function* storedArchives(
  context: CliContext,
  options: TierOptions,
  selection: ArchiveSelection = {},
): AsyncGenerator<StoredArchive, void, undefined> {
  for await (const store of openStores(context, options)) {
    for (const entry of await readCatalog(store)) if (isSelected(entry.partition, selection)) yield { store, entry };
  }
}

/** Every declared store, one after the other; says so when there is none. It is open until the next step.
 *  @throws {StoreError | RuntimeError | TopologyError} */
export async function* openStores(
  context: CliContext,
  { region }: TierOptions,
): AsyncGenerator<ObjectStore, void, undefined> {
  const { topology, state } = topologyInUse(context);
  let stores = 0;
  for await (const store of declaredStores(topology, state, region)) {
    stores++;
    yield store;
  }
  if (stores === 0)
    context.talk(region === undefined ? "no tiering is declared" : `no tiering of ${region} is declared`);
}
