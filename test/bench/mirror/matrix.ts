/** All cases in bounded time: brokers are started once, MirrorMaker 2 once for each of its settings and each codec, and cases share
 *  what time is left. */

import { setTimeout as delay } from "node:timers/promises";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { appendAll } from "./append.ts";
import { makeTopic, openSide, type Side, stableEnd } from "./brokers.ts";
import type { Measured } from "./budgets.ts";
import { type Case, CODEC_NAMES } from "./cases.ts";
import {
  type Contender,
  type ContenderName,
  isNode,
  type MirrorMakerName,
  startMirrorMaker,
  TITLES,
} from "./contenders.ts";
import { freeze } from "./processes.ts";
import { measureCase } from "./rounds.ts";

/** A topic of one record more for each MirrorMaker: what it copies of it shows that all of it runs. */
const READY_TOPIC = "bench-ready";
const READY_MS_MAX = 120_000;
const READY_POLL_MS = 100;

/** What to run. */
export interface MatrixOptions {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** Rounds are left out when they would take longer; one of each case is always run. */
  readonly minutes: number;
  readonly say: (line: string) => void;
  /** Told after each case, so that an end in between loses one case only. */
  readonly onMeasured: (measured: Measured) => void;
}

/** Measures one codec after the other. */
export async function measureMatrix(options: MatrixOptions): Promise<void> {
  const endMs = performance.now() + options.minutes * 60_000;
  await using source = await openSide();
  await using target = await openSide();
  const named = options.cases.map((shape, index) => ({ shape, topic: `bench-${index}` }));
  await makeTopic(source, READY_TOPIC, 1);
  const codecs = [...new Set(options.cases.map(({ codec }) => codec))];
  for (const codec of codecs) {
    const group = named.filter(({ shape }) => shape.codec === codec);
    for (const { shape, topic } of group) await makeTopic(source, topic, shape.partitions);
    await using stack = new AsyncDisposableStack();
    const mirrorMakers = await startMirrorMakers({ source, target, group, say: options.say }, stack);
    for (const { shape, topic } of group) {
      const left = options.cases.length - options.cases.indexOf(shape);
      const untilMs = performance.now() + (endMs - performance.now()) / left;
      const bench = { source, target, rounds: options.rounds, mirrorMakers, say: options.say };
      options.onMeasured({ shape, ...(await measureCase(bench, shape, topic, untilMs)) });
    }
  }
}

interface Group {
  readonly source: Side;
  readonly target: Side;
  readonly group: readonly { readonly shape: Case; readonly topic: string }[];
  readonly say: (line: string) => void;
}

async function startMirrorMakers(
  { source, target, group, say }: Group,
  stack: AsyncDisposableStack,
): Promise<ReadonlyMap<ContenderName, Contender>> {
  const started = new Map<ContenderName, Contender>();
  const wanted = new Set(
    group.flatMap(({ shape }) => shape.contenders.filter((name): name is MirrorMakerName => !isNode(name))),
  );
  for (const name of wanted) {
    const own = group.filter(({ shape }) => shape.contenders.includes(name)).map(({ topic }) => topic);
    const topics = [READY_TOPIC, ...own];
    const codec = CODEC_NAMES[group[0]?.shape.codec ?? 0];
    try {
      const mirror = stack.use(await startMirrorMaker(name, { source, target, topics, codec }));
      await isCopying({ source, target }, mirror.targetTopicOf(READY_TOPIC));
      freeze(mirror.pid);
      started.set(name, mirror);
      say(`${TITLES[name]}: copies ${own.length} topics`);
    } catch (error) {
      say(`${TITLES[name]}: FAILED to start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return started;
}

/** Waits until one more record is copied. @throws {Error} when it is not */
async function isCopying({ source, target }: Pick<Group, "source" | "target">, targetTopic: string): Promise<void> {
  const before = await stableEnd(target, targetTopic, 1);
  const [leader = -1] = source.kafka.endpoints.keys();
  const records = encodeBatch([{ timestampMs: BigInt(Date.now()), key: null, value: Buffer.from("ready") }]).bytes;
  await appendAll(source.client, leader, [{ topic: READY_TOPIC, topicId: ZERO_UUID, index: 0, records }]);
  const deadline = performance.now() + READY_MS_MAX;
  while ((await stableEnd(target, targetTopic, 1)) === before) {
    if (performance.now() > deadline) throw new Error(`it copies nothing within ${READY_MS_MAX / 1_000} s`);
    await delay(READY_POLL_MS);
  }
}
