/** Marks: interesting situations. Each must occur in some seed, or the simulator tests less than it seems to. */

/** All marks, with what each means. */
export const MARKS = {
  "takeover-unchanged": "a takeover found the target as known",
  "takeover-walked": "a takeover found records that were appended without an ack",
  "repeats-reported": "records are on the target twice, and the lane says so",
  "takeover-truncated": "a takeover found that the target had lost acknowledged records, and walked the map back",
  "duplicate-answer": "a broker answered a repeated batch with the offset of the first time",
  "sequence-refused": "a broker refused a batch that another worker had overtaken",
  "refused-by-disk": "a full disk refused a batch of a worker",
  "lane-merged": "small batches travelled as one",
  "lane-rewrote-gaps": "a compacted batch was rebuilt",
  "lane-rewrote-time": "a batch with append time was rebuilt",
  "lane-split": "a batch too large for the target was split",
  "lane-skipped-loop": "a record that came from the other side was not sent back",
  "gap-skipped": "retention overtook a lane that may skip",
  "gap-stopped": "retention overtook a lane that must stop",
  "source-diverged": "a lane stopped because the source lost what had been copied",
  "source-lost": "the source lost acknowledged records",
  "recreated-stopped": "a lane was not started for a topic that was made again",
  "recreated-restarted": "a topic that was made again was copied from its beginning",
  "history-mode": "a lane wrote in transactions: records were too old, or its place could not be proven",
  "worker-killed": "a worker died with batches in flight",
  "worker-frozen": "a frozen worker came back",
  "region-restarted": "a region crashed and came back",
  "group-moved": "a group's position was carried over",
  "group-clamped": "a group's position lay beyond the mirrored end",
  "load-unknown": "a producer did not learn what became of a batch",
} as const;

/** The name of a mark. */
export type Mark = keyof typeof MARKS;

/** How often each mark was hit. */
export class Marks {
  readonly #counts = new Map<Mark, number>();

  /** Notes the situation. */
  hit(mark: Mark, times = 1): void {
    if (times > 0) this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + times);
  }

  get counts(): Readonly<Partial<Record<Mark, number>>> {
    return Object.fromEntries(this.#counts);
  }
}

/** Every mark's name. */
export function allMarks(): readonly Mark[] {
  return Object.keys(MARKS) as Mark[];
}
