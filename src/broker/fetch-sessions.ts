/** Fetch sessions (KIP-227): a broker remembers which partitions a client reads, so that a request names only what changed
 *  and an answer tells only what is new. As in Kafka a session belongs to its broker, not to a connection. */

import { type Random, randomInt } from "../core/random.ts";
import type { RequestOutput, ResponseInput } from "../wire/api.ts";
import type { fetchApi } from "../wire/apis/01-fetch.ts";
import { ErrorCode } from "../wire/error-codes.ts";

type Request = RequestOutput<typeof fetchApi>;
type RequestTopic = Request["topics"][number];
type RequestPartition = RequestTopic["partitions"][number];
type Response = ResponseInput<typeof fetchApi>;
type PartitionAnswer = Response["topics"][number]["partitions"][number];

/** Sessions of one broker (Kafka: `max.incremental.fetch.session.cache.slots`); the one unused for longest makes room. */
const SESSIONS_MAX = 1_000;
/** Epochs of requests outside sessions, and of those that open a new one. */
const NO_SESSION = -1;
const NEW_SESSION = 0;
const EPOCH_MAX = 2 ** 31 - 1;

/** How a request is to be served: with `session` undefined outside of sessions. */
export type SessionUse =
  | { readonly errorCode: number }
  | { readonly errorCode: 0; readonly request: Request; readonly session: FetchSession | undefined };

/** The sessions of all brokers of a region. */
export class FetchSessions {
  readonly #random: Random;
  /** By broker, then by id; the one used last is at the end. */
  readonly #sessions = new Map<number, Map<number, FetchSession>>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Finds, opens or closes the session that a request names. */
  use(request: Request, brokerId: number): SessionUse {
    const sessions = this.#of(brokerId);
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === NO_SESSION || sessionEpoch === NEW_SESSION) {
      sessions.delete(sessionId);
      if (sessionEpoch === NO_SESSION) return { errorCode: 0, request, session: undefined };
      return { errorCode: 0, request, session: this.#open(sessions, request) };
    }
    const session = sessions.get(sessionId);
    if (session === undefined) return { errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND };
    if (sessionEpoch !== session.nextEpoch) return { errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH };
    sessions.delete(sessionId);
    sessions.set(sessionId, session);
    session.update(request);
    return { errorCode: 0, request: { ...request, topics: session.topics() }, session };
  }

  /** A broker that stops forgets its sessions. */
  forget(brokerId: number): void {
    this.#sessions.delete(brokerId);
  }

  #of(brokerId: number): Map<number, FetchSession> {
    const known = this.#sessions.get(brokerId) ?? new Map<number, FetchSession>();
    this.#sessions.set(brokerId, known);
    return known;
  }

  #open(sessions: Map<number, FetchSession>, request: Request): FetchSession {
    const [oldest] = sessions.keys();
    if (oldest !== undefined && sessions.size >= SESSIONS_MAX) sessions.delete(oldest);
    let id = 0;
    while (id === 0 || sessions.has(id)) id = randomInt(this.#random, EPOCH_MAX);
    const session = new FetchSession(id, request);
    sessions.set(id, session);
    return session;
  }
}

/** A partition of a session, and what its client was last told of it. */
interface Remembered {
  readonly topic: Pick<RequestTopic, "name" | "topicId">;
  asked: RequestPartition;
  told: Pick<PartitionAnswer, "highWatermark" | "logStartOffset"> | undefined;
}

/** One client's partitions. */
export class FetchSession {
  readonly id: number;
  /** The epoch that the next request must carry. */
  nextEpoch = 1;
  /** In the order in which they are read: one that brought records goes to the end, so that none starves. */
  readonly #partitions = new Map<string, Remembered>();
  #isNew = true;

  constructor(id: number, request: Request) {
    this.id = id;
    this.#remember(request.topics);
  }

  /** Takes over what a request changes. */
  update(request: Request): void {
    this.nextEpoch = this.nextEpoch === EPOCH_MAX ? 1 : this.nextEpoch + 1;
    this.#remember(request.topics);
    for (const topic of request.forgottenTopics)
      for (const index of topic.partitions) this.#partitions.delete(keyOf(topic, index));
  }

  /** All of its partitions, as if a request had named them. */
  topics(): RequestTopic[] {
    const topics: { name: string; topicId: RequestTopic["topicId"]; partitions: RequestPartition[] }[] = [];
    for (const { topic, asked } of this.#partitions.values()) {
      const last = topics.at(-1);
      if (last?.topicId === topic.topicId && last.name === topic.name) last.partitions.push(asked);
      else topics.push({ ...topic, partitions: [asked] });
    }
    return topics;
  }

  /** The answer without what the client knows already. The first one is whole. */
  news(response: Response): Response {
    const isWhole = this.#isNew;
    this.#isNew = false;
    const topics = response.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.filter((answer) => this.#isNews(topic, answer) || isWhole),
    }));
    return { ...response, sessionId: this.id, topics: topics.filter(({ partitions }) => partitions.length > 0) };
  }

  #remember(topics: readonly RequestTopic[]): void {
    for (const { name, topicId, partitions } of topics) {
      for (const asked of partitions) {
        const key = keyOf({ name, topicId }, asked.index);
        const known = this.#partitions.get(key);
        if (known === undefined) this.#partitions.set(key, { topic: { name, topicId }, asked, told: undefined });
        else known.asked = asked;
      }
    }
  }

  /** As Kafka decides it (`FetchSession.CachedPartition`); after an error whatever follows is news. */
  #isNews(topic: Response["topics"][number], answer: PartitionAnswer): boolean {
    const key = keyOf(topic, answer.index);
    const known = this.#partitions.get(key);
    if (known === undefined) return true;
    const { highWatermark, logStartOffset, records } = answer;
    const isSame = known.told?.highWatermark === highWatermark && known.told.logStartOffset === logStartOffset;
    const isTrouble = answer.errorCode !== ErrorCode.NONE || answer.divergingEpoch !== undefined;
    known.told = isTrouble ? undefined : { highWatermark, logStartOffset };
    const hasRecords = records !== null && records.length > 0;
    if (hasRecords) {
      this.#partitions.delete(key);
      this.#partitions.set(key, known);
    }
    return hasRecords || isTrouble || !isSame || (answer.preferredReadReplica ?? -1) >= 0;
  }
}

/** Names are empty where ids are used. */
function keyOf({ name, topicId }: Pick<Response["topics"][number], "name" | "topicId">, index: number): string {
  return `${topicId}/${name}/${index}`;
}
