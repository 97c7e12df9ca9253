/** Topologies as they are read, and each mistake with its place and remedy. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of a topology look like this.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { TopologyError } from "../../../src/topology/errors.ts";
import { flowsOf } from "../../../src/topology/model.ts";
import { parseTopology } from "../../../src/topology/parse.ts";

/** A valid frame whose `regions` and `mirrors` a case replaces. */
function framed(rest: string): string {
  return `version: 1\nname: t\nregions:\n  a: {local: {}}\n  b: {local: {}}\n  c: {brokers: "k:9092"}\n${rest}`;
}

/** `line:column code`, in the order of the file. */
function faultsOf(text: string, regionFiles: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    parseTopology({
      file: "t.yaml",
      text,
      readRegion: (name) => {
        const region = regionFiles[name];
        return region === undefined ? undefined : { file: `regions/${name}.yaml`, text: region };
      },
    });
  } catch (error) {
    assert.ok(error instanceof TopologyError && error.fault.code === "TOPOLOGY_INVALID");
    return error.fault.issues.map(({ place, code, suggestion }) => {
      const file = place.file === "t.yaml" ? "" : `${place.file}:`;
      return `${file}${place.line}:${place.column} ${code}${suggestion === undefined ? "" : ` ${suggestion}`}`;
    });
  }
  return [];
}

const MIRROR = `mirrors:\n  - name: m\n    from: a\n    to: b\n    topics: [t]\n    rename: "{topic}"\n`;

test("filter of a mirror has its defaults, and its share as parts per million", () => {
  const text = framed(
    `${MIRROR}    filter: { keys: { exclude: "t*" }, skipTombstones: false, skipKeyless: true, sample: 2.5% }\n`,
  );
  const [mirror] = parseTopology({ file: "t.yaml", text }).mirrors;
  assert.deepEqual(mirror?.filter, {
    keys: { include: [], exclude: ["t*"] },
    skipTombstones: undefined,
    skipKeyless: true,
    samplePpm: 25_000,
  });
});

test("limits of a mirror have their defaults and their units", () => {
  const limitsOf = (lines: string) =>
    parseTopology({ file: "t.yaml", text: framed(MIRROR + lines) }).mirrors[0]?.limits;
  assert.deepEqual(limitsOf(""), { inFlightBytes: 64 * 2 ** 20 });
  assert.deepEqual(limitsOf("    limits: { bytesPerSecond: 50MiB, inFlight: 8MiB }\n"), {
    bytesPerSecond: 50 * 2 ** 20,
    inFlightBytes: 8 * 2 ** 20,
  });
});

test("backfill of a mirror has a rate, and an age from which on records are old", () => {
  const backfillOf = (lines: string) =>
    parseTopology({ file: "t.yaml", text: framed(MIRROR + lines) }).mirrors[0]?.backfill;
  assert.equal(backfillOf(""), undefined);
  assert.deepEqual(backfillOf("    backfill: { bytesPerSecond: 20MiB }\n"), {
    bytesPerSecond: 20 * 2 ** 20,
    olderThanMs: 600_000,
  });
  assert.equal(backfillOf("    backfill: { bytesPerSecond: 1B, olderThan: 2h }\n")?.olderThanMs, 7_200_000);
});

const cases: readonly { readonly id: string; readonly text: string; readonly want: readonly string[] }[] = [
  { id: "accepts a minimal file", text: framed(MIRROR), want: [] },
  { id: "accepts regions without mirrors", text: framed(""), want: [] },
  { id: "places a syntax error", text: "version: 1\nname: [\n", want: ["3:1 syntax"] },
  { id: "refuses a key given twice", text: `${framed("")}name: u\n`, want: ["7:1 syntax"] },
  { id: "refuses an empty file", text: "", want: ["1:1 wrong-type"] },
  { id: "names a missing name and regions", text: "version: 1\n", want: ["1:1 missing-key", "1:1 missing-key"] },
  { id: "refuses another version", text: framed("").replace("version: 1", "version: 2"), want: ["1:10 bad-value"] },
  { id: "suggests the nearest top key", text: framed("mirors: []\n"), want: ["7:1 unknown-key mirrors"] },
  { id: "lists known keys when none is near", text: framed("zzz: 1\n"), want: ["7:1 unknown-key"] },
  {
    id: "refuses a rate of zero",
    text: framed(`${MIRROR}    limits: { bytesPerSecond: 0B }\n`),
    want: ["13:31 bad-value"],
  },
  { id: "refuses what comes later by name", text: framed("drills: []\n"), want: ["7:1 unsupported"] },
  {
    id: "accepts a filter",
    text: framed(
      `${MIRROR}    filter: { keys: { include: "eu:*" }, headers: { exclude: [x-test, env=dev] }, sample: 10%, dropHeaders: x-* }\n`,
    ),
    want: [],
  },
  {
    id: "places every mistake of a filter",
    text: framed(
      `${MIRROR}    filter:\n      keys: { includes: [a] }\n      headers: { exclude: ["/(/"] }\n      sample: 200%\n      dropHeader: x\n`,
    ),
    want: ["14:15 unknown-key include", "15:28 bad-value", "16:15 bad-value", "17:7 unknown-key dropHeaders"],
  },
  {
    id: "demands a unit of a sample",
    text: framed(`${MIRROR}    filter: { sample: 10 }\n`),
    want: ["13:23 unit-missing"],
  },
  {
    id: "suggests the nearest region for source, target and list",
    text: framed(MIRROR).replace("from: a\n    to: b", "from: [aa, b]\n    to: cc"),
    want: ["9:12 unknown-region a", "10:9 unknown-region c"],
  },
  {
    id: "reports a mistyped key once, not also as missing",
    text: framed(MIRROR).replace("topics:", "topcs:"),
    want: ["11:5 unknown-key topics"],
  },
  { id: "demands rename", text: framed(MIRROR).replace(/ {4}rename.*\n/, ""), want: ["8:5 missing-key"] },
  {
    id: "knows the placeholders of rename",
    text: framed(MIRROR).replace("{topic}", "{sorce}.{topic}"),
    want: ["12:13 bad-value {source}"],
  },
  {
    id: "refuses topic characters Kafka refuses",
    text: framed(MIRROR).replace("{topic}", "x/{topic}"),
    want: ["12:13 bad-value"],
  },
  {
    id: "demands units of a number",
    text: framed(`${MIRROR}    groups: {include: g, every: 5}\n`),
    want: ["13:33 unit-missing"],
  },
  {
    id: "demands units of a text",
    text: framed(`${MIRROR}    groups: {include: g, every: "5"}\n`),
    want: ["13:33 unit-missing"],
  },
  {
    id: "refuses an unknown unit",
    text: framed(`${MIRROR}    groups: {include: g, every: 5x}\n`),
    want: ["13:33 unit-missing"],
  },
  {
    id: "refuses a regex outside slashes",
    text: framed(MIRROR).replace("[t]", '["^t(a|b)$"]'),
    want: ["11:14 bad-value"],
  },
  { id: "refuses a broken regex", text: framed(MIRROR).replace("[t]", '["/t(/"]'), want: ["11:14 bad-value"] },
  { id: "refuses a number of topics", text: framed(MIRROR).replace("[t]", "5"), want: ["11:13 wrong-type"] },
  { id: "refuses an empty list", text: framed(MIRROR).replace("[t]", "[]"), want: ["11:13 bad-value"] },
  { id: "suggests the nearest choice", text: framed(`${MIRROR}    onGap: skipp\n`), want: ["13:12 bad-value"] },
  { id: "refuses an unknown start", text: framed(`${MIRROR}    start: now\n`), want: ["13:12 bad-value"] },
  {
    id: "refuses a start time for now",
    text: framed(`${MIRROR}    start: 2026-11-01T00:00:00Z\n`),
    want: ["13:12 unsupported"],
  },
  { id: "refuses an address without port", text: framed("").replace("k:9092", "k"), want: ["6:16 bad-value"] },
  { id: "refuses an unknown reference", text: framed("").replace("k:9092", "${oops}"), want: ["6:16 bad-value"] },
  { id: "accepts a reference", text: framed("").replace("k:9092", "${env:BROKERS}"), want: [] },
  {
    id: "refuses a region with nothing in it",
    text: framed("").replace('{brokers: "k:9092"}', "{}"),
    want: ["6:6 missing-key"],
  },
  {
    id: "looks into the region's own keys",
    text: framed("").replace("a: {local: {}}", "a: {local: {broker: 1}}"),
    want: ["4:15 unknown-key brokers"],
  },
  {
    id: "refuses a literal secret beside what is not supported yet",
    text: framed("").replace('"k:9092"}', '"k:9092", labels: {password: hunter2}}'),
    want: ["6:26 unsupported", "6:45 literal-secret"],
  },
  {
    id: "takes TLS and SASL of a region, mechanisms as Kafka writes them",
    text: framed("").replace(
      '"k:9092"}',
      '"k:9092", tls: true, sasl: {mechanism: SCRAM-SHA-512, username: u, password: "${env:P}"}}',
    ),
    want: [],
  },
  {
    id: "refuses a mechanism that there is not",
    text: framed("").replace('"k:9092"}', '"k:9092", sasl: {mechanism: gssapi}}'),
    want: ["6:44 bad-value"],
  },
  {
    id: "refuses a mechanism without what it takes",
    text: framed("").replace('"k:9092"}', '"k:9092", sasl: {mechanism: plain, user: u}}'),
    want: ["6:32 bad-value", "6:51 unknown-key"],
  },
  {
    id: "refuses a password and a key that are written out",
    text: framed("").replace(
      '"k:9092"}',
      '"k:9092", tls: {cert: c, key: k}, sasl: {mechanism: plain, username: u, password: hunter2}}',
    ),
    want: ["6:46 literal-secret", "6:98 literal-secret"],
  },
  {
    id: "refuses a certificate without its key",
    text: framed("").replace('"k:9092"}', '"k:9092", tls: {cert: c}}'),
    want: ["6:31 bad-value"],
  },
  {
    id: "misses the file of a listed region",
    text: "version: 1\nname: t\nregions: [a, b]\n",
    want: ["3:11 missing-file", "3:14 missing-file"],
  },
  {
    id: "refuses two mirrors of one name",
    text: framed(MIRROR + MIRROR.replace("mirrors:\n", "").replace("to: b", "to: c")),
    want: ["13:5 duplicate-name"],
  },
  {
    id: "accepts a mesh of equal names",
    text: framed(MIRROR.replace("from: a", "from: [a, b, c]").replace("to: b", "to: [a, b, c]")),
    want: [],
  },
  {
    id: "refuses a mesh of equal names that carries everything",
    text: framed(
      `${MIRROR.replace("from: a", "from: [a, b, c]").replace("to: b", "to: [a, b, c]")}    provenance: all\n`,
    ),
    want: ["8:5 name-collision", "8:5 name-collision", "8:5 name-collision", "8:5 loop"],
  },
  {
    id: "refuses equal names of several sources where nothing comes back",
    text: framed(`${MIRROR.replace("from: a", "from: [a, c]")}    provenance: local\n`),
    want: ["8:5 name-collision"],
  },
  { id: "refuses a mirror to itself", text: framed(MIRROR.replace("to: b", "to: a")), want: ["8:5 loop"] },
  {
    id: "refuses one name for three sources",
    text: framed(MIRROR.replace("from: a", "from: [a, c]")),
    want: ["8:5 name-collision"],
  },
  {
    id: "refuses one name for many topics",
    text: framed(MIRROR.replace("{topic}", "all").replace("[t]", '["t*"]')),
    want: ["8:5 name-collision"],
  },
  { id: "accepts one name for one topic", text: framed(MIRROR.replace("{topic}", "all")), want: [] },
  {
    id: "refuses two mirrors into one topic",
    text: framed(`${MIRROR}  - {name: n, from: c, to: b, topics: ["t*"], rename: "{topic}"}\n`),
    want: ["13:5 name-collision"],
  },
  {
    id: "accepts two mirrors whose names differ",
    text: framed(`${MIRROR}  - {name: n, from: c, to: b, topics: ["t*"], rename: "c.{topic}"}\n`),
    want: [],
  },
  {
    id: "accepts two mirrors when an exclude keeps them apart",
    text: framed(`${MIRROR}  - {name: n, from: c, to: b, topics: {include: "t*", exclude: t}, rename: "{topic}"}\n`),
    want: [],
  },
  {
    id: "accepts both ways with equal names, which carry only what was written there",
    text: framed(`${MIRROR}  - {name: n, from: b, to: a, topics: t, rename: "{topic}"}\n`),
    want: [],
  },
  {
    id: "refuses an endless chain of prefixes",
    text: framed(
      `mirrors:\n  - {name: m, from: a, to: b, topics: "*", rename: "{source}.{topic}"}\n  - {name: n, from: b, to: a, topics: "*", rename: "{source}.{topic}"}\n`,
    ),
    want: ["8:5 loop"],
  },
  {
    id: "accepts a chain of prefixes that carries only what was written there",
    text: framed(
      `mirrors:\n  - {name: m, from: a, to: b, topics: "*", rename: "{source}.{topic}", provenance: local}\n  - {name: n, from: b, to: a, topics: "*", rename: "{source}.{topic}", provenance: local}\n`,
    ),
    want: [],
  },
  {
    id: "refuses a ring that carries everything under equal names",
    text: framed(
      ["a, to: b", "b, to: c", "c, to: a"]
        .map(
          (ends, index) =>
            `${index === 0 ? "mirrors:\n" : ""}  - {name: m${index}, from: ${ends}, topics: t, rename: "{topic}", provenance: all}\n`,
        )
        .join(""),
    ),
    want: ["8:5 loop"],
  },
  {
    id: "refuses tiering of an unknown region",
    text: framed("tiering:\n  - {region: d, topics: t, store: 'file://x'}\n"),
    want: ["8:14 unknown-region"],
  },
  {
    id: "accepts tiering of an existing cluster",
    text: framed(
      "tiering:\n  - {region: c, topics: t, store: 'file://x', margin: 0, spool: 10GiB, readCache: 512MiB}\n",
    ),
    want: [],
  },
  {
    id: "accepts Parquet files of a tiering rule, with columns as one text or several, or with the defaults",
    text: framed(
      [
        "tiering:",
        "  - {region: c, topics: t, store: 'file://x', parquet: {}}",
        "  - {region: c, topics: u, store: 'file://x', parquet: {text: true, jsonColumns: [id:int64, note]}}",
        "  - {region: c, topics: v, store: 'file://x', parquet: {jsonColumns: 'id:int64,note'}}",
        "",
      ].join("\n"),
    ),
    want: [],
  },
  {
    id: "refuses Parquet columns that cannot be",
    text: framed(
      [
        "tiering:",
        "  - {region: c, topics: t, store: 'file://x', parquet: {jsonColumns: [id:decimal]}}",
        "  - {region: c, topics: t, store: 'file://x', parquet: {jsonColumns: [offset], txt: true}}",
        "",
      ].join("\n"),
    ),
    want: ["8:70 bad-value", "9:70 bad-value", "9:80 unknown-key text"],
  },
  {
    id: "refuses rates of tiering that would stop it, or have no unit",
    text: framed(
      "tiering:\n  - {region: c, topics: t, store: 'file://x', limits: {bytesPerSecond: 5, requestsPerSecond: 0}}\n",
    ),
    want: ["8:72 unit-missing", "8:94 bad-value"],
  },
  {
    id: "refuses a store it cannot reach",
    text: framed("tiering:\n  - {region: a, topics: t, store: 's3://x'}\n"),
    want: ["8:35 unsupported"],
  },
  {
    id: "reports faults of every entry at once",
    text: framed(
      "mirrors:\n  - {name: m, from: aa, to: b, topcs: t, rename: 1}\n  - {name: n}\ntiering:\n  - {}\nfoo: 1\n",
    ),
    want: [
      "8:21 unknown-region a",
      "8:32 unknown-key topics",
      "8:50 wrong-type",
      "9:5 missing-key",
      "9:5 missing-key",
      "9:5 missing-key",
      "9:5 missing-key",
      "11:5 missing-key",
      "11:5 missing-key",
      "11:5 missing-key",
      "12:1 unknown-key",
    ],
  },
];

for (const { id, text, want } of cases) {
  test(`topology ${id}`, () => {
    assert.deepEqual(faultsOf(text), want);
  });
}

test("topology reports faults of region files under their own names", () => {
  const text = "version: 1\nname: t\nregions: [a, b]\n";
  const want = ["regions/a.yaml:1:9 unknown-key brokers", "regions/b.yaml:2:1 syntax"];
  assert.deepEqual(faultsOf(text, { a: "local: {broker: 3}\n", b: "local: [\n" }), want);
});

test("topology points at the defaults when they are at fault", () => {
  const text = framed(MIRROR).replace("regions:", "defaults: {mirror: {onGap: skipp}, region: {lcal: {}}}\nregions:");
  assert.deepEqual(faultsOf(text), ["3:28 bad-value", "3:45 unknown-key local"]);
});

test("topology puts defaults under every mirror and lets a mirror take one away", () => {
  const text = framed(
    `defaults: {mirror: {onGap: skip, groups: {include: "g*"}}}\n${MIRROR}  - {name: n, from: a, to: c, topics: t, rename: x, groups: none}\n`,
  );
  const { mirrors } = parseTopology({ file: "t.yaml", text });
  assert.deepEqual(
    mirrors.map((mirror) => [mirror.onGap, mirror.groups?.everyMs]),
    [
      ["skip", 1_000],
      ["skip", undefined],
    ],
  );
});

test("topology carries only local writes by default exactly where names are equal both ways", () => {
  const text = framed(
    `${MIRROR}  - {name: n, from: b, to: a, topics: u, rename: "{topic}"}\n  - {name: o, from: c, to: a, topics: v, rename: "{topic}"}\n`,
  );
  const { mirrors } = parseTopology({ file: "t.yaml", text });
  assert.deepEqual(
    mirrors.map((mirror) => mirror.provenance),
    ["local", "local", "all"],
  );
});

test("topology knows the replication policy of a mirror that is compatible with MirrorMaker 2", () => {
  const compatOf = (rename: string, compat: string) => {
    const text = framed(`${MIRROR.replace("{topic}", rename)}    compat: ${compat}\n`);
    return parseTopology({ file: "t.yaml", text }).mirrors[0]?.compat;
  };
  const identity = { kind: "identity", separator: "." };
  assert.deepEqual(compatOf("{topic}", "mm2"), { policy: identity, readOnlySource: false });
  assert.deepEqual(compatOf("{source}-{topic}", "{mm2: {readOnlySource: true}}"), {
    policy: { kind: "default", separator: "-" },
    readOnlySource: true,
  });
  assert.throws(() => compatOf("copy.{topic}", "mm2"), /"m" cannot be compatible .* write "\{source\}\.\{topic\}"/);
  assert.throws(() => compatOf("{topic}", "mm3"), TopologyError);
});

test("topology makes a flow of every pair but never of a region with itself", () => {
  const text = framed(MIRROR.replace("from: a", "from: [a, b]").replace("to: b", "to: [a, b]"));
  const flows = flowsOf(parseTopology({ file: "t.yaml", text }));
  assert.deepEqual(
    flows.map((flow) => `${flow.source}->${flow.target}`),
    ["a->b", "b->a"],
  );
});

test("topology message has one line for each fault with place, fact and remedy", () => {
  assert.throws(
    () => parseTopology({ file: "topologies/pair.yaml", text: framed(MIRROR.replace("from: a", "from: aa")) }),
    {
      message: 'topologies/pair.yaml:9:11 mirror source "aa" is no region; did you mean "a"?',
    },
  );
});

for (const name of ["hub-and-spoke", "active-passive"]) {
  test(`topology shipped as ${name} is valid`, () => {
    const root = new URL("../../../", import.meta.url);
    const file = `topologies/${name}.yaml`;
    const topology = parseTopology({
      file,
      text: readFileSync(new URL(file, root), "utf8"),
      readRegion: (region) => {
        const path = new URL(`regions/${region}.yaml`, root);
        return existsSync(path) ? { file: `regions/${region}.yaml`, text: readFileSync(path, "utf8") } : undefined;
      },
    });
    assert.equal(topology.name, name);
    assert.ok(topology.mirrors.length > 0);
    assert.ok(topology.regions.every((region) => region.local?.brokers === 3));
  });
}

test("parse tells a file that is no text in a few plain lines", () => {
  const noise = Array.from({ length: 200 }, (_, line) => `\u0001\u001b[${line} }: "${"x".repeat(2_000)}`).join("\n");
  assert.throws(
    () => parseTopology({ file: "t.yaml", text: noise }),
    (error) => {
      assert.ok(error instanceof TopologyError);
      const lines = error.message.split("\n");
      assert.ok(lines.length <= 20 && lines.every((line) => line.length < 400));
      assert.doesNotMatch(lines.join(""), /\p{Cc}/u);
      return true;
    },
  );
});

test("parse says how much is too much", () => {
  const text = "version: 1\nname: t\nregions:\n  a: {local: {brokers: 99}}\n---\n";
  assert.throws(
    () => parseTopology({ file: "t.yaml", text: text.replace("---\n", "") }),
    /local\.brokers: 99 is too large; at most 9/,
  );
  assert.throws(() => parseTopology({ file: "t.yaml", text: `${text}b: 1\n` }), /a second document begins here/);
});
