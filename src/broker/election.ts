/** Who leads a partition: pure rules over its state and the brokers that run (Kafka: `PartitionChangeBuilder`). */

/** What the controller keeps about a partition. */
export interface PartitionState {
  /** Broker ids; the first one is the preferred leader. */
  readonly replicas: readonly number[];
  /** -1 when nobody may lead. */
  readonly leaderId: number;
  /** Rises with every change of the leader, also to none. */
  readonly leaderEpoch: number;
  /** In the order of `replicas`; never empty: the last one stays in when it goes down. */
  readonly isr: readonly number[];
}

/** What an election looks at. */
export interface ElectionRules {
  readonly isRunning: (brokerId: number) => boolean;
  /** Whether a replica out of sync may lead, losing what it lacks. */
  readonly uncleanElection: boolean;
}

/** The state after brokers came or went; the same object when nothing changes. */
export function electedState(state: PartitionState, rules: ElectionRules): PartitionState {
  const inSync = state.isr.filter(rules.isRunning);
  if (state.leaderId >= 0 && rules.isRunning(state.leaderId))
    return inSync.length === state.isr.length ? state : { ...state, isr: inSync };
  const [clean] = inSync;
  if (clean !== undefined) return newLeader(state, clean, inSync);
  const unclean = rules.uncleanElection ? state.replicas.find(rules.isRunning) : undefined;
  if (unclean !== undefined) return newLeader(state, unclean, [unclean]);
  return state.leaderId === -1 ? state : newLeader(state, -1, state.isr);
}

/** The state with the preferred leader leading, when it runs and is in sync; else the same object. */
export function preferredState(state: PartitionState, rules: ElectionRules): PartitionState {
  const [preferred] = state.replicas;
  if (preferred === undefined || preferred === state.leaderId || state.leaderId < 0) return state;
  if (!state.isr.includes(preferred) || !rules.isRunning(preferred)) return state;
  return newLeader(state, preferred, state.isr);
}

/** The state with another set in sync, which keeps the order of the replicas. */
export function withIsr(state: PartitionState, isr: ReadonlySet<number>): PartitionState {
  return { ...state, isr: state.replicas.filter((id) => isr.has(id)) };
}

function newLeader(state: PartitionState, leaderId: number, isr: readonly number[]): PartitionState {
  return { ...state, leaderId, leaderEpoch: state.leaderEpoch + 1, isr };
}
