/** The consumer groups whose positions a plan would carry, by what each pattern matches. */

import { type Flow, flowsOf, type Topology } from "./model.ts";
import { nearMisses, selects } from "./patterns.ts";

/** The groups of one flow that carries positions. */
export interface GroupPlan {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  readonly groups: readonly string[];
  readonly patterns: readonly {
    readonly pattern: string;
    readonly groups: readonly string[];
    /** Names that it most likely meant, when it matched none. */
    readonly nearMisses: readonly string[];
  }[];
}

/** In the order of the file; nothing about flows whose source was not asked. */
export function planGroups(topology: Topology, live: ReadonlyMap<string, readonly string[]>): readonly GroupPlan[] {
  return flowsOf(topology).flatMap((flow) => {
    const names = live.get(flow.source);
    return names === undefined ? [] : planFlow(flow, names.toSorted());
  });
}

function planFlow({ mirror, source, target }: Flow, names: readonly string[]): readonly GroupPlan[] {
  const { groups: declared } = mirror;
  if (declared === undefined) return [];
  const groups = names.filter((name) => selects(declared.select, name));
  const patterns = declared.select.include.map((pattern) => {
    const matched = groups.filter((name) => pattern.matches(name));
    return {
      pattern: pattern.text,
      groups: matched,
      nearMisses: matched.length === 0 ? nearMisses(pattern, names) : [],
    };
  });
  return [{ mirror: mirror.name, source, target, groups, patterns }];
}
