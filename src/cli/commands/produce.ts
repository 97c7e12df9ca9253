/** `produce`: lines of stdin become records of a topic. */

import { nodeRandom } from "../../adapters/node-random.ts";
import { openClient, regionAddress } from "../../runtime/connect.ts";
import { codecNamed } from "../../wire/compression/codecs.ts";
import type { CliContext } from "../context.ts";
import type { ExitCode } from "../exit-codes.ts";
import { counted } from "../output.ts";
import { type ParsedLine, parseLine } from "../record-input.ts";
import { interruption } from "../signals.ts";
import { TopicWriter } from "../topic-writer.ts";
import { topologyInUse } from "../topology-in-use.ts";

/** Options of the command. */
export interface ProduceOptions {
  readonly region: string;
  readonly keySeparator?: string;
  readonly json?: boolean;
  readonly partition?: number;
  readonly compression: string;
}

/** Reads stdin to its end; every line that was acknowledged stays, whatever happens to a later one. */
export async function produce(context: CliContext, options: ProduceOptions, topic: string): Promise<ExitCode> {
  const { topology, state } = topologyInUse(context);
  using interrupted = interruption();
  const address = regionAddress(topology, state, options.region);
  await using client = await openClient(address, { clientId: "tributary-produce" });
  const codec = codecNamed(options.compression)?.id ?? 0;
  const writer = await TopicWriter.open(
    { topic, codec, partition: options.partition },
    {
      client,
      random: nodeRandom(),
      onCreated: (partitions) =>
        context.talk(`created topic ${topic} with ${counted(partitions, "partition")} in ${options.region}`),
    },
  );
  const format = { json: options.json === true, keySeparator: options.keySeparator };
  let count = 0;
  for await (const lines of linesOf(process.stdin, interrupted.signal)) {
    const parsed: ParsedLine[] = [];
    try {
      for (const line of lines) {
        parsed.push(parseLine(line, format, { lineNumber: count + parsed.length + 1, nowMs: Date.now() }));
      }
    } finally {
      if (parsed.length > 0) await writer.append(parsed);
      count += parsed.length;
    }
    context.progress(`${counted(count, "record")} written`);
  }
  context.progress(`${counted(count, "record")} written to ${topic} in ${options.region}`, true);
  if (context.options.output === "json") context.data({ region: options.region, topic, records: count }, () => "");
  return interrupted.exitCode;
}

/** Whole lines as they arrive, without their ends; a last line without an end counts. */
async function* linesOf(input: NodeJS.ReadStream, signal: AbortSignal): AsyncGenerator<readonly string[]> {
  let rest = "";
  const stop = (): void => void input.destroy();
  signal.addEventListener("abort", stop, { once: true });
  input.setEncoding("utf8");
  try {
    for await (const chunk of input) {
      const lines = `${rest}${String(chunk)}`.split(/\r?\n/);
      rest = lines.pop() ?? "";
      if (lines.length > 0) yield lines;
    }
  } catch (error) {
    if (!signal.aborted) throw error; // destroying the input ends its iteration with an error
  }
  if (rest !== "" && !signal.aborted) yield [rest];
}
