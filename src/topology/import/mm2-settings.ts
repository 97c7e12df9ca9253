/** What becomes of each of MirrorMaker's settings: translated, needless here, or without an equivalent. */

/** The fate of a setting that is not translated. */
export interface Untranslated {
  /** `by-reference`: taken over by the name of a file or variable that is still to be filled. */
  readonly kind: "needless" | "no-equivalent" | "by-reference" | "unknown";
  readonly reason: string;
}

/** Settings that the topology takes over; `mm2-topology.ts` reads them. */
const TRANSLATED =
  /^(topics|topics\.(exclude|blacklist)|groups|groups\.(exclude|blacklist)|replication\.policy\.(class|separator)|replication\.factor|sync\.topic\.(configs|acls)\.enabled|config\.properties\.(exclude|blacklist)|offset-syncs\.topic\.location|(source\.)?consumer\.auto\.offset\.reset|emit\.checkpoints\.enabled|sync\.group\.offsets\.enabled)$/;

const RULES: readonly (readonly [RegExp, Untranslated["kind"], string])[] = [
  [
    /^(security\.protocol$|sasl\.(mechanism|jaas\.config)$|ssl\.(truststore|keystore|key)\.)/,
    "by-reference",
    "see tls and sasl of the region, and set the variables and PEM files that they name",
  ],
  [
    /(^|\.)(security|sasl|ssl)\./,
    "no-equivalent",
    "tls of a region knows ca, cert, key and serverName, sasl plain, SCRAM and oauthbearer with a token",
  ],
  [/^(transforms|predicates)(\.|$)/, "no-equivalent", "records are never changed"],
  [
    /^(topic|group|config\.property)\.filter\.class$/,
    "no-equivalent",
    "topics and groups are chosen by patterns alone",
  ],
  [/^forwarding\.admin\.class$/, "no-equivalent", "topics are made on the target itself"],
  [/^use\.defaults\.from$/, "no-equivalent", "what a topic does not set itself stays the target's default"],
  [/^replication\.policy\.internal\.topic\.separator/, "no-equivalent", "internal topics use the policy's separator"],
  [/^config\.providers/, "no-equivalent", "a topology refers to variables and files only"],
  [
    /^sourceConnector\.state$/,
    "no-equivalent",
    "it is paused or stopped there; a mirror copies when it is run: name the others at mirror run until then",
  ],
  [/^tasks\.max$/, "needless", "a worker shares its partitions out by itself"],
  [/^refresh\.topics\./, "needless", "new topics and partitions are found within two seconds"],
  [/^refresh\.groups\./, "needless", "groups are looked up in each round"],
  [/^sync\.topic\.(configs|acls)\.interval/, "needless", "settings and rules follow within seconds"],
  [
    /^(emit\.checkpoints|sync\.group\.offsets)\.interval/,
    "needless",
    "positions are carried over every second, or by groups: every",
  ],
  [/heartbeats\./, "needless", "with compat: mm2, heartbeats are written every second"],
  [/^(offset\.lag\.max|emit\.offset-syncs\.)/, "needless", "the offset map is exact"],
  [
    /\.(topic|storage)\.(replication\.factor|partitions|topic)$/,
    "needless",
    "internal topics have up to three replicas",
  ],
  [/^exactly\.once\./, "needless", "exactly once is the default"],
  [
    /^(offset|config|status)\.(flush|storage)\.|^(offset\.flush|group\.id|key\.converter|value\.converter|header\.converter|plugin\.|rest\.|listeners|dedicated\.mode|connector\.|task\.|errors\.)/,
    "needless",
    "there is no Kafka Connect",
  ],
  [
    /^(source\.|target\.)?(consumer|producer|admin)\.|^producer\.override\.|timeout\.ms$|^(client|metadata|connections|reconnect|retry|request|send|receive)\./,
    "needless",
    "the worker's clients adapt by themselves",
  ],
];

/** Undefined for a setting that the topology takes over. */
export function untranslated(key: string): Untranslated | undefined {
  if (TRANSLATED.test(key)) return undefined;
  const rule = RULES.find(([pattern]) => pattern.test(key));
  if (rule === undefined) return { kind: "unknown", reason: "not known here; look whether it matters" };
  const [, kind, reason] = rule;
  return { kind, reason };
}
