/** What a fetch session remembers, what it leaves out of its answers, and when it is refused (KIP-227). */

import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { deleteRecords } from "../../../src/wire/apis/21-delete-records.ts";
import { batch } from "../batches.ts";
import type { ContractCase, Probe } from "../probe.ts";

/** The first version of sessions by topic id. */
const VERSION = 13;

type Topic = Awaited<ReturnType<Probe["topic"]>>;

/** One client's session over partitions of one topic. */
class Session {
  readonly #probe: Probe;
  readonly #topic: Topic;
  #id = 0;
  #epoch = 0;

  constructor(probe: Probe, topic: Topic) {
    this.#probe = probe;
    this.#topic = topic;
  }

  get id(): number {
    return this.#id;
  }

  /** Asks with what changed; tells everything but the session's id, which is chance. */
  async ask(label: string, change: Change = {}): Promise<void> {
    const { topicId, positions = {}, forget = [] } = { topicId: this.#topic.id, ...change };
    const partitions = Object.entries(positions).map(([index, offset]) => {
      return { index: Number(index), fetchOffset: BigInt(offset), partitionMaxBytes: 1_000_000 };
    });
    const answer = await this.#probe.ask(fetchApi, VERSION, {
      maxWaitMs: 50,
      minBytes: 1,
      maxBytes: 1_000_000,
      isolationLevel: 0,
      sessionId: change.sessionId ?? this.#id,
      sessionEpoch: change.epoch ?? this.#epoch,
      topics: partitions.length === 0 ? [] : [{ topicId, partitions }],
      forgottenTopics: forget.length === 0 ? [] : [{ topicId, partitions: forget }],
    });
    const { sessionId } = answer;
    this.#probe.tell(label, {
      ...answer,
      sessionId: sessionId === 0 ? 0 : sessionId === this.#id ? "same" : "another",
    });
    if (answer.errorCode !== 0) return;
    this.#id = sessionId;
    this.#epoch++;
  }
}

interface Change {
  readonly positions?: Readonly<Record<number, number>>;
  readonly forget?: readonly number[];
  readonly sessionId?: number;
  readonly epoch?: number;
}

async function begun(probe: Probe, name: string) {
  const topic = await probe.topic(name, { partitions: 3 });
  const write = (partition: number) => probe.produce(topic.name, batch({ baseTimestamp: probe.nowMs }), { partition });
  return { topic, write, session: new Session(probe, topic) };
}

export const fetchSessionCases: readonly ContractCase[] = [
  {
    name: "fetch session answers whole once, and then only what is new",
    run: async (probe) => {
      const { session, write } = await begun(probe, "news");
      await write(0);
      await session.ask("opened", { positions: { 0: 0, 1: 0, 2: 0 } });
      await session.ask("position moved, nothing new", { positions: { 0: 1 } });
      await write(1);
      await session.ask("records of one partition");
      await session.ask("the same records, as the position stands", {});
      await session.ask("read", { positions: { 1: 1 } });
    },
  },
  {
    name: "fetch session adds and forgets partitions",
    run: async (probe) => {
      const { session, write } = await begun(probe, "members");
      await session.ask("opened with one", { positions: { 0: 0 } });
      await session.ask("another added", { positions: { 1: 0 } });
      await write(0);
      await session.ask("the first forgotten", { forget: [0] });
      await session.ask("the first added again", { positions: { 0: 0 } });
    },
  },
  {
    name: "fetch session tells a moved log start and repeats errors",
    run: async (probe) => {
      const { session, write, topic } = await begun(probe, "moved");
      await write(0);
      await session.ask("opened at the end", { positions: { 0: 1 } });
      await probe.ask(deleteRecords, 2, {
        topics: [{ name: topic.name, partitions: [{ index: 0, offset: 1n }] }],
        timeoutMs: 10_000,
      });
      await session.ask("log start moved");
      await session.ask("out of range", { positions: { 0: 9 } });
      await session.ask("still out of range");
      await session.ask("in range again", { positions: { 0: 1 } });
    },
  },
  {
    name: "fetch session is refused with another epoch and gone once closed",
    run: async (probe) => {
      const { session } = await begun(probe, "epochs");
      await session.ask("opened", { positions: { 0: 0 } });
      await session.ask("an epoch skipped", { epoch: 5 });
      await session.ask("the right epoch");
      const { id } = session;
      await session.ask("closed", { epoch: -1, positions: { 0: 0 } });
      await session.ask("after it was closed", { sessionId: id, epoch: 3 });
      await session.ask("unknown", { sessionId: 77, epoch: 1 });
    },
  },
  {
    name: "fetch session that is opened anew answers whole and ends the one before",
    run: async (probe) => {
      const { session } = await begun(probe, "anew");
      await session.ask("opened", { positions: { 0: 0, 1: 0 } });
      const { id } = session;
      await session.ask("opened anew", { epoch: 0, positions: { 0: 0 } });
      await session.ask("the one before", { sessionId: id, epoch: 1 });
    },
  },
];
