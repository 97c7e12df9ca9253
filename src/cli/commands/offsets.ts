/** `offsets translate` and `explain`: where a record of the source is on the target, and back, by the stored map. */

import { type Explanation, explainOffset, type OffsetRange } from "../../mirror/explain.ts";
import type { Run } from "../../mirror/offset-map.ts";
import { type SourceHole, sourceHole } from "../../runtime/source-hole.ts";
import { type StoredLaneMap, storedLaneMap } from "../../runtime/stored-offsets.ts";
import type { CliContext } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of both commands. */
export interface OffsetsOptions {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly mirror?: string;
  readonly source?: string;
  readonly target?: string;
  readonly reverse?: boolean;
}

/** An answer in either direction. */
interface Answer {
  readonly kind: "exact" | "clamped" | "expired";
  readonly offset: bigint;
  /** What a person should know when it is not exact. */
  readonly note: string | undefined;
}

/** Prints the answer; exit 2 when it is not exact: the lane has not come that far, or never knew so far back. */
export async function offsetsTranslate(context: CliContext, options: OffsetsOptions): Promise<ExitCode> {
  const lane = await storedLaneMap(topologyInUse(context), options);
  const answer = answerFor(lane, options);
  context.data({ ...questionJson(lane, options), ...answerJson(answer) }, () => answerText(lane, { options, answer }));
  return answer.kind === "exact" ? EXIT.ok : EXIT.finding;
}

/** Prints the answer with the runs and holes that lead to it. */
export async function offsetsExplain(context: CliContext, options: OffsetsOptions): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  const lane = await storedLaneMap(inUse, options);
  const answer = answerFor(lane, options);
  const asked = options.reverse === true ? answer.offset : options.offset;
  const explained = explainOffset(lane.map, asked);
  const isHole = explained.by.kind === "hole" || (explained.by.kind === "end" && asked < explained.progress.sourceNext);
  const hole = isHole ? await sourceHole(inUse, lane, asked) : undefined;
  const json = { ...questionJson(lane, options), ...answerJson(answer), ...explanationJson(explained) };
  context.data({ ...json, hole: hole ?? null }, () =>
    [answerText(lane, { options, answer }), ...explanationLines(explained, hole)].join("\n"),
  );
  return answer.kind === "exact" ? EXIT.ok : EXIT.finding;
}

function answerFor(lane: StoredLaneMap, options: OffsetsOptions): Answer {
  if (options.reverse === true) {
    const back = lane.map.reverse(options.offset);
    const notes = {
      exact: undefined,
      clamped: `the target holds ${lane.map.progress.targetNext} of this lane so far`,
      expired: "the map does not reach so far back",
    };
    return { kind: back.kind, offset: back.sourceOffset, note: notes[back.kind] };
  }
  const found = lane.map.translate(options.offset);
  const notes = {
    exact: undefined,
    clamped: `the lane has come to source offset ${lane.map.progress.sourceNext}; records before ${options.offset} will come first`,
    expired: "the map does not reach so far back; this is the first offset it knows",
  };
  return { kind: found.kind, offset: found.targetOffset, note: notes[found.kind] };
}

function answerText(lane: StoredLaneMap, asked: { readonly options: OffsetsOptions; readonly answer: Answer }): string {
  const { options, answer } = asked;
  const source = `${lane.flow.source} ${lane.sourceTopic}/${options.partition}`;
  const target = `${lane.flow.target} ${lane.targetTopic}/${options.partition}`;
  const [from, to] = options.reverse === true ? [target, source] : [source, target];
  const note = answer.note === undefined ? "" : `: ${answer.note}`;
  return `${from} @ ${options.offset}  ->  ${to} @ ${answer.offset}  (${answer.kind}${note})`;
}

/** What lies at an offset that was not mirrored. */
function holeText(hole: SourceHole, offset: bigint): string {
  const texts: Readonly<Record<SourceHole["kind"], string>> = {
    marker: "is the end of a transaction",
    aborted: "belongs to an aborted transaction",
    loop: "was written there by a mirror",
    filtered: hole.kind === "filtered" ? `is left out by the filter (${hole.rule})` : "",
    gone: "is gone from the source: compacted or deleted",
    record: "holds a record that was passed over: mirror status tells gaps",
    unknown: hole.kind === "unknown" ? `cannot be looked at: ${hole.why}` : "",
  };
  return `  source ${offset}${" ".repeat(Math.max(1, 7 - String(offset).length))}${texts[hole.kind]}`;
}

function explanationLines(explained: Explanation, hole: SourceHole | undefined): readonly string[] {
  const { by, before, progress, floor, runCount } = explained;
  const reasons: Readonly<Record<typeof by.kind, () => string>> = {
    record: () => (by.kind === "record" ? `record ${by.indexInRun} of the run ${runText(by.run)}` : ""),
    hole: () =>
      by.kind === "hole"
        ? `source offsets ${rangeText(by.hole)} hold no mirrored record (markers, aborted, compacted or skipped); the next one answers: ${runText(by.nextRun)}`
        : "",
    end: () => "all mirrored records come from before it; the lane's next record will be the answer",
    ahead: () => (by.kind === "ahead" ? `source offsets ${rangeText(by.missing)} are not mirrored yet` : ""),
    "below-map": () => (by.kind === "below-map" ? `the map begins at source offset ${by.sourceFloor}` : ""),
  };
  const sides =
    before === undefined
      ? []
      : [
          `  run before    ${runText(before.run)}`,
          ...holeLines("source", before.sourceHole),
          ...holeLines("target", before.targetHole),
        ];
  return [
    `  because       ${reasons[by.kind]()}`,
    ...(hole === undefined ? [] : [holeText(hole, explained.sourceOffset)]),
    ...sides,
    `  lane          source next ${progress.sourceNext}, target next ${progress.targetNext}, ${progress.count} records, ${runCount} runs`,
    `  map begins    source ${floor.source}, target ${floor.target}`,
  ];
}

function holeLines(side: string, hole: OffsetRange): readonly string[] {
  if (hole.from === hole.to) return [];
  const what = side === "source" ? "not mirrored" : "written by others, or markers";
  return [`  ${side} hole   ${rangeText(hole)} ${what}`];
}

function rangeText({ from, to }: OffsetRange): string {
  return to - from === 1n ? `${from}` : `${from} to ${to - 1n}`;
}

function runText(run: Run): string {
  const length = BigInt(run.length);
  const source = rangeText({ from: run.sourceStart, to: run.sourceStart + length });
  const target = rangeText({ from: run.targetStart, to: run.targetStart + length });
  return `source ${source} = target ${target}`;
}

function questionJson(lane: StoredLaneMap, options: OffsetsOptions): object {
  return {
    mirror: lane.flow.mirror.name,
    source: lane.flow.source,
    target: lane.flow.target,
    source_topic: lane.sourceTopic,
    target_topic: lane.targetTopic,
    partition: options.partition,
    direction: options.reverse === true ? "target-to-source" : "source-to-target",
    offset: options.offset,
  };
}

function answerJson(answer: Answer): object {
  return { kind: answer.kind, translated: answer.offset, note: answer.note ?? null };
}

function explanationJson({ by, before, back, progress, floor, runCount }: Explanation): object {
  const runJson = (run: Run | undefined) =>
    run === undefined ? null : { source_start: run.sourceStart, target_start: run.targetStart, length: run.length };
  const run = by.kind === "record" ? by.run : by.kind === "hole" ? by.nextRun : undefined;
  return {
    because: by.kind,
    run: runJson(run),
    run_before: runJson(before?.run),
    source_hole: before === undefined ? null : before.sourceHole,
    target_hole: before === undefined ? null : before.targetHole,
    leads_back_to: back.sourceOffset,
    lane: {
      source_next: progress.sourceNext,
      target_next: progress.targetNext,
      records: progress.count,
      runs: runCount,
    },
    map_begins: floor,
  };
}
