/** What a reader sees of transactions, as Fetch and ListOffsets carry it (KIP-98). */

/** The wire's numbers. */
export const ISOLATION_LEVELS = { read_uncommitted: 0, read_committed: 1 } as const;
