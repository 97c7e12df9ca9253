/** What the commands below `tier` share: the archives of all declared stores, from the bucket alone. No region has to run. */

import { nodeClock } from "../../../adapters/node-clock.ts";
import { readHead } from "../../../tier/archive.ts";
import { archiveFailure } from "../../../tier/archive-failure.ts";
import { type ArchiveSelection, type CatalogEntry, isSelected, readCatalog } from "../../../tier/catalog.ts";
import { ArchiveError, StoreError } from "../../../tier/errors.ts";
import { segmentsWithLostNames } from "../../../tier/lost-names.ts";
import { archivedTo } from "../../../tier/manifest.ts";
import type { ObjectStore } from "../../../tier/ports.ts";
import type { CliContext } from "../../context.ts";
import { CommandError } from "../../errors.ts";
import { counted } from "../../output.ts";
import { type OpenedStore, openedStores, type TierStoreOptions } from "./stores.ts";

/** Options of all of them. */
export type TierOptions = TierStoreOptions;

/** One partition's archive and the store it lies in. */
export interface StoredArchive extends OpenedStore {
  readonly entry: CatalogEntry;
}

/** How archives are asked for. */
export interface ArchiveUse {
  readonly use: "read" | "write";
  /** Called with each store that holds no archive at all, which is said anyway. */
  readonly onEmpty?: (location: string) => void;
}

/** Options of those that may be narrowed to a topic. */
export interface TierTopicOptions extends TierOptions {
  readonly topic?: string;
  readonly partition?: number;
  /** Tells topics of one name apart, of which one was deleted. */
  readonly topicId?: string;
}

/** Every archived partition of every chosen store that is selected, one store after the other.
 *  The store is open until the next step. @throws {StoreError | CommandError | RuntimeError | TopologyError} */
export async function* storedArchives(
  context: CliContext,
  options: TierOptions,
  { use, onEmpty }: ArchiveUse,
  selection: ArchiveSelection = {},
): AsyncGenerator<StoredArchive, void, undefined> {
  for await (const opened of openedStores(context, options, use)) {
    const { location } = opened.store;
    const entries = await readCatalog(opened.store);
    if (entries.length === 0) {
      context.talk(`nothing is archived in ${location}`);
      onEmpty?.(location);
    }
    for (const entry of entries) if (isSelected(entry.partition, selection)) yield { ...opened, entry };
  }
}

/** Nothing fits what was asked for. */
export function nothingSelected({ topic, partition }: TierTopicOptions): Error {
  if (topic !== undefined) return archiveFailure({ code: "ARCHIVE_UNKNOWN", topic, partition });
  const message = "nothing that is archived fits; tributary tier ls lists what there is";
  return new CommandError({ code: "COMMAND_FAILED", what: "nothing selected" }, { message });
}

/** Says which partitions hold more than their newest manifest names: whoever takes the archive for whole would miss it.
 *  @throws {ArchiveError | StoreError} */
export async function tellLostNames(
  context: CliContext,
  store: ObjectStore,
  entries: readonly CatalogEntry[],
): Promise<void> {
  for (const entry of entries) {
    const manifest = (await readHead(store, entry.partition))?.manifest;
    const lost = await segmentsWithLostNames(entry, manifest, { store, nowMs: nodeClock().nowMs() });
    if (lost.length === 0) continue;
    const { topic, partition } = entry.partition;
    const end = archivedTo(manifest);
    const where = end === undefined ? "no manifest is left" : `its newest manifest ends at offset ${end}`;
    context.talk(
      `${topic}-${partition} is not whole: ${where}, and ${counted(lost.length, "segment")} behind that without a name; run tributary tier repair first`,
    );
  }
}

/** True when the archive itself is at fault, so that other partitions may be whole: a store that cannot be asked is not. */
export function isDamage(error: unknown): error is ArchiveError | StoreError {
  return error instanceof ArchiveError || (error instanceof StoreError && error.fault.code === "STORE_MISSING");
}
