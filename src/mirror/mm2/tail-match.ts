/** Which source record the last one on the target is, by what the records hold.
 *
 *  MirrorMaker copies every record in order, from the one after its stored position, and may have copied some that it had no time to
 *  note. So the target ends with the first k source records after that position, for some k; with k = 0, with the record at the
 *  position itself.
 *  ```
 *  source   ... P | a b c d e          stored position P
 *  target   ... P   a b c              k = 3: go on with d
 *  target   ... P   a b | a b c        it was killed and began again: k = 3 all the same
 *  ```
 *  **"A lane is taken over only where one k fits."** */

/** The source from the stored position on. */
export interface SourceStretch {
  readonly stored: bigint;
  /** Of the record at the stored position; undefined when the source no longer has it. */
  readonly storedPrint: string | undefined;
  /** The records after it, in order. */
  readonly after: readonly RecordPrint[];
}

/** A record by its offset and a checksum of all that it holds. */
export interface RecordPrint {
  readonly offset: bigint;
  readonly print: string;
}

/** Source offsets of the records that the last one of `target` may be, ascending. `target` holds the end of the target, oldest first. */
export function tailCandidates(
  { stored, storedPrint, after }: SourceStretch,
  target: readonly string[],
): readonly bigint[] {
  const candidates: bigint[] = [];
  if (storedPrint !== undefined && target.at(-1) === storedPrint) candidates.push(stored);
  for (const length of suffixPrefixes(after, target)) {
    const last = after[length - 1];
    if (last !== undefined) candidates.push(last.offset);
  }
  return candidates;
}

/** Every length > 0 at which the beginning of `source` is the end of `target`, ascending. In O(n): the automaton of Knuth, Morris and
 *  Pratt read to the end of `target` is in the state of the longest; the others are its borders. */
function suffixPrefixes(source: readonly RecordPrint[], target: readonly string[]): readonly number[] {
  const borders = bordersOf(source);
  let matched = 0;
  for (const print of target) {
    if (matched === source.length) matched = borders[matched - 1] ?? 0;
    while (matched > 0 && source[matched]?.print !== print) matched = borders[matched - 1] ?? 0;
    if (source[matched]?.print === print) matched++;
  }
  const lengths: number[] = [];
  for (let length = matched; length > 0; length = borders[length - 1] ?? 0) lengths.push(length);
  return lengths.toReversed();
}

/** For each prefix the length of its longest proper border. */
function bordersOf(source: readonly RecordPrint[]): readonly number[] {
  const borders = [0];
  for (let at = 1, length = 0; at < source.length; at++) {
    while (length > 0 && source[at]?.print !== source[length]?.print) length = borders[length - 1] ?? 0;
    if (source[at]?.print === source[length]?.print) length++;
    borders.push(length);
  }
  return borders;
}
