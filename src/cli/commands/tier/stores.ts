/** The stores that a command below `tier` works on: those that the topology declares, or the one that is named. */

import { resolve } from "node:path";
import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { storeDeclarations } from "../../../runtime/declared-stores.ts";
import { openStore, openStoreToRead } from "../../../runtime/open-store.ts";
import { regionNamed } from "../../../runtime/region-spec.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import type { StoreDeclaration } from "../../../topology/store-schema.ts";
import type { CliContext } from "../../context.ts";
import { CommandError, usageError } from "../../errors.ts";
import { topologyInUse } from "../../topology-in-use.ts";

/** Options that choose them. */
export interface TierStoreOptions {
  readonly region?: string;
  /** URL of a store, in place of what a topology declares: then no topology is needed. */
  readonly store?: string;
  /** Another server than AWS, for `store`. */
  readonly endpoint?: string;
}

/** What is to be opened, and below which directory relative paths lie. */
export interface ChosenStores {
  readonly declarations: readonly StoreDeclaration[];
  readonly statePath: string;
}

/** One that is open until the next step. */
export interface OpenedStore {
  readonly store: ObjectStore;
  readonly declaration: StoreDeclaration;
}

/** At least one. @throws {CommandError} when nothing is declared @throws {RuntimeError} `REGION_UNKNOWN` @throws {TopologyError} */
export function chosenStores(context: CliContext, { region, store, endpoint }: TierStoreOptions): ChosenStores {
  if (store !== undefined) return { declarations: [namedStore(store, endpoint)], statePath: resolve(".") };
  if (endpoint !== undefined) throw usageError("--endpoint belongs to --store");
  const { topology, state } = topologyInUse(context);
  if (region !== undefined) regionNamed(topology, region);
  const declarations = storeDeclarations(topology, region);
  if (declarations.length > 0) return { declarations, statePath: state.path };
  const message = `no tiering of ${region ?? "any region"} is declared (${topology.file}); add a rule under tiering:, or name a store with --store`;
  throw new CommandError({ code: "COMMAND_FAILED", what: "no tiering" }, { message });
}

/** A store by its URL, with the usual chain of credentials. */
export function namedStore(store: string, endpoint: string | undefined): StoreDeclaration {
  return { store, s3: endpoint === undefined ? undefined : { endpoint } };
}

/** Opens one after the other. Those who only `read` write nothing, not even to ask what the store can do, so that credentials which
 *  allow no more will do. @throws {StoreError | RuntimeError} and of `chosenStores` */
export async function* openedStores(
  context: CliContext,
  options: TierStoreOptions,
  use: "read" | "write",
): AsyncGenerator<OpenedStore, void, undefined> {
  const { declarations, statePath } = chosenStores(context, options);
  const deps = { clock: nodeClock(), random: nodeRandom(), statePath };
  for (const declaration of declarations) {
    const store = await (use === "read" ? openStoreToRead : openStore)(declaration, deps);
    try {
      yield { store, declaration };
    } finally {
      store.close();
    }
  }
}
