/** Which topics a declared flow copies, and how it names them. */

import { type FlowNames, withHeartbeats } from "../mirror/mm2/heartbeat-topics.ts";
import { namingOf } from "../mirror/naming.ts";
import type { Flow } from "../topology/model.ts";

/** The mirror's own topics, and MirrorMaker's heartbeats where it is compatible. @throws {MirrorError} `NAMING_INVALID` */
export function namesOf({ mirror, source, target }: Flow): FlowNames {
  const naming = namingOf(mirror.rename, { source, target, mirror: mirror.name });
  const names = { topics: mirror.topics, naming };
  return mirror.compat === undefined ? names : withHeartbeats(names, mirror.compat.policy, { source, target });
}
