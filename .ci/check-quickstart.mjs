// Checks the figures that the quickstart prints: `node .ci/check-quickstart.mjs FILE`.
import { readFileSync } from "node:fs";

const expected = {
  format_version: "1.0",
  produced: 20000,
  mirrored: 20000,
  lost: 0,
  duplicated: 0,
  reordered: 0,
  mutated: 0,
  worker_kills: (value) => value >= 3,
  broker_stops: (value) => value >= 1,
  offsets_checked: (value) => value > 40000,
  offsets_wrong: 0,
  groups_checked: 3,
  groups_wrong: 0,
  segments_offloaded: (value) => value > 0,
  bytes_offloaded: (value) => value > 0,
  cold_records_read: (value) => value > 0,
  elapsed_ms: (value) => value > 0 && value < 60000,
};

const figures = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const problems = [];
for (const [name, wanted] of Object.entries(expected)) {
  const right = typeof wanted === "function" ? wanted(figures[name]) : figures[name] === wanted;
  if (!right) problems.push(`${name} is ${figures[name]}`);
}
for (const name of Object.keys(figures)) if (!(name in expected)) problems.push(`${name} is not documented`);
console.log(JSON.stringify(figures));
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
