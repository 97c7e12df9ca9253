/** What a person reads at the end: one table with the figures, what is wrong by name, and what to try next. */

import type { Figures } from "./figures.ts";
import type { JobProgress, MainJobResult } from "./main-job.ts";
import { type Anomaly, anomalyText } from "./records.ts";
import type { RegionAccess } from "./region-access.ts";

/** Width of the progress bar; with the words around it, a line of 80 columns. */
const BAR_CELLS = 20;
/** Anomalies listed in full; the figures count them all. */
const ANOMALIES_SHOWN_MAX = 20;

/** Whether all that was promised holds. `total` is the number of flights that were to be produced. */
export function allHolds(result: MainJobResult, total: number): boolean {
  const { figures, anomalies } = result;
  return (
    anomalies.length === 0 &&
    figures.produced === total &&
    figures.mirrored === total &&
    figures.workerKills >= 3 &&
    figures.brokerStops >= 1 &&
    figures.offsetsChecked > total &&
    figures.offsetsWrong === 0 &&
    figures.groupsChecked > 0 &&
    figures.groupsWrong === 0
  );
}

/** Whether cold segments were offloaded and came back, where the target can do that. */
export function coldHolds(figures: Figures): boolean {
  return figures.segmentsOffloaded > 0 && figures.coldRecordsRead > 0;
}

/** Two columns: what was asked, and the answer. */
export function figuresTable(result: MainJobResult): string {
  const { figures, kills } = result;
  const n = (value: number): string => value.toLocaleString("en-US");
  const killed = kills.map(({ mirrored }) => n(mirrored)).join(", ");
  const rows: readonly (readonly [string, string])[] = [
    ["flights produced in three regions", n(figures.produced)],
    ["found on central, once, in order, unchanged", n(figures.mirrored)],
    [
      "lost / duplicated / reordered / mutated",
      [figures.lost, figures.duplicated, figures.reordered, figures.mutated].map(n).join(" / "),
    ],
    ["worker killed with SIGKILL", `${figures.workerKills} times, at ${killed} flights`],
    ["broker of central stopped and started", n(figures.brokerStops)],
    ["offsets translated both ways / wrong", `${n(figures.offsetsChecked)} / ${n(figures.offsetsWrong)}`],
    ["groups moved to their next unread record / wrong", `${n(figures.groupsChecked)} / ${n(figures.groupsWrong)}`],
    ["segments offloaded", `${n(figures.segmentsOffloaded)} (${n(Math.round(figures.bytesOffloaded / 1024))} KiB)`],
    ["offloaded records read back through the broker", n(figures.coldRecordsRead)],
    ["time", `${(figures.elapsedMs / 1_000).toFixed(1)} s`],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`).join("\n");
}

/** One line that says where the job is, with a bar while flights are copied. */
export function progressLine({ step, mirrored, produced, total }: JobProgress): string {
  if (produced === total && mirrored === total) return step;
  const filled = Math.min(BAR_CELLS, Math.round((BAR_CELLS * mirrored) / Math.max(1, total)));
  const bar = "#".repeat(filled) + ".".repeat(BAR_CELLS - filled);
  return `${step} [${bar}] ${mirrored} of ${total} on central, ${produced} produced`;
}

/** One line per anomaly, up to a limit, and how many more there are. */
export function anomalyLines(anomalies: readonly Anomaly[]): readonly string[] {
  const shown = anomalies.slice(0, ANOMALIES_SHOWN_MAX).map(anomalyText);
  const more = anomalies.length - shown.length;
  return more > 0 ? [...shown, `and ${more} more`] : shown;
}

/** The regions that were left up. */
export function addressLines(regions: readonly RegionAccess[]): readonly string[] {
  const width = Math.max(...regions.map(({ region }) => region.length));
  return regions.map(({ region, bootstrap }) => `  ${region.padEnd(width)}  ${bootstrap.join(",")}`);
}

/** Commands that show more. `kept`: the regions are still up. */
export function nextCommands(kept: boolean): readonly string[] {
  return kept
    ? [
        "npm run -s tributary -- consume us-west.flights -r central -n 5",
        "npm run -s tributary -- offsets translate --topic flights --partition 0 --offset 100 --source us-west",
        "npm run -s tributary -- lag",
        "npm run -s tributary -- down --wipe",
      ]
    : [
        "npm start -- --keep                              the same, and the regions stay up",
        "npm run -s tributary -- up                       the four regions of hub-and-spoke",
        "npm run -s tributary -- mirror run               copy until interrupted",
        "npm run -s tributary -- topology graph           what flows where",
      ];
}
