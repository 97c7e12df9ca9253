/** The byte moves that snappy and lz4 share. */

/** From this length on a call into native code beats a loop. */
const NATIVE_COPY_BYTES_MIN = 48;

/** Copies `length` bytes from `input` to `output`; the caller has checked both ranges. */
export function copyLiteral(input: Buffer, from: number, output: Buffer, to: number, length: number): void {
  if (length >= NATIVE_COPY_BYTES_MIN) {
    input.copy(output, to, from, from + length);
    return;
  }
  for (let i = 0; i < length; i++) output[to + i] = input[from + i] ?? 0;
}

/** Repeats bytes from `offset` before `to`. Where the ranges overlap, what was just written is repeated. */
export function copyMatch(output: Buffer, to: number, offset: number, length: number): void {
  const from = to - offset;
  if (length >= NATIVE_COPY_BYTES_MIN && offset >= length) {
    output.copyWithin(to, from, from + length);
    return;
  }
  for (let i = 0; i < length; i++) output[to + i] = output[from + i] ?? 0;
}

/** Where the equality of the bytes at `candidate` and at `at` ends; at most `end`. */
export function extendMatch(input: Buffer, candidate: number, at: number, end: number): number {
  let left = candidate;
  let right = at;
  while (right < end && input[left] === input[right]) {
    left++;
    right++;
  }
  return right;
}

/** Room that the compressed form of `inputBytes` incompressible bytes needs, in either format. */
export function growTo(inputBytes: number): number {
  return inputBytes + Math.ceil(inputBytes / 255) + 64;
}
