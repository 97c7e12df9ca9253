/** Carries over what belongs to a flow's topics besides their records, as long as the flow runs. */

import type { KafkaMadeStore } from "../adapters/kafka-made.ts";
import { nodeClock } from "../adapters/node-clock.ts";
import { nodeRandom } from "../adapters/node-random.ts";
import { backoffMs } from "../core/backoff.ts";
import { sleep } from "../core/clock.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Flow } from "../mirror/flow.ts";
import type { FlowDeps } from "../mirror/flow-options.ts";
import { AclSync } from "../mirror/metadata/acl-sync.ts";
import { type Copy, DeletionSync } from "../mirror/metadata/deletion-sync.ts";
import { type CopiedTopic, SettingsSync } from "../mirror/metadata/settings-sync.ts";
import { othersRecords } from "../mirror/metadata/sole-writer.ts";
import { namingOf } from "../mirror/naming.ts";
import type { FlowStatus, TopicTrouble } from "../mirror/status.ts";
import { aclsOfFlows } from "../topology/acls.ts";
import { MADE_TOPIC } from "../topology/made.ts";
import { type Flow as FlowDeclaration, flowsOf, type Topology } from "../topology/model.ts";
import { selects } from "../topology/patterns.ts";
import { flowName } from "./flow-selection.ts";
import type { RegionLink } from "./region-link.ts";
import type { MetadataSnapshot } from "./worker-status.ts";

/** What it works with; the links are shared with everybody else. */
export interface FlowMetadataDeps {
  readonly from: RegionLink;
  readonly to: RegionLink;
  readonly acls: AclDuty;
  readonly logger: Logger;
}

/** Rules about topics follow for two regions at a time: one flow between them does it for all. */
export interface AclDuty {
  readonly topology: string;
  /** Those whose rules this flow carries over; empty when another does, or none wants it. */
  readonly flows: readonly FlowDeclaration[];
  /** Mirrors end in the source region as well. */
  readonly isSourceMirrored: boolean;
}

/** The duty of a flow of a worker that runs `run`: it falls to the first of them that carries rules between two regions. */
export function aclDuty(flow: FlowDeclaration, topology: Topology, run: readonly FlowDeclaration[]): AclDuty {
  const wantsRules = (one: FlowDeclaration): boolean =>
    one.source === flow.source && one.target === flow.target && one.mirror.acls !== "off";
  const declared = flowsOf(topology);
  return {
    topology: topology.name,
    flows: run.find(wantsRules) === flow ? declared.filter(wantsRules) : [],
    isSourceMirrored: declared.some(({ target }) => target === flow.source),
  };
}

/** Works from `run` until its signal. */
export class FlowMetadata {
  readonly #declaration: FlowDeclaration;
  readonly #deps: FlowMetadataDeps;
  /** Why nothing follows yet. */
  #waiting: string | undefined;
  #settings: SettingsSync | undefined;
  #acls: AclSync | undefined;
  #deletions: DeletionSync | undefined;

  constructor(declaration: FlowDeclaration, deps: FlowMetadataDeps) {
    this.#declaration = declaration;
    this.#deps = deps;
  }

  /** Topics whose metadata is not as it should be, each with the reason. */
  get troubles(): readonly TopicTrouble[] {
    const waiting = this.#waiting === undefined ? [] : [troubleOf(this.#waiting)];
    return [...waiting, ...[this.#settings, this.#acls, this.#deletions].flatMap((sync) => sync?.troubles ?? [])];
  }

  get snapshot(): MetadataSnapshot {
    const rules = this.#acls?.status;
    return {
      rules: rules === undefined ? null : { ...rules, wanted: rules.wanted ?? null },
      topicsDeleted: this.#deletions?.deleted ?? 0,
      orphans: (this.#deletions?.orphans ?? []).map(({ sourceTopic, targetTopic, sinceMs, dueMs, why }) => {
        return { sourceTopic, targetTopic, sinceMs, dueMs: dueMs ?? null, why: why ?? null };
      }),
    };
  }

  /** Records that a topic is the mirror's own. One that cannot be recorded is kept when its source is deleted. */
  readonly onTopicMade: NonNullable<FlowDeps["onTopicMade"]> = async ({ source, target }) => {
    const { from, to, logger } = this.#deps;
    const { topic: targetTopic, topicId: targetTopicId } = target;
    const of = { sourceClusterId: from.source.clusterId, targetTopic, targetTopicId };
    try {
      const made = await to.made();
      await made.put([{ kind: "topic", ...of, sourceTopic: source.topic, sourceTopicId: source.topicId }]);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      logger.warn("topic made but not recorded", { topic: targetTopic, cause: error.message });
    }
  };

  /** Never rejects for what the regions do. */
  async run(flow: Flow, signal: AbortSignal): Promise<void> {
    const made = await this.#made(signal);
    if (made === undefined) return;
    const { from, to, logger } = this.#deps;
    const { sync } = this.#declaration.mirror.create;
    const options = { flow: flowName(this.#declaration), sourceClusterId: from.source.clusterId };
    const shared = { made, clock: nodeClock(), logger };
    this.#settings = new SettingsSync(
      { ...options, sync },
      { ...shared, source: from.settings, target: to.settings, topics: () => copiedTopics(flow.status) },
    );
    await Promise.all([
      this.#settings.run(signal),
      this.#syncAcls(flow, made, signal),
      this.#syncDeletions(flow, made, signal),
    ]);
  }

  async #syncAcls(flow: Flow, made: KafkaMadeStore, signal: AbortSignal): Promise<void> {
    const { from, to, acls, logger } = this.#deps;
    if (acls.flows.length === 0) return;
    const [sourceClusterId, targetClusterId] = [from.source.clusterId, to.target.clusterId];
    this.#acls = new AclSync(
      { topology: acls.topology, sourceClusterId },
      {
        source: from.acls,
        target: to.acls,
        made,
        madeOnSource: acls.isSourceMirrored ? { list: async () => (await from.made()).list() } : undefined,
        wanted: async (source, ours) => {
          const seen = flow.seen?.sources ?? (await from.source.topics());
          const topics = seen.map(({ topic }) => topic);
          const groups = carriesGroups(acls.flows) ? await from.groups.list() : [];
          return aclsOfFlows(acls.flows, { topics, groups, source, ours, targetClusterId });
        },
        clock: nodeClock(),
        logger: logger.child({ flow: flowName(this.#declaration) }),
      },
    );
    await this.#acls.run(signal);
  }

  async #syncDeletions(flow: Flow, made: KafkaMadeStore, signal: AbortSignal): Promise<void> {
    const { from, to, logger } = this.#deps;
    const { mirror, source, target } = this.#declaration;
    const [sourceClusterId, targetClusterId] = [from.source.clusterId, to.target.clusterId];
    const naming = namingOf(mirror.rename, { source, target, mirror: mirror.name });
    const carries = (copy: { readonly sourceTopic: string; readonly targetTopic: string }): boolean =>
      selects(mirror.topics, copy.sourceTopic) && naming.targetOf(copy.sourceTopic) === copy.targetTopic;
    // Read once: whatever comes later runs as a lane of this flow, too.
    let known: readonly Copy[] | undefined;
    const stored = async (): Promise<readonly Copy[]> => {
      known ??= (await (await to.progress()).list())
        .filter(({ lane }) => lane.sourceClusterId === sourceClusterId && lane.targetClusterId === targetClusterId)
        .map(({ lane, sourceTopic, targetTopic }) => ({ ...lane, sourceTopic, targetTopic }));
      return known;
    };
    this.#deletions = new DeletionSync(
      { sourceClusterId, policy: mirror.onDelete, graceMs: mirror.deleteAfterMs },
      {
        source: from.deletions,
        target: to.deletions,
        made,
        seen: () => flow.seen,
        copies: async () => [...(await stored()), ...flow.copies].filter(carries),
        carries,
        othersRecords: async (copy, partitions) => {
          const topic = { ...copy, topic: copy.targetTopic, topicId: copy.targetTopicId, partitions, sourceClusterId };
          await using progress = await to.stored();
          return await othersRecords(topic, { target: to.target, progress });
        },
        onDeleted: ({ targetTopicId }) => flow.forget(targetTopicId),
        clock: nodeClock(),
        logger: logger.child({ flow: flowName(this.#declaration) }),
      },
    );
    await this.#deletions.run(signal);
  }

  /** Tries until the target answers; undefined at the signal. */
  async #made(signal: AbortSignal): Promise<KafkaMadeStore | undefined> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        const made = await this.#deps.to.made();
        this.#waiting = undefined;
        return made;
      } catch (error) {
        if (!(error instanceof TributaryError)) throw error;
        const why = toError(error).message;
        if (this.#waiting !== why) this.#deps.logger.warn("metadata waits", { flow: flowName(this.#declaration), why });
        this.#waiting = why;
        await sleep(nodeClock(), backoffMs(attempt, nodeRandom()), signal).catch(() => undefined);
      }
    }
    return undefined;
  }
}

function troubleOf(why: string): TopicTrouble {
  const text = `nothing but records follows while ${MADE_TOPIC} on the target cannot be used: ${why}`;
  return { sourceTopic: "*", targetTopic: "*", about: "settings", why: text };
}

/** Only then the names of groups matter. */
function carriesGroups(flows: readonly FlowDeclaration[]): boolean {
  return flows.some(({ mirror }) => mirror.groups !== undefined);
}

/** Topics with a lane, once each. */
function copiedTopics({ lanes }: FlowStatus): readonly CopiedTopic[] {
  const topics = lanes.map(({ sourceTopic, targetTopic, lane }) => {
    return { source: sourceTopic, target: targetTopic, targetTopicId: lane.targetTopicId };
  });
  return [...new Map(topics.map((topic) => [topic.target, topic])).values()];
}
