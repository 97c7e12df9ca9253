/** `consume`: prints the records of a topic. */

import { nodeClock } from "../../adapters/node-clock.ts";
import { brokerError } from "../../client/errors.ts";
import { commitOffsets, describeGroups, fetchOffsets } from "../../client/groups.ts";
import type { KafkaClient } from "../../client/kafka-client.ts";
import { listOffsets, logBounds } from "../../client/list-offsets.ts";
import { sleep } from "../../core/clock.ts";
import { openClient, regionAddress } from "../../runtime/connect.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { CliContext } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import type { ExitCode } from "../exit-codes.ts";
import { compileFormat, parsePosition, printJson, type ReadPosition } from "../record-output.ts";
import { interruption } from "../signals.ts";
import { TopicReader } from "../topic-reader.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface ConsumeOptions {
  readonly region: string;
  readonly offset: string;
  readonly count?: number;
  readonly exit?: boolean;
  readonly partition?: number;
  readonly format: string;
  readonly group?: string;
  readonly json?: boolean;
}

/** Prints until the count, the end (with `--exit`) or an interruption; commits for the group what was printed. */
export async function consume(context: CliContext, options: ConsumeOptions, topic: string): Promise<ExitCode> {
  const { topology, state } = topologyInUse(context);
  const print = options.json === true || context.options.output === "json" ? printJson : compileFormat(options.format);
  const position = parsePosition(options.offset, Date.now());
  using interrupted = interruption();
  const address = regionAddress(topology, state, options.region);
  await using client = await openClient(address, { clientId: "tributary-consume", signal: interrupted.signal });
  if (options.exit !== true) await appearing(client, topic, { context, signal: interrupted.signal });
  const partitions = await partitionsOf(client, topic, options.partition);
  const bounds = await logBounds(client, partitions, { isolation: "read_committed" });
  const starts = await startsFor(client, { position, bounds });
  const committed = options.group === undefined ? new Map() : await committedBy(client, options.group, partitions);
  const positions = new Map([...starts].map(([index, start]) => [index, committed.get(index) ?? start]));
  const reader = new TopicReader({ topic, positions }, { client, clock: nodeClock() });

  const ends = new Map(bounds.map(({ index, endOffset }) => [index, endOffset]));
  const isAtEnd = (): boolean =>
    options.exit === true && [...reader.positions].every(([index, next]) => next >= (ends.get(index) ?? 0n));
  const printed = new Map<number, bigint>();
  let left = options.count ?? Number.POSITIVE_INFINITY;
  if (left > 0 && !isAtEnd()) {
    for await (const records of reader.chunks(interrupted.signal)) {
      const wanted = records.slice(0, left);
      await write(wanted.map(print).join(""));
      const last = wanted.at(-1);
      if (last !== undefined) printed.set(last.partition, last.offset + 1n);
      left -= wanted.length;
      if (left <= 0 || isAtEnd()) break;
    }
  }
  if (options.group !== undefined) await commit(client, { group: options.group, topic, printed });
  return interrupted.exitCode;
}

/** A mirror makes topics within seconds; a mistyped name should not look like silence for longer than that. */
const TOPIC_WAIT_MS = 10_000;
const TOPIC_POLL_MS = 250;

/** Waits a while for a topic that does not exist yet; `partitionsOf` tells when it never came. */
async function appearing(
  client: KafkaClient,
  topic: string,
  { context, signal }: { readonly context: CliContext; readonly signal: AbortSignal },
): Promise<void> {
  client.metadata.track([topic]);
  for (let waitedMs = 0; waitedMs <= TOPIC_WAIT_MS && !signal.aborted; waitedMs += TOPIC_POLL_MS) {
    await client.metadata.refresh("topic to read", { signal });
    if (client.metadata.topic(topic) !== undefined) return;
    if (waitedMs === 0) context.talk(`topic ${topic} does not exist yet; waiting ${TOPIC_WAIT_MS / 1_000} s for it`);
    await sleep(nodeClock(), TOPIC_POLL_MS, signal).catch(() => undefined);
  }
}

interface Partition {
  readonly topic: string;
  readonly index: number;
}

async function partitionsOf(
  client: KafkaClient,
  topic: string,
  only: number | undefined,
): Promise<readonly Partition[]> {
  const [found] = await client.metadata.require([topic]);
  const all = (found?.partitions ?? []).map(({ index }) => ({ topic, index }));
  if (only === undefined) return all;
  if (only >= all.length)
    throw usageError(`topic "${topic}" has no partition ${only}; it has ${all.length}, counted from 0`);
  return [{ topic, index: only }];
}

interface Starting {
  readonly position: ReadPosition;
  readonly bounds: readonly (Partition & { readonly startOffset: bigint; readonly endOffset: bigint })[];
}

async function startsFor(client: KafkaClient, { position, bounds }: Starting): Promise<ReadonlyMap<number, bigint>> {
  if (position.kind === "time") {
    const timestampMs = BigInt(position.timeMs);
    const answers = await listOffsets(
      client,
      bounds.map(({ topic, index }) => ({ topic, index, timestampMs })),
    );
    return new Map(bounds.map(({ index, endOffset }, at) => [index, found(answers[at]?.offset) ?? endOffset]));
  }
  const start = ({ startOffset, endOffset }: Starting["bounds"][number]): bigint => {
    if (position.kind === "offset") return position.offset;
    if (position.kind !== "before-end") return position.kind === "start" ? startOffset : endOffset;
    const back = endOffset - position.records;
    return back > startOffset ? back : startOffset;
  };
  return new Map(bounds.map((bound) => [bound.index, start(bound)]));
}

/** No record is that young: -1. */
function found(offset: bigint | undefined): bigint | undefined {
  return offset === undefined || offset < 0n ? undefined : offset;
}

async function committedBy(client: KafkaClient, groupId: string, partitions: readonly Partition[]) {
  const [description] = await describeGroups(client, [groupId]);
  if (description !== undefined && description.members.length > 0) {
    const what = `group "${groupId}" has ${description.members.length} active members`;
    throw new CommandError(
      { code: "COMMAND_FAILED", what },
      { message: `${what}; stop them first, or read without --group` },
    );
  }
  const [answer] = await fetchOffsets(client, [{ groupId, partitions }]);
  const offsets = (answer?.offsets ?? []).filter((offset) => offset.committedOffset >= 0n);
  return new Map(offsets.map((offset) => [offset.index, offset.committedOffset]));
}

interface Printed {
  readonly group: string;
  readonly topic: string;
  readonly printed: ReadonlyMap<number, bigint>;
}

async function commit(client: KafkaClient, { group, topic, printed }: Printed): Promise<void> {
  const offsets = [...printed].map(([index, committedOffset]) => ({ topic, index, committedOffset }));
  const outcomes = await commitOffsets(client, group, { offsets });
  const refused = outcomes.find((outcome) => outcome.errorCode !== ErrorCode.NONE);
  if (refused !== undefined) throw brokerError("OffsetCommit", refused.errorCode, { subject: `group ${group}` });
}

/** Waits for a slow reader of our output. */
function write(text: string): Promise<void> {
  if (text === "" || process.stdout.write(text)) return Promise.resolve();
  return new Promise((resolve) => process.stdout.once("drain", resolve));
}
