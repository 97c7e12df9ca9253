/** The broker's ColdStore over the archives in one or more object stores. */

import type { ColdStore } from "../broker/ports.ts";
import { ColdReader } from "../tier/cold-reader.ts";
import type { ObjectStore } from "../tier/ports.ts";

/** Asks the stores in turn; `clusterId` is asked at each read, because a new region has none before it is open. */
export function coldStoreOver(stores: readonly ObjectStore[], clusterId: () => string): ColdStore {
  const readers = stores.map((store) => new ColdReader(store));
  return {
    async read({ topic, topicId, partition, offset, maxBytes }) {
      for (const reader of readers) {
        const bytes = await reader.read({
          partition: { clusterId: clusterId(), topic, topicId, partition },
          offset,
          maxBytes,
        });
        if (bytes !== undefined) return bytes;
      }
      return undefined;
    },
    async offsetForTimestamp({ topic, topicId, partition, timestampMs, startOffset }) {
      const archived = { clusterId: clusterId(), topic, topicId, partition };
      for (const reader of readers) {
        const record = await reader.offsetForTimestamp({ partition: archived, timestampMs, startOffset });
        if (record !== undefined) return record;
      }
      return undefined;
    },
  };
}
