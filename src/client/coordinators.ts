/** Which broker coordinates a group or a transactional id: remembered, looked up again when it moved. */

import type { BackoffOptions } from "../core/backoff.ts";
import { findCoordinator } from "../wire/apis/10-find-coordinator.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { type Located, type Scatter, scatter } from "./scatter.ts";

/** What is coordinated: the key type of FindCoordinator. */
export type CoordinatorKind = "group" | "transaction";

const KEY_TYPES: Readonly<Record<CoordinatorKind, number>> = { group: 0, transaction: 1 };

/** First version that takes several keys (KIP-699). */
const BATCH_VERSION = 4;

/** Codes that say: not this broker, or not yet. The request had no effect. */
const COORDINATOR_CODES: ReadonlySet<number> = new Set([
  ErrorCode.GROUP_LOAD_IN_PROGRESS,
  ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR_FOR_GROUP,
]);

/** The transaction before is complete as soon as its markers are written: some ten milliseconds. */
export const TRANSACTION_BACKOFF: BackoffOptions = { initialMs: 10, maxMs: 80 };

/** Coordinators remembered; beyond this the oldest is forgotten. A cluster with more groups is asked more often. */
const REMEMBERED_MAX = 100_000;

/** Whether the code asks for another coordinator, or for patience. */
export function isCoordinatorCode(errorCode: number): boolean {
  return COORDINATOR_CODES.has(errorCode);
}

/** The cache of one client. */
export class Coordinators {
  readonly #client: KafkaClient;
  readonly #nodes = new Map<string, number>();

  constructor(client: KafkaClient) {
    this.#client = client;
  }

  /** The coordinator of each key, in their order. */
  async locate(
    kind: CoordinatorKind,
    keys: readonly string[],
    options: { readonly isRetry: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<readonly Located[]> {
    if (options.isRetry) for (const key of keys) this.#nodes.delete(cacheKey(kind, key));
    const missing = keys.filter((key) => !this.#nodes.has(cacheKey(kind, key)));
    const errors = new Map<string, number>();
    if (missing.length > 0) {
      for (const found of await this.#find(kind, missing, options.signal)) {
        if (found.errorCode === ErrorCode.NONE) this.#remember(cacheKey(kind, found.key), found.nodeId);
        else errors.set(found.key, found.errorCode);
      }
    }
    return keys.map((key): Located => {
      const nodeId = this.#nodes.get(cacheKey(kind, key));
      if (nodeId !== undefined) return { nodeId };
      const errorCode = errors.get(key) ?? ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE;
      return { errorCode, isFinal: !isCoordinatorCode(errorCode) };
    });
  }

  async #find(kind: CoordinatorKind, keys: readonly string[], signal: AbortSignal | undefined) {
    const keyType = KEY_TYPES[kind];
    let version = 0;
    const ask = (asked: readonly string[], maxVersion?: number) =>
      this.#client.request(
        "any",
        findCoordinator,
        (chosen) => {
          version = chosen;
          return chosen >= BATCH_VERSION ? { keyType, coordinatorKeys: asked } : { keyType, key: asked[0] ?? "" };
        },
        { signal, maxVersion },
      );
    const first = await ask(keys);
    if (version >= BATCH_VERSION) return first.coordinators;
    const found = [{ key: keys[0] ?? "", nodeId: first.nodeId, errorCode: first.errorCode }];
    for (const key of keys.slice(1)) {
      const { nodeId, errorCode } = await ask([key], BATCH_VERSION - 1);
      found.push({ key, nodeId, errorCode });
    }
    return found;
  }

  #remember(key: string, nodeId: number): void {
    this.#nodes.delete(key);
    this.#nodes.set(key, nodeId);
    if (this.#nodes.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#nodes.keys();
    if (oldest !== undefined) this.#nodes.delete(oldest);
  }
}

/** Asks the coordinators of all items; the key of an item is what `keyOf` says. */
export function askCoordinators<Q, A extends { readonly errorCode: number }>(
  client: KafkaClient,
  items: readonly Q[],
  options: CallOptions &
    Pick<Scatter<Q, A>, "ask" | "failed" | "isHarmless"> & {
      readonly kind: CoordinatorKind;
      readonly keyOf: (item: Q) => string;
      /** Further codes after which the same request may be sent again. */
      readonly isPassing?: (errorCode: number) => boolean;
    },
): Promise<readonly A[]> {
  return scatter(client, items, {
    ...options,
    locate: (pending, isRetry) =>
      client.coordinators.locate(options.kind, pending.map(options.keyOf), { isRetry, signal: options.signal }),
    isElsewhere: isCoordinatorCode,
    isPassing: (errorCode) => isCoordinatorCode(errorCode) || options.isPassing?.(errorCode) === true,
  });
}

function cacheKey(kind: CoordinatorKind, key: string): string {
  return `${kind}/${key}`;
}
