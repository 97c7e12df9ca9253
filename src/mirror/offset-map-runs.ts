/** All runs of an offset map, over its blocks: the searches, and nothing about floors, progress or storage. */

import { assertInvariant } from "../core/errors.ts";
import type { RunBlock, RunRow } from "./offset-map-block.ts";

/** At least one block; only the last, the tail, grows. */
export class RunList {
  readonly #blocks: RunBlock[];

  constructor(blocks: readonly RunBlock[]) {
    for (const [index, block] of blocks.entries()) {
      const before = blocks[index - 1];
      const follows =
        before === undefined || (before.sourceEnd === block.from.source && before.targetEnd === block.from.target);
      assertInvariant(follows, "Blocks follow one another", { block: block.number });
    }
    assertInvariant(blocks.length > 0, "A map has at least one block");
    this.#blocks = [...blocks];
  }

  get blocks(): readonly RunBlock[] {
    return this.#blocks;
  }
  get first(): RunBlock {
    return this.#blocks[0] ?? this.tail;
  }
  get tail(): RunBlock {
    const tail = this.#blocks.at(-1);
    assertInvariant(tail !== undefined, "A map has at least one block");
    return tail;
  }

  push(block: RunBlock): void {
    this.#blocks.push(block);
  }
  /** Removes the tail; the block before it becomes the tail. Never the last block. */
  dropTail(): RunBlock | undefined {
    return this.#blocks.length > 1 ? this.#blocks.pop() : undefined;
  }
  /** Removes the first block. Never the last block. */
  dropFirst(): RunBlock | undefined {
    return this.#blocks.length > 1 ? this.#blocks.shift() : undefined;
  }

  /** The target offset of the first record at or after the source offset. */
  targetOf(source: number): number | undefined {
    const block = this.#blocks[this.#indexBySource(source)];
    if (block === undefined) return undefined;
    const index = block.indexBySource(source);
    return block.targetAt(index) + Math.max(0, source - block.sourceAt(index));
  }

  /** The source offset of the first record at or after the target offset. */
  sourceOf(target: number): number | undefined {
    const block = this.#blocks[this.#firstBlock((each) => each.targetEnd > target)];
    if (block === undefined) return undefined;
    const index = block.indexByTarget(target);
    return block.sourceAt(index) + Math.max(0, target - block.targetAt(index));
  }

  /** The target offset after the last record below the source offset; undefined when no such record is known. */
  targetEndBefore(source: number): number | undefined {
    const { run, before } = this.around(source);
    if (run !== undefined && run.sourceStart < source) return run.targetStart + source - run.sourceStart;
    return before === undefined ? undefined : before.targetStart + before.length;
  }

  /** The run that holds the first record at or after the source offset, and the run before that one. */
  around(source: number): { readonly run: RunRow | undefined; readonly before: RunRow | undefined } {
    const at = Math.min(this.#indexBySource(source), this.#blocks.length - 1);
    const block = this.#blocks[at] ?? this.tail;
    const index = block.indexBySource(source);
    const previous = this.#blocks[at - 1];
    return { run: block.rowAt(index), before: block.rowAt(index - 1) ?? previous?.rowAt(previous.size - 1) };
  }

  /** The source offset of the record with `position` of the lane's records before it; undefined beyond either end. Where
   *  records landed twice, positions of the second copies answer the record after them. */
  sourceOfPosition(position: number): number | undefined {
    const after = this.#firstBlock((block) => block.from.count > position);
    if (position >= this.tail.end.count) return undefined;
    return this.#blocks[after - 1]?.sourceOfPosition(position);
  }

  #indexBySource(source: number): number {
    return this.#firstBlock((block) => block.sourceEnd > source);
  }

  /** Binary search for the first block for which `holds`, which stays true from there on. */
  #firstBlock(holds: (block: RunBlock) => boolean): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle];
      if (block !== undefined && holds(block)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
