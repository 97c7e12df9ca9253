/** All cases in bounded time: brokers are started once, MirrorMaker 2 once for each of its settings and each codec, and cases share
 *  what time is left. */

import { makeTopic, openSide, type Side } from "./brokers.ts";
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
import { measureCase } from "./rounds.ts";

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
    const topics = group.filter(({ shape }) => shape.contenders.includes(name)).map(({ topic }) => topic);
    const codec = CODEC_NAMES[group[0]?.shape.codec ?? 0];
    try {
      started.set(name, stack.use(await startMirrorMaker(name, { source, target, topics, codec })));
      say(`${TITLES[name]}: started for ${topics.length} topics`);
    } catch (error) {
      say(`${TITLES[name]}: FAILED to start: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return started;
}
