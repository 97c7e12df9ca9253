/** Which names a topic may have (Kafka: `Topic`). */

import { ErrorCode } from "../wire/error-codes.ts";
import { refusal } from "./errors.ts";

/** A name becomes a directory name together with a partition number. */
const NAME_LENGTH_MAX = 249;

/** Topics that clients of Kafka treat as internal. */
const INTERNAL = new Set(["__consumer_offsets", "__transaction_state", "__share_group_state"]);

/** @throws {Refusal} INVALID_TOPIC_EXCEPTION */
export function checkTopicName(name: string): void {
  const problem =
    name === ""
      ? "the empty string is not allowed"
      : name === "." || name === ".."
        ? `'${name}' is not allowed`
        : name.length > NAME_LENGTH_MAX
          ? `the length of '${name}' is longer than the max allowed length ${NAME_LENGTH_MAX}`
          : /^[a-zA-Z0-9._-]+$/.test(name)
            ? undefined
            : `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  if (problem !== undefined) throw refusal(ErrorCode.INVALID_TOPIC_EXCEPTION, `Topic name is invalid: ${problem}`);
}

/** Names that differ only in `.` and `_` collide in the names of metrics, so Kafka refuses the second one. */
export function collisionKey(name: string): string {
  return name.replaceAll(".", "_");
}

/** Whether Metadata marks the topic as internal. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL.has(name);
}
