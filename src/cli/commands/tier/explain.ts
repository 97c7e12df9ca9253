/** `tier explain`: why an offset is, or is not, archived, local or restorable. */

import { nodeClock } from "../../../adapters/node-clock.ts";
import { nodeRandom } from "../../../adapters/node-random.ts";
import { storeDeclarations } from "../../../runtime/declared-stores.ts";
import { openStoreToRead } from "../../../runtime/open-store.ts";
import { type PartitionNow, partitionNow } from "../../../runtime/partition-now.ts";
import { regionNamed } from "../../../runtime/region-spec.ts";
import { readHead } from "../../../tier/archive.ts";
import { archiveFailure } from "../../../tier/archive-failure.ts";
import { isSelected, readCatalog } from "../../../tier/catalog.ts";
import { type Explanation, explainOffset } from "../../../tier/explain.ts";
import type { Manifest } from "../../../tier/manifest.ts";
import type { Tiering } from "../../../topology/model.ts";
import { nearMisses, selects } from "../../../topology/patterns.ts";
import type { CliContext } from "../../context.ts";
import { EXIT, type ExitCode } from "../../exit-codes.ts";
import { type TopologyInUse, topologyInUse } from "../../topology-in-use.ts";
import { reasonSentence, restorableSentence } from "./explain-text.ts";

interface Asked {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

interface Answer {
  readonly region: string;
  readonly store: string;
  readonly topicId: string;
  readonly explanation: Explanation;
  readonly sentences: readonly string[];
}

/** Prints the reason for each region that has, or had, the topic. @throws {ArchiveError} `ARCHIVE_UNKNOWN` when none has */
export async function tierExplain(
  context: CliContext,
  { region }: { readonly region?: string },
  ...[topic, partition, offset]: readonly [string, number, bigint]
): Promise<ExitCode> {
  const inUse = topologyInUse(context);
  if (region !== undefined) regionNamed(inUse.topology, region);
  const answers: Answer[] = [];
  for (const name of new Set(inUse.topology.tiering.map((rule) => rule.region))) {
    if (region !== undefined && region !== name) continue;
    const now = await partitionNow(inUse, name, { topic, partition });
    if (now.unreachable !== undefined) context.talk(`${now.unreachable}; answered from the stores alone`);
    answers.push(...(await answersFor({ topic, partition, offset }, { inUse, region: name, now })));
  }
  if (answers.length === 0) throw archiveFailure({ code: "ARCHIVE_UNKNOWN", topic, partition });
  const json = answers.map(({ explanation, sentences, topicId, ...rest }) => ({
    ...rest,
    topic_id: topicId,
    reason: explanation.reason.kind,
    archived: explanation.isArchived,
    local: explanation.isLocal ?? null,
    restorable: explanation.isArchived,
    object: explanation.reason.kind === "archived" ? `${explanation.reason.segment.key}.log` : null,
    explanation: sentences,
  }));
  context.data({ topic, partition, offset: String(offset), regions: json }, () =>
    answers
      .map(({ region: name, store, sentences }) =>
        [`${name} (${store})`, ...sentences.map((each) => `  ${each}`)].join("\n"),
      )
      .join("\n"),
  );
  return EXIT.ok;
}

interface Scope {
  readonly inUse: TopologyInUse;
  readonly region: string;
  readonly now: PartitionNow;
}

/** One answer for each store of the region that holds the partition; else one of the store that a rule would send it to, or of the
 *  first, when the region has the topic. */
async function answersFor(asked: Asked, scope: Scope): Promise<readonly Answer[]> {
  const { topology, state } = scope.inUse;
  const rules = topology.tiering.filter((rule) => rule.region === scope.region);
  const wanted = rules.find((rule) => selects(rule.topics, asked.topic));
  const answers: Answer[] = [];
  let empty: Answer | undefined;
  for (const declaration of storeDeclarations(topology, scope.region)) {
    const deps = { clock: nodeClock(), random: nodeRandom(), statePath: state.path };
    const store = await openStoreToRead(declaration, deps);
    try {
      const rule = wanted !== undefined && wanted.store === declaration.store ? wanted : undefined;
      const failure = scope.now.failures.find((each) => each.store === store.location)?.cause;
      const answer = (manifest: Manifest | undefined, topicId: string) =>
        answerOf(asked, { rule: rule ?? wanted, rules, manifest, failure, ...scope, store: store.location, topicId });
      for (const entry of await readCatalog(store)) {
        if (!isSelected(entry.partition, { topic: asked.topic, partition: asked.partition })) continue;
        answers.push(answer((await readHead(store, entry.partition))?.manifest, entry.partition.topicId));
      }
      if (rule !== undefined || empty === undefined) empty = answer(undefined, scope.now.topicId ?? "");
    } finally {
      store.close();
    }
  }
  const current = answers.filter(({ topicId }) => topicId === scope.now.topicId);
  if (answers.length > 0) return current.length > 0 ? current : answers;
  return empty === undefined || scope.now.log === undefined ? [] : [empty];
}

interface AnswerFacts extends Scope {
  readonly rule: Tiering | undefined;
  readonly rules: readonly Tiering[];
  readonly manifest: Manifest | undefined;
  readonly failure: string | undefined;
  readonly store: string;
  readonly topicId: string;
}

function answerOf(asked: Asked, facts: AnswerFacts): Answer {
  const { now, region, store, topicId, manifest, rule, failure } = facts;
  // The cluster's topic may be a later one of the same name.
  const log = now.topicId === topicId ? now.log : undefined;
  const nowMs = nodeClock().nowMs();
  const explanation = explainOffset({ offset: asked.offset, manifest, log, rule, failure, nowMs });
  const patterns = facts.rules.flatMap(({ topics }) => topics.include);
  const near = patterns.filter((pattern) => nearMisses(pattern, [asked.topic]).length > 0).map(({ text }) => text);
  const excluded = facts.rules.flatMap(({ topics }) => topics.exclude).find((pattern) => pattern.matches(asked.topic));
  const hints = { near, excludedBy: excluded?.text, rule, nowMs };
  const other = now.topicId !== undefined && now.topicId !== topicId;
  const sentences = [
    ...(other ? [`This is the archive of an earlier topic of the name (id ${topicId}).`] : []),
    reasonSentence(explanation.reason, hints),
    restorableSentence(explanation),
  ];
  return { region, store, topicId, explanation, sentences };
}
