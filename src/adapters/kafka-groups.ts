/** Consumer groups and log bounds of a cluster, as group sync asks for them. */

import { commitOffsets, describeGroups, fetchOffsets, listGroups } from "../client/groups.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, AT_START, listOffsets } from "../client/list-offsets.ts";
import type { Logger } from "../core/logger.ts";
import type { GroupCommit, GroupOccupancy, GroupPort, LogBounds, LogBoundsPort } from "../mirror/offset-ports.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";

/** States of a group without members, in which a commit from outside is taken. */
const EMPTY_STATES: ReadonlySet<string> = new Set(["Empty"]);
const ABSENT_STATES: ReadonlySet<string> = new Set(["Dead"]);

/** What the adapter works with; the client is the caller's to open and close. */
export interface KafkaGroupsDeps {
  readonly client: KafkaClient;
  readonly logger: Logger;
}

/** The groups of one cluster. */
export class KafkaGroups implements GroupPort, LogBoundsPort {
  readonly #client: KafkaClient;
  readonly #logger: Logger;
  /** Groups whose refusal was logged; one line each, not one per round. */
  readonly #refused = new Set<string>();

  constructor(deps: KafkaGroupsDeps) {
    this.#client = deps.client;
    this.#logger = deps.logger;
  }

  /** Groups of consumers, and those that only ever had commits from outside. */
  async list(): Promise<readonly string[]> {
    const groups = await listGroups(this.#client);
    return groups
      .filter(({ protocolType }) => protocolType === "consumer" || protocolType === "")
      .map(({ groupId }) => groupId);
  }

  /** Commits of open transactions are not waited for: the group's position is the one before. */
  async committed(groups: readonly string[]): Promise<ReadonlyMap<string, readonly GroupCommit[]>> {
    if (groups.length === 0) return new Map();
    const questions = groups.map((groupId) => ({ groupId }));
    const answers = await fetchOffsets(this.#client, questions, { requireStable: false });
    return new Map(
      answers.map(({ groupId, errorCode, offsets }) => {
        if (errorCode !== ErrorCode.NONE) this.#noteRefusal(groupId, errorCode);
        const commits = offsets
          .filter((commit) => commit.errorCode === ErrorCode.NONE && commit.committedOffset >= 0n)
          .map(({ topic, index, committedOffset, committedMetadata }) => {
            return { topic, partition: index, offset: committedOffset, metadata: committedMetadata ?? "" };
          });
        return [groupId, commits];
      }),
    );
  }

  /** From the brokers' lists, which know groups of every type; from a description where the list gives no state (Kafka before 2.6). */
  async occupancy(groups: readonly string[]): Promise<ReadonlyMap<string, GroupOccupancy>> {
    const listed = new Map((await listGroups(this.#client)).map(({ groupId, state }) => [groupId, state]));
    const unclear = groups.filter((group) => listed.get(group) === "");
    for (const { groupId, state } of await describeGroups(this.#client, unclear)) listed.set(groupId, state);
    return new Map(groups.map((group) => [group, occupancyOf(listed.get(group))]));
  }

  async commit(group: string, commits: readonly GroupCommit[]): Promise<readonly (string | undefined)[]> {
    const offsets = commits.map(({ topic, partition, offset, metadata }) => {
      return { topic, index: partition, committedOffset: offset, committedMetadata: metadata };
    });
    const outcomes = await commitOffsets(this.#client, group, { offsets });
    return commits.map((_, at) => {
      const errorCode = outcomes[at]?.errorCode ?? ErrorCode.UNKNOWN;
      return errorCode === ErrorCode.NONE ? undefined : errorName(errorCode);
    });
  }

  async bounds(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<readonly (LogBounds | undefined)[]> {
    if (partitions.length === 0) return [];
    const ask = (timestampMs: bigint) =>
      listOffsets(
        this.#client,
        partitions.map(({ topic, partition }) => ({ topic, index: partition, timestampMs })),
      );
    const [starts, ends] = await Promise.all([ask(AT_START), ask(AT_END)]);
    return partitions.map((_, at) => {
      const start = starts[at];
      const end = ends[at];
      if (start?.errorCode !== ErrorCode.NONE || end?.errorCode !== ErrorCode.NONE) return undefined;
      return { startOffset: start.offset, endOffset: end.offset };
    });
  }

  #noteRefusal(groupId: string, errorCode: number): void {
    if (this.#refused.has(groupId)) return;
    this.#refused.add(groupId);
    this.#logger.warn("group offsets cannot be read", { groupId, error: errorName(errorCode) });
  }
}

function occupancyOf(state: string | undefined): GroupOccupancy {
  if (state === undefined || ABSENT_STATES.has(state)) return "absent";
  return EMPTY_STATES.has(state) ? "empty" : "active";
}
