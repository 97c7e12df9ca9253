/** The bit field of operations that a principal may do (KIP-430). */

/** Kafka's value when the operations were not asked for. */
export const OPERATIONS_NOT_ASKED = -(2 ** 31);
