/** What was made on a target, kept in memory as the topic would: by key, as bytes. */

import type { MadeStore } from "../../../../src/mirror/metadata/made-store.ts";
import { decodeMade, encodeMade, type MadeRecord, madeKey } from "../../../../src/topology/made.ts";

/** Several workers may share one. */
export class MemoryMade implements MadeStore {
  readonly #values = new Map<string, Buffer>();
  /** Rejects once with it. */
  failure: Error | undefined;

  async list(): Promise<readonly MadeRecord[]> {
    return [...this.#values].flatMap(([key, value]) => decodeMade(key, value) ?? []);
  }

  async put(records: readonly MadeRecord[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    for (const record of records) this.#values.set(madeKey(record), encodeMade(record));
  }

  async remove(records: readonly MadeRecord[]): Promise<void> {
    for (const record of records) this.#values.delete(madeKey(record));
  }
}
