/** A fetch session with one broker (KIP-227), as the client keeps it: requests name what changed, answers tell what is new. A
 *  thousand idle partitions then cost as little as one.
 *
 *  ```
 *  epoch 0: all partitions --> id --> epoch 1, 2, ...: changes only --any failure--> epoch 0 again, which ends the old one
 *  ``` */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { fetchApi } from "../wire/apis/01-fetch.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import type { FetchPartition } from "./fetch.ts";
import { TopicRefs } from "./topic-refs.ts";

/** After this epoch comes 1: 0 opens sessions. */
const EPOCH_MAX = 2 ** 31 - 1;

/** What the next request says about the session. */
export interface SessionStep {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** New ones, and such as are to be read elsewhere or otherwise than before. */
  readonly partitions: readonly FetchPartition[];
  readonly forgotten: readonly FetchPartition[];
}

/** The partitions of one session and what the broker knows of them. Works without sessions, too, when the broker gives none. */
export class FetchSession {
  #id = 0;
  #epoch = 0;
  readonly #partitions = new Map<string, FetchPartition>();
  /** Changed since the last request; bounded by the partitions. Another map for each request: one that is cleared keeps what it held
   *  reachable from its former table, until the whole heap is collected. */
  #changed = new Map<string, FetchPartition>();
  /** Known to the broker and no longer wanted. */
  #forgotten = new Map<string, FetchPartition>();
  #refs = new TopicRefs(fetchApi.name, []);

  /** Partitions that are read. */
  get size(): number {
    return this.#partitions.size;
  }

  /** Whether all of them are known by their topic's id. */
  get hasIds(): boolean {
    for (const { topicId } of this.#partitions.values()) return isClusterId(topicId);
    return true;
  }

  /** The topics that answers may be about. */
  get refs(): TopicRefs {
    return this.#refs;
  }

  /** Adds a partition, or changes how it is read. */
  put(partition: FetchPartition): void {
    const key = placeKey(partition.topicId, partition.topic, partition.index);
    this.#partitions.set(key, partition);
    this.#changed.set(key, partition);
    this.#forgotten.delete(key);
    this.#refs.add(partition);
  }

  /** Stops reading a partition; nothing happens when it is not read. */
  drop({ topicId, topic, index }: Pick<FetchPartition, "topicId" | "topic" | "index">): void {
    const key = placeKey(topicId, topic, index);
    const known = this.#partitions.get(key);
    if (known === undefined) return;
    this.#partitions.delete(key);
    this.#changed.delete(key);
    this.#forgotten.set(key, known);
  }

  /** What to send now. To be settled or reset before the next. */
  next(): SessionStep {
    const isFull = this.#epoch === 0;
    const partitions = [...(isFull ? this.#partitions : this.#changed).values()];
    const forgotten = isFull ? [] : [...this.#forgotten.values()];
    if (this.#changed.size > 0) this.#changed = new Map();
    if (this.#forgotten.size > 0) this.#forgotten = new Map();
    if (isFull) this.#refs = new TopicRefs(fetchApi.name, partitions);
    return { sessionId: this.#id, sessionEpoch: this.#epoch, partitions, forgotten };
  }

  /** Takes the answer's word; false when the broker does not accept the session, which is opened anew with the next request. */
  settle(answer: { readonly errorCode: number; readonly sessionId: number }): boolean {
    if (answer.errorCode === ErrorCode.FETCH_SESSION_ID_NOT_FOUND) this.#id = 0;
    const isAccepted = answer.errorCode === ErrorCode.NONE;
    if (!isAccepted || answer.sessionId === 0) {
      if (isAccepted) this.#id = 0;
      this.reset();
      return isAccepted;
    }
    this.#id = answer.sessionId;
    this.#epoch = this.#epoch === EPOCH_MAX ? 1 : this.#epoch + 1;
    return true;
  }

  /** What the broker knows is in doubt: the next request says all of it. */
  reset(): void {
    this.#epoch = 0;
  }
}

function placeKey(topicId: Uuid, topic: string, index: number): string {
  return topicId === ZERO_UUID ? `${topic}/${index}` : `${topicId}/${index}`;
}
