/** `mirror adopt`: takes mirrors over from MirrorMaker 2 without a gap or a repeat. */

import type { AdoptionEvidence, UnclearReason } from "../../mirror/mm2/adoption.ts";
import { type LaneAdoption, storeAdoption, surveyAdoption } from "../../runtime/adoption.ts";
import { selectedFlows } from "../../runtime/flow-selection.ts";
import type { CliContext } from "../context.ts";
import { usageError } from "../errors.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type Column, counted, renderTable } from "../output.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface AdoptOptions {
  readonly offsetsTopic?: string;
  readonly connectGroup?: string;
  readonly connector?: string;
  /** `topic/partition=offset`. */
  readonly at?: readonly string[];
  readonly yes?: boolean;
}

const EVIDENCE: Readonly<Record<AdoptionEvidence, string>> = {
  untouched: "never copied",
  "nothing-after": "all is copied",
  "at-position": "the target ends at the stored position",
  "beyond-position": "the target ends behind the stored position",
};

const REASONS: Readonly<Record<UnclearReason, string>> = {
  "open-transaction": "a transaction is open on the target; wait until it ends, a minute by default",
  "several-connectors": "connectors of several names stored a position; choose one with --connector",
  "no-position": "no position is stored, but the target holds records",
  "position-beyond-source": "the source ends before the stored position; was its topic made again?",
  "target-empty": "the target holds nothing although a position is stored; was its topic made again?",
  "no-match": "the target does not end with a record that the source has after the stored position",
  "several-matches": "the target's last record occurs in the source several times",
  "record-gone": "the source no longer has the record at the stored position",
  "too-slow": "its records could not be read within ten minutes",
};

/** Shows where each lane would go on; with `--yes` and no lane unclear, stores it. Exit 2 when a lane is unclear: then nothing is
 *  stored, since a worker would copy that lane from its start. */
export async function mirrorAdopt(
  context: CliContext,
  options: AdoptOptions,
  mirrors: readonly string[],
): Promise<ExitCode> {
  const world = topologyInUse(context);
  const { offsetsTopic, connectGroup, connector } = options;
  const chosen = chosenIn(options.at ?? []);
  const lanes: LaneAdoption[] = [];
  for (const flow of selectedFlows(world.topology, mirrors)) {
    context.progress(`looking at ${flow.source} -> ${flow.target}`);
    lanes.push(...(await surveyAdoption(world, flow, { offsetsTopic, connectGroup, connector, chosen })));
  }
  const unclear = lanes.filter(({ finding }) => finding.kind === "unclear");
  const fresh = lanes.filter(({ finding }) => finding.kind === "found" || finding.kind === "chosen");
  const isStored = options.yes === true && unclear.length === 0;
  if (isStored)
    for (const [target, of] of Map.groupBy(fresh, ({ flow }) => flow.target)) await storeAdoption(world, target, of);
  context.data({ stored: isStored, lanes: lanes.map(laneJson) }, () => renderTable(COLUMNS, lanes));
  for (const lane of unclear) for (const line of optionLines(lane)) context.talk(line);
  context.talk(closing({ lanes, fresh, unclear, isStored }));
  return unclear.length > 0 ? EXIT.finding : EXIT.ok;
}

function closing(result: {
  readonly lanes: readonly LaneAdoption[];
  readonly fresh: readonly LaneAdoption[];
  readonly unclear: readonly LaneAdoption[];
  readonly isStored: boolean;
}): string {
  const { lanes, fresh, unclear, isStored } = result;
  if (lanes.length === 0) return "no topic of these mirrors is on the target yet: nothing to adopt";
  if (unclear.length > 0)
    return `nothing stored: ${counted(unclear.length, "lane")} unclear; choose with --at topic/partition=offset`;
  if (fresh.length === 0) return "every lane is Tributary's already: nothing to adopt";
  if (!isStored) return `nothing stored yet; say --yes to let ${counted(fresh.length, "lane")} go on there`;
  return `${counted(fresh.length, "lane")} adopted; next: tributary mirror run`;
}

const COLUMNS: readonly Column<LaneAdoption>[] = [
  { title: "MIRROR", value: ({ flow }) => flow.mirror.name },
  { title: "TOPIC", value: ({ wanted }) => wanted.sourcePartition.topic },
  { title: "PARTITION", align: "right", value: ({ wanted }) => wanted.sourcePartition.partition },
  { title: "GOES ON AT", align: "right", value: ({ finding }) => ("sourceNext" in finding ? finding.sourceNext : "?") },
  { title: "BECAUSE", value: ({ finding }) => reasonOf(finding) },
];

function reasonOf(finding: LaneAdoption["finding"]): string {
  if (finding.kind === "found") return EVIDENCE[finding.evidence];
  if (finding.kind === "unclear") return REASONS[finding.why];
  return finding.kind === "known" ? "Tributary knows it already" : "chosen";
}

function optionLines({ wanted, finding }: LaneAdoption): readonly string[] {
  if (finding.kind !== "unclear") return [];
  const { topic, partition } = wanted.sourcePartition;
  return finding.options.map(({ sourceNext, meaning }) => `--at ${topic}/${partition}=${sourceNext}  ${meaning}`);
}

function laneJson({ flow, wanted, finding }: LaneAdoption): object {
  const { topic, partition } = wanted.sourcePartition;
  const place = { mirror: flow.mirror.name, source: flow.source, target: flow.target, topic, partition };
  if (finding.kind !== "unclear") {
    const evidence = finding.kind === "found" ? finding.evidence : finding.kind;
    return { ...place, evidence, source_next: finding.sourceNext, target_next: finding.targetNext };
  }
  const options = finding.options.map(({ sourceNext, meaning }) => ({ source_next: sourceNext, meaning }));
  return { ...place, unclear: finding.why, options };
}

/** @throws {CommandError} for a choice that is none */
function chosenIn(choices: readonly string[]): ReadonlyMap<string, bigint> {
  return new Map(
    choices.map((choice) => {
      const [, place, offset] = /^([A-Za-z0-9._-]+\/\d{1,9})=(\d{1,18})$/.exec(choice) ?? [];
      if (place === undefined || offset === undefined)
        throw usageError(`--at "${choice}" is no choice; write topic/partition=offset`);
      return [place, BigInt(offset)] as const;
    }),
  );
}
