/** Measures all mirrors on one case, in rounds that take turns: what comes and goes on the machine meets all of them. All read one
 *  topic; while one is measured the others are stopped.
 *
 *  ```
 *  write warm-up -> each mirror copies it -> [ write a round -> each mirror copies it ] * rounds -> added latency of each
 *  ``` */

import { median } from "../measure.ts";
import { dropTopic, type Side } from "./brokers.ts";
import type { Case } from "./cases.ts";
import { type Contender, type ContenderName, isNode, startNode, TITLES } from "./contenders.ts";
import { type Data, dataOf, fill } from "./data.ts";
import { type Latency, measureLatency, PROBE_RECORDS } from "./latency.ts";
import { type Mark, markOf, marksUntil, type Stretch, steadyStretch, stretchOf, type Watched } from "./marks.ts";
import { forgetPeak, freeze, peakMemoryMiB, thawed } from "./processes.ts";

/** What one mirror did on one case; medians over the rounds. */
export interface Result {
  readonly contender: ContenderName;
  readonly rounds: number;
  /** Of record values, as all figures here. */
  readonly megabytesPerSecond: number;
  readonly cpuSecondsPerGigabyte: number;
  /** What the start cost beyond the steady cost of what was copied meanwhile; undefined where a process had copied other cases before. */
  readonly startCpuSeconds: number | undefined;
  /** Most during this case. */
  readonly memoryMiB: number;
  /** Added between a reader of the source and one of the target; undefined where not measured. */
  readonly latency: Latency | undefined;
}

/** A mirror that could not be measured, or not to the end. */
export interface Failure {
  readonly contender: ContenderName;
  readonly error: string;
}

/** What a case brought. */
export interface Outcome {
  readonly results: readonly Result[];
  readonly failures: readonly Failure[];
}

/** Both ends, how often to measure, and who serves several cases. */
export interface Bench {
  readonly source: Side;
  readonly target: Side;
  readonly rounds: number;
  /** MirrorMaker processes that run, stopped; those that could not be started are not among them. */
  readonly mirrorMakers: ReadonlyMap<ContenderName, Contender>;
  readonly say: (line: string) => void;
}

/** One mirror during a case. */
interface Entrant {
  readonly name: ContenderName;
  readonly mirror: Contender;
  readonly watched: Watched;
  readonly rounds: Stretch[];
  /** Records that were written since it last copied everything. */
  owed: number;
  /** From the start until the warm-up was copied; undefined for a process that had copied before. */
  start: Stretch | undefined;
  memoryMiB: number;
  latency: Latency | undefined;
}

/** Runs a case, whose topic is there and empty, until its rounds are done, or no other fits in before `untilMs`. Mirrors that fail are left out from then on. */
export async function measureCase(bench: Bench, shape: Case, topic: string, untilMs: number): Promise<Outcome> {
  const run = new CaseRun(bench, shape, topic);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => run.removeTopics());
  const data = dataOf(shape);
  await run.write(data, shape.warmBytes);
  for (const name of shape.contenders) await run.enter(name, stack);
  for (let round = 0, tookMs = 0; round < bench.rounds; round++) {
    const startMs = performance.now();
    if (round > 0 && startMs + tookMs > untilMs) break;
    const records = await run.write(data, shape.roundBytes);
    await run.round(round, records);
    tookMs = performance.now() - startMs;
  }
  if (shape.latency) await run.latencies();
  return run.outcome;
}

class CaseRun {
  readonly #bench: Bench;
  readonly #shape: Case;
  readonly #topic: string;
  readonly #failures: Failure[] = [];
  readonly #targetTopics: string[] = [];
  #entrants: Entrant[] = [];
  #written = 0;

  constructor(bench: Bench, shape: Case, topic: string) {
    this.#bench = bench;
    this.#shape = shape;
    this.#topic = topic;
  }

  get outcome(): Outcome {
    const results = this.#entrants.filter(({ rounds }) => rounds.length > 0).map((entrant) => this.#resultOf(entrant));
    return { results, failures: this.#failures };
  }

  async write(data: Data, bytes: number): Promise<number> {
    const records = await fill(this.#bench.source, this.#topic, data, { ...this.#shape, bytes });
    this.#written += records;
    for (const entrant of this.#entrants) entrant.owed += records;
    return records;
  }

  /** Lets a mirror copy the warm-up. */
  async enter(name: ContenderName, stack: AsyncDisposableStack): Promise<void> {
    const { source, target, mirrorMakers } = this.#bench;
    const { partitions, recordBytes } = this.#shape;
    const job = { source, target, topic: this.#topic, partitions };
    const mirror = isNode(name) ? stack.use(startNode(name, job)) : mirrorMakers.get(name);
    if (mirror === undefined) {
      this.#failures.push({ contender: name, error: "could not be started" });
      return;
    }
    if (isNode(name)) freeze(mirror.pid);
    this.#targetTopics.push(mirror.targetTopicOf(this.#topic));
    const watched = { target, targetTopic: mirror.targetTopicOf(this.#topic), partitions, pid: mirror.pid };
    const entrant: Entrant = {
      name,
      mirror,
      watched,
      rounds: [],
      owed: this.#written,
      start: undefined,
      memoryMiB: 0,
      latency: undefined,
    };
    await this.#tried(entrant, "warm-up", async () => {
      const begin: Mark = { records: 0, atMs: performance.now(), cpuSeconds: 0 };
      if (!isNode(name)) forgetPeak(mirror.pid);
      await this.#copied(entrant);
      if (isNode(name)) entrant.start = stretchOf(begin, await markOf(watched), recordBytes);
      this.#entrants.push(entrant);
      return undefined;
    });
  }

  /** Lets each copy what was written, another one first each time. */
  async round(round: number, records: number): Promise<void> {
    const { recordBytes, age } = this.#shape;
    const turn = round % Math.max(1, this.#entrants.length);
    for (const entrant of [...this.#entrants.slice(turn), ...this.#entrants.slice(0, turn)]) {
      await this.#tried(entrant, `round ${round + 1}`, async () => {
        const marks = await this.#copied(entrant);
        const stretch = steadyStretch(marks, { records, recordBytes, isStepped: age === "history" });
        entrant.rounds.push(stretch);
        return `${rateOf(stretch).toFixed(0)} MB/s, ${costOf(stretch).toFixed(2)} CPU s/GB`;
      });
    }
  }

  async latencies(): Promise<void> {
    const { source, target } = this.#bench;
    for (const entrant of this.#entrants) {
      const ends = { source, target, topic: this.#topic, targetTopic: entrant.watched.targetTopic };
      await this.#tried(entrant, "added latency", async () => {
        await this.#copied(entrant);
        for (const other of this.#entrants) if (other !== entrant) other.owed += PROBE_RECORDS;
        entrant.latency = await thawed(entrant.mirror.pid, () => measureLatency(ends));
        return `p50 ${entrant.latency.p50Ms.toFixed(1)} ms, p99 ${entrant.latency.p99Ms.toFixed(1)} ms`;
      });
    }
  }

  /** Lets it copy all that it has not copied yet. */
  async #copied(entrant: Entrant): Promise<readonly Mark[]> {
    const { mirror, watched, name, owed } = entrant;
    const isTransactional = name.endsWith("-eos") || (name === "tributary" && this.#shape.age === "history");
    const first = await markOf(watched);
    const wanted = { first, records: owed, isTransactional };
    const marks = await thawed(mirror.pid, () => (owed === 0 ? [first] : marksUntil(watched, wanted)));
    entrant.owed = 0;
    entrant.memoryMiB = Math.max(entrant.memoryMiB, peakMemoryMiB(mirror.pid));
    return marks;
  }

  async removeTopics(): Promise<void> {
    const { source, target } = this.#bench;
    await dropTopic(source, this.#topic);
    for (const topic of this.#targetTopics) await dropTopic(target, topic);
  }

  /** What fails is told and noted, and the mirror is out; the others go on. */
  async #tried(entrant: Entrant, what: string, work: () => Promise<string | undefined>): Promise<void> {
    const { name, mirror } = entrant;
    const place = `${this.#shape.name}: ${TITLES[name]}: ${what}`;
    try {
      const line = await work();
      this.#bench.say(line === undefined ? place : `${place}: ${line}`);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#bench.say(`${place} FAILED: ${text}\n${mirror.log().slice(-1_000)}`);
      this.#failures.push({ contender: name, error: `${what}: ${text}` });
      freeze(mirror.pid);
      if (entrant.rounds.length === 0) this.#entrants = this.#entrants.filter((one) => one !== entrant);
    }
  }

  #resultOf({ name, rounds, start, memoryMiB, latency }: Entrant): Result {
    const cpuSecondsPerGigabyte = median(rounds.map(costOf));
    const steadySeconds = (start?.gigabytes ?? 0) * cpuSecondsPerGigabyte;
    return {
      contender: name,
      rounds: rounds.length,
      megabytesPerSecond: median(rounds.map(rateOf)),
      cpuSecondsPerGigabyte,
      startCpuSeconds: start === undefined ? undefined : Math.max(0, start.cpuSeconds - steadySeconds),
      memoryMiB,
      latency,
    };
  }
}

function rateOf({ gigabytes, seconds }: Stretch): number {
  return (gigabytes * 1_000) / seconds;
}

function costOf({ gigabytes, cpuSeconds }: Stretch): number {
  return cpuSeconds / gigabytes;
}
