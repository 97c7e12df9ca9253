/** How a mirrored topic is called on the target: a template over the source's name. */

import { nearestName } from "./nearest.ts";

/** What a template may mention. */
const NAMING_FIELDS = ["source", "target", "topic", "mirror"] as const;

/** The values for one flow; `topic` comes with each topic. */
export interface NamingContext {
  readonly source: string;
  readonly target: string;
  readonly mirror: string;
}

const PLACEHOLDER = /\{([^{}]*)\}/g;
const TOPIC_CHARACTERS = /^[A-Za-z0-9._-]*$/;
/** Kafka's limit on the length of a topic name (`Topic.MAX_NAME_LENGTH`). */
export const TOPIC_NAME_MAX = 249;

/** The reason why a template cannot be used, with the placeholder most likely meant; undefined when it can. */
export function templateProblem(template: string): { readonly fact: string; readonly suggestion?: string } | undefined {
  for (const [whole, field = ""] of template.matchAll(PLACEHOLDER)) {
    if ((NAMING_FIELDS as readonly string[]).includes(field)) continue;
    const near = nearestName(field, NAMING_FIELDS);
    const fact = `rename has the unknown placeholder "${whole}"; known are ${NAMING_FIELDS.map((f) => `{${f}}`).join(" ")}`;
    return near === undefined ? { fact } : { fact, suggestion: `{${near}}` };
  }
  const literal = template.replace(PLACEHOLDER, "");
  if (!TOPIC_CHARACTERS.test(literal)) {
    return {
      fact: `rename "${template}" has characters that a topic name cannot have; allowed are letters, digits, . _ -`,
    };
  }
  return undefined;
}

/** The name on the target of the source's `topic`. */
export function renamedTopic(template: string, context: NamingContext, topic: string): string {
  return template.replace(PLACEHOLDER, (whole, field: string) => {
    if (field === "topic") return topic;
    return field === "source" || field === "target" || field === "mirror" ? context[field] : whole;
  });
}

/** True when the template keeps names as they are. */
export function keepsNames(template: string): boolean {
  return template === "{topic}";
}
