/** From a name on the target back to the source's: the inverse of a mirror's naming template. */

import { type NamingContext, renamedTopic } from "../topology/naming.ts";
import { MirrorError } from "./errors.ts";

/** Stands for the topic while the template is split; no topic name contains it. */
const MARK = "\u0000";

/** How one flow names topics. */
export interface Naming {
  /** The name on the target. */
  targetOf(sourceTopic: string): string;
  /** The source's name; undefined when the flow never gives such a name. */
  sourceOf(targetTopic: string): string | undefined;
  /** True when every topic has the same name on both sides. */
  readonly keepsNames: boolean;
}

/** Naming by a template that mentions `{topic}` once.
 *  @throws {MirrorError} `NAMING_INVALID` when names would not stay distinct */
export function namingOf(template: string, context: NamingContext): Naming {
  const parts = renamedTopic(template, context, MARK).split(MARK);
  const [before, after] = parts;
  if (before === undefined || after === undefined || parts.length !== 2) {
    const what = parts.length === 1 ? "every topic would get the same name" : "{topic} appears more than once";
    throw new MirrorError({ code: "NAMING_INVALID", template, what });
  }
  return {
    keepsNames: before === "" && after === "",
    targetOf: (sourceTopic) => before + sourceTopic + after,
    sourceOf: (targetTopic) => {
      const isOurs = targetTopic.startsWith(before) && targetTopic.endsWith(after);
      const topic = targetTopic.slice(before.length, targetTopic.length - after.length);
      return isOurs && topic !== "" && targetTopic.length > before.length + after.length ? topic : undefined;
    },
  };
}
