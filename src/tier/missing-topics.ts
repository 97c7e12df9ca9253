/** Since when topics are missing in the cluster that they were archived from.
 *
 *  ```
 *  <cluster id>/missing/<topic>-<topic id>.json
 *  ```
 *  The note is written when a topic is missed first and removed when it is seen again; how old it is, the store's clock tells, whichever
 *  process asks. "An archive goes with its topic only when the topic was missing for the whole grace period, and is missing now". */

import type { Clock } from "../core/clock.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";

/** A topic of one cluster. */
export type ArchivedTopicRef = Pick<ArchivedPartition, "clusterId" | "topic" | "topicId">;

/** What is known of the missing topics of one cluster. */
export class MissingTopics {
  readonly #store: ObjectStore;
  readonly #noted: Set<string>;

  private constructor(store: ObjectStore, noted: Set<string>) {
    this.#store = store;
    this.#noted = noted;
  }

  /** Lists the notes. @throws {StoreError} */
  static async read(store: ObjectStore, clusterId: string): Promise<MissingTopics> {
    return new MissingTopics(store, new Set(await store.list(`${clusterId}/missing/`)));
  }

  /** When the topic was missed first, by the store's clock; undefined when it was not. @throws {StoreError} */
  async since(topic: ArchivedTopicRef): Promise<number | undefined> {
    const key = noteKey(topic);
    return this.#noted.has(key) ? (await this.#store.stat(key))?.modifiedMs : undefined;
  }

  /** Notes that it is missing, unless that was noted before. @throws {StoreError} */
  async note(topic: ArchivedTopicRef, clock: Clock): Promise<void> {
    const key = noteKey(topic);
    if (this.#noted.has(key)) return;
    this.#noted.add(key);
    const note = { topic: topic.topic, topic_id: topic.topicId, missed_at_ms: clock.nowMs() };
    await this.#store.putIfAbsent(key, Buffer.from(`${JSON.stringify(note)}\n`));
  }

  /** Takes the note back: the topic is there, or its archive is gone. @throws {StoreError} */
  async forget(topic: ArchivedTopicRef): Promise<void> {
    if (this.#noted.delete(noteKey(topic))) await this.#store.remove(noteKey(topic));
  }
}

function noteKey({ clusterId, topic, topicId }: ArchivedTopicRef): string {
  return `${clusterId}/missing/${topic}-${topicId}.json`;
}
