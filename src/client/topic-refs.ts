/** Answers name topics by name or by id, depending on the version; callers always get both. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { ClientError } from "./errors.ts";

/** A topic by name and id. */
export interface TopicRef {
  readonly topic: string;
  readonly topicId: Uuid;
}

/** The topics of one request. */
export class TopicRefs {
  readonly #api: string;
  readonly #byName = new Map<string, TopicRef>();
  readonly #byId = new Map<Uuid, TopicRef>();

  /** `api` is the request's name, for messages. */
  constructor(api: string, asked: Iterable<TopicRef>) {
    this.#api = api;
    for (const ref of asked) this.add(ref);
  }

  /** Adds a topic; of two with the same name the last one counts where answers name topics. */
  add({ topic, topicId }: TopicRef): void {
    if (this.#byName.get(topic)?.topicId === topicId) return;
    const ref = { topic, topicId };
    this.#byName.set(topic, ref);
    if (topicId !== ZERO_UUID) this.#byId.set(topicId, ref);
  }

  /** The topic that an answer is about. @throws {ClientError} `CLIENT_BAD_RESPONSE` when it was not asked for */
  of(answer: { readonly name: string; readonly topicId: Uuid }): TopicRef {
    const ref = answer.name === "" ? this.#byId.get(answer.topicId) : this.#byName.get(answer.name);
    if (ref !== undefined) return ref;
    const what = `topic ${answer.name === "" ? answer.topicId : answer.name} was not asked for`;
    throw new ClientError({ code: "CLIENT_BAD_RESPONSE", endpoint: "", api: this.#api, what });
  }
}
