/** Which flows a command is about: all, those of named mirrors, or the one that leads from here to there. */

import { type Flow, flowsOf, type Topology } from "../topology/model.ts";
import { nearestName } from "../topology/nearest.ts";
import { RuntimeError } from "./errors.ts";

/** Flows of the named mirrors, all without names. @throws {RuntimeError} `MIRROR_UNKNOWN` */
export function selectedFlows(topology: Topology, mirrors: readonly string[]): readonly Flow[] {
  const known = topology.mirrors.map((mirror) => mirror.name);
  for (const mirror of mirrors) {
    if (known.includes(mirror)) continue;
    const near = nearestName(mirror, known);
    const remedy = near === undefined ? `known are ${known.join(", ") || "none"}` : `did you mean "${near}"?`;
    const message = `no mirror "${mirror}" (${topology.file}); ${remedy}`;
    throw new RuntimeError({ code: "MIRROR_UNKNOWN", mirror, known }, { message });
  }
  return flowsOf(topology).filter((flow) => mirrors.length === 0 || mirrors.includes(flow.mirror.name));
}

/** `mirror: source -> target`, for people. */
export function flowName(flow: Flow): string {
  return `${flow.mirror.name}: ${flow.source} -> ${flow.target}`;
}
