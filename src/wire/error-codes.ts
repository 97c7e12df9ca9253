/** Kafka's error codes (`org.apache.kafka.common.protocol.Errors`, 4.3), under the names and with the retriable flags
 *  that kafkajs uses for the codes it knows (-1 to 88). */

/** Rows of code, name, retriable, meaning. Retriable: the same request may succeed later without a change. */
const TABLE = [
  [-1, "UNKNOWN", false, "unexpected failure on the broker"],
  [0, "NONE", false, "no error"],
  [1, "OFFSET_OUT_OF_RANGE", false, "offset outside the partition's log"],
  [2, "CORRUPT_MESSAGE", true, "checksum, size or format of a batch is wrong"],
  [3, "UNKNOWN_TOPIC_OR_PARTITION", true, "the broker has no such topic or partition"],
  [4, "INVALID_FETCH_SIZE", false, "fetch size not valid"],
  [5, "LEADER_NOT_AVAILABLE", true, "partition has no leader while one is elected"],
  [6, "NOT_LEADER_FOR_PARTITION", true, "the broker does not lead the partition"],
  [7, "REQUEST_TIMED_OUT", true, "the broker gave up waiting, the outcome is open"],
  [8, "BROKER_NOT_AVAILABLE", false, "broker down"],
  [9, "REPLICA_NOT_AVAILABLE", true, "replica not on this broker"],
  [10, "MESSAGE_TOO_LARGE", false, "batch larger than the topic allows"],
  [11, "STALE_CONTROLLER_EPOCH", false, "controller has moved"],
  [12, "OFFSET_METADATA_TOO_LARGE", false, "metadata of an offset commit too long"],
  [13, "NETWORK_EXCEPTION", true, "connection ended before the response"],
  [14, "GROUP_LOAD_IN_PROGRESS", true, "coordinator still loading"],
  [15, "GROUP_COORDINATOR_NOT_AVAILABLE", true, "no coordinator yet"],
  [16, "NOT_COORDINATOR_FOR_GROUP", true, "another broker is the coordinator"],
  [17, "INVALID_TOPIC_EXCEPTION", false, "topic name not valid or topic not writable"],
  [18, "RECORD_LIST_TOO_LARGE", false, "batch larger than a segment"],
  [19, "NOT_ENOUGH_REPLICAS", true, "fewer in-sync replicas than required, nothing appended"],
  [20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", true, "appended, but on fewer replicas than required"],
  [21, "INVALID_REQUIRED_ACKS", false, "acks is none of 0, 1, -1"],
  [22, "ILLEGAL_GENERATION", false, "generation is not the group's current one"],
  [23, "INCONSISTENT_GROUP_PROTOCOL", false, "no protocol in common with the group"],
  [24, "INVALID_GROUP_ID", false, "group id not valid"],
  [25, "UNKNOWN_MEMBER_ID", false, "member not in the group"],
  [26, "INVALID_SESSION_TIMEOUT", false, "session timeout outside the broker's range"],
  [27, "REBALANCE_IN_PROGRESS", false, "group is rebalancing, join again"],
  [28, "INVALID_COMMIT_OFFSET_SIZE", false, "offset commit too large"],
  [29, "TOPIC_AUTHORIZATION_FAILED", false, "no permission on the topic"],
  [30, "GROUP_AUTHORIZATION_FAILED", false, "no permission on the group"],
  [31, "CLUSTER_AUTHORIZATION_FAILED", false, "no permission on the cluster"],
  [32, "INVALID_TIMESTAMP", false, "record timestamp outside the allowed range"],
  [33, "UNSUPPORTED_SASL_MECHANISM", false, "SASL mechanism not enabled"],
  [34, "ILLEGAL_SASL_STATE", false, "request not allowed in this state of SASL"],
  [35, "UNSUPPORTED_VERSION", false, "API version not supported"],
  [36, "TOPIC_ALREADY_EXISTS", false, "topic exists"],
  [37, "INVALID_PARTITIONS", false, "number of partitions not valid"],
  [38, "INVALID_REPLICATION_FACTOR", false, "replication factor below 1 or above the number of brokers"],
  [39, "INVALID_REPLICA_ASSIGNMENT", false, "replica assignment not valid"],
  [40, "INVALID_CONFIG", false, "configuration not valid"],
  [41, "NOT_CONTROLLER", true, "the broker is not the controller"],
  [42, "INVALID_REQUEST", false, "request well formed but not acceptable, or not well formed"],
  [43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", false, "the log's message format cannot do this"],
  [44, "POLICY_VIOLATION", false, "refused by a policy of the cluster"],
  [45, "OUT_OF_ORDER_SEQUENCE_NUMBER", false, "sequence does not follow the producer's last one"],
  [46, "DUPLICATE_SEQUENCE_NUMBER", false, "sequence already appended"],
  [47, "INVALID_PRODUCER_EPOCH", false, "producer epoch older than the known one"],
  [48, "INVALID_TXN_STATE", false, "not allowed in the transaction's state"],
  [49, "INVALID_PRODUCER_ID_MAPPING", false, "producer id does not belong to the transactional id"],
  [50, "INVALID_TRANSACTION_TIMEOUT", false, "transaction timeout above the broker's maximum"],
  [51, "CONCURRENT_TRANSACTIONS", true, "previous operation on the transaction still running"],
  [52, "TRANSACTION_COORDINATOR_FENCED", false, "transaction coordinator superseded"],
  [53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", false, "no permission on the transactional id"],
  [54, "SECURITY_DISABLED", false, "security features are off"],
  [55, "OPERATION_NOT_ATTEMPTED", false, "not tried, because another part of the request failed"],
  [56, "KAFKA_STORAGE_ERROR", true, "disk error on the broker"],
  [57, "LOG_DIR_NOT_FOUND", false, "log directory not configured"],
  [58, "SASL_AUTHENTICATION_FAILED", false, "credentials refused"],
  [59, "UNKNOWN_PRODUCER_ID", false, "the broker has no state for the producer"],
  [60, "REASSIGNMENT_IN_PROGRESS", false, "partition reassignment running"],
  [61, "DELEGATION_TOKEN_AUTH_DISABLED", false, "delegation tokens are off"],
  [62, "DELEGATION_TOKEN_NOT_FOUND", false, "no such delegation token"],
  [63, "DELEGATION_TOKEN_OWNER_MISMATCH", false, "not the owner of the delegation token"],
  [64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", false, "channel may not ask for delegation tokens"],
  [65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", false, "no permission on the delegation token"],
  [66, "DELEGATION_TOKEN_EXPIRED", false, "delegation token expired"],
  [67, "INVALID_PRINCIPAL_TYPE", false, "principal type not supported"],
  [68, "NON_EMPTY_GROUP", false, "group has members"],
  [69, "GROUP_ID_NOT_FOUND", false, "no such group"],
  [70, "FETCH_SESSION_ID_NOT_FOUND", true, "no such fetch session"],
  [71, "INVALID_FETCH_SESSION_EPOCH", true, "epoch of the fetch session does not follow"],
  [72, "LISTENER_NOT_FOUND", true, "the leader has no listener of this name"],
  [73, "TOPIC_DELETION_DISABLED", false, "topic deletion is off"],
  [74, "FENCED_LEADER_EPOCH", true, "the client's leader epoch is older than the broker's"],
  [75, "UNKNOWN_LEADER_EPOCH", true, "the client's leader epoch is newer than the broker's"],
  [76, "UNSUPPORTED_COMPRESSION_TYPE", false, "codec not supported at this version"],
  [77, "STALE_BROKER_EPOCH", false, "broker epoch changed"],
  [78, "OFFSET_NOT_AVAILABLE", true, "the new leader's high watermark has not caught up"],
  [79, "MEMBER_ID_REQUIRED", false, "join again with the member id just given"],
  [80, "PREFERRED_LEADER_NOT_AVAILABLE", true, "preferred leader not available"],
  [81, "GROUP_MAX_SIZE_REACHED", false, "group is full"],
  [82, "FENCED_INSTANCE_ID", false, "another member has taken the group instance id"],
  [83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", true, "no replica may become leader"],
  [84, "ELECTION_NOT_NEEDED", true, "partition needs no election"],
  [85, "NO_REASSIGNMENT_IN_PROGRESS", false, "no partition reassignment running"],
  [86, "GROUP_SUBSCRIBED_TO_TOPIC", false, "group reads the topic, its offsets stay"],
  [87, "INVALID_RECORD", false, "record refused by the broker's checks"],
  [88, "UNSTABLE_OFFSET_COMMIT", true, "offsets of an open transaction pending"],
  [89, "THROTTLING_QUOTA_EXCEEDED", true, "quota used up for now"],
  [90, "PRODUCER_FENCED", false, "a newer producer has the transactional id"],
  [91, "RESOURCE_NOT_FOUND", false, "no such resource"],
  [92, "DUPLICATE_RESOURCE", false, "resource named twice"],
  [93, "UNACCEPTABLE_CREDENTIAL", false, "credential below the required strength"],
  [94, "INCONSISTENT_VOTER_SET", false, "not one of the expected voters"],
  [95, "INVALID_UPDATE_VERSION", false, "update version not valid"],
  [96, "FEATURE_UPDATE_FAILED", false, "feature not updated"],
  [97, "PRINCIPAL_DESERIALIZATION_FAILURE", false, "forwarded principal not readable"],
  [98, "SNAPSHOT_NOT_FOUND", false, "no such snapshot"],
  [99, "POSITION_OUT_OF_RANGE", false, "position outside the snapshot"],
  [100, "UNKNOWN_TOPIC_ID", true, "the broker has no topic with this id"],
  [101, "DUPLICATE_BROKER_REGISTRATION", false, "broker id in use"],
  [102, "BROKER_ID_NOT_REGISTERED", false, "broker id not registered"],
  [103, "INCONSISTENT_TOPIC_ID", true, "topic id differs from the log's"],
  [104, "INCONSISTENT_CLUSTER_ID", false, "cluster id differs from the broker's"],
  [105, "TRANSACTIONAL_ID_NOT_FOUND", false, "no such transactional id"],
  [106, "FETCH_SESSION_TOPIC_ID_ERROR", true, "fetch session mixes names and topic ids"],
  [107, "INELIGIBLE_REPLICA", false, "replica may not enter the in-sync set"],
  [108, "NEW_LEADER_ELECTED", false, "the change made another replica leader"],
  [109, "OFFSET_MOVED_TO_TIERED_STORAGE", false, "offset lies in remote storage"],
  [110, "FENCED_MEMBER_EPOCH", false, "member epoch fenced, rejoin"],
  [111, "UNRELEASED_INSTANCE_ID", false, "instance id still held by another member"],
  [112, "UNSUPPORTED_ASSIGNOR", false, "assignor not supported by the group"],
  [113, "STALE_MEMBER_EPOCH", false, "member epoch out of date"],
  [114, "MISMATCHED_ENDPOINT_TYPE", false, "endpoint of the wrong type"],
  [115, "UNSUPPORTED_ENDPOINT_TYPE", false, "endpoint type not supported"],
  [116, "UNKNOWN_CONTROLLER_ID", false, "no such controller"],
  [117, "UNKNOWN_SUBSCRIPTION_ID", false, "telemetry subscription unknown"],
  [118, "TELEMETRY_TOO_LARGE", false, "telemetry larger than accepted"],
  [119, "INVALID_REGISTRATION", false, "broker registration not valid"],
  [120, "TRANSACTION_ABORTABLE", false, "transaction has to be aborted, the id stays usable"],
  [121, "INVALID_RECORD_STATE", false, "acknowledgement of a shared record not valid"],
  [122, "SHARE_SESSION_NOT_FOUND", true, "no such share session"],
  [123, "INVALID_SHARE_SESSION_EPOCH", true, "epoch of the share session not valid"],
  [124, "FENCED_STATE_EPOCH", false, "epoch of the share group's state does not match"],
  [125, "INVALID_VOTER_KEY", false, "voter key does not match"],
  [126, "DUPLICATE_VOTER", false, "voter already in the set"],
  [127, "VOTER_NOT_FOUND", false, "voter not in the set"],
  [128, "INVALID_REGULAR_EXPRESSION", false, "regular expression not valid"],
  [129, "REBOOTSTRAP_REQUIRED", false, "the client should start from its bootstrap list"],
  [130, "STREAMS_INVALID_TOPOLOGY", false, "streams topology not valid"],
  [131, "STREAMS_INVALID_TOPOLOGY_EPOCH", false, "epoch of the streams topology not valid"],
  [132, "STREAMS_TOPOLOGY_FENCED", false, "epoch of the streams topology out of date"],
  [133, "SHARE_SESSION_LIMIT_REACHED", true, "too many share sessions"],
] as const;

type Row = (typeof TABLE)[number];

/** What a code means. */
export interface KafkaError {
  readonly code: number;
  readonly name: string;
  readonly retriable: boolean;
  readonly message: string;
}

/** All codes by number. */
export const ERRORS: ReadonlyMap<number, KafkaError> = new Map(
  TABLE.map(([code, name, retriable, message]) => [code, { code, name, retriable, message }]),
);

/** The numbers by name: `ErrorCode.NOT_LEADER_FOR_PARTITION`. */
export const ErrorCode = Object.fromEntries(TABLE.map(([code, name]) => [name, code])) as {
  readonly [R in Row as R[1]]: R[0];
};

/** The code's name; codes of a newer Kafka show as their number. */
export function errorName(code: number): string {
  return ERRORS.get(code)?.name ?? `ERROR_${code}`;
}

/** Whether the same request may succeed later. False for codes unknown here. */
export function isRetriable(code: number): boolean {
  return ERRORS.get(code)?.retriable ?? false;
}
