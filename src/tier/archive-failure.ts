/** Failures of archives in words for a person: cause, place, remedy. */

import { describeFault } from "../core/errors.ts";
import { ArchiveError, type ArchiveFault } from "./errors.ts";

/** The error of a fault. */
export function archiveFailure(fault: ArchiveFault, cause?: unknown): ArchiveError {
  return new ArchiveError(fault, { message: sentence(fault), cause });
}

function sentence(fault: ArchiveFault): string {
  switch (fault.code) {
    case "ARCHIVE_BAD_MANIFEST":
      return `the manifest ${fault.key} is damaged (${fault.what}); run \`tributary tier repair\``;
    case "ARCHIVE_BROKEN_CHAIN":
      return `the manifest ${fault.key} does not follow the one before it, which was changed or replaced; run \`tributary tier repair\``;
    case "ARCHIVE_NEWER_FORMAT":
      return `${fault.key} has format ${fault.formatVersion}, which this version does not know; use a newer one`;
    case "ARCHIVE_READ_BACK_DIFFERS":
      return `${fault.key} is not what was written; the local copy stays, and the next pass writes it again`;
    case "ARCHIVE_CORRUPT":
      return `${fault.key} is damaged: ${fault.what}; run \`tributary tier repair\` while there is a copy elsewhere`;
    case "ARCHIVE_GAP":
      return `${fault.topic}-${fault.partition} is archived up to offset ${fault.archivedTo}, and its local segments begin at ${fault.localFrom}: those between are gone; run \`tributary tier repair\`, since the newest manifests may be lost`;
    case "ARCHIVE_MANIFESTS_GONE":
      return `${fault.location} has segments below ${fault.prefix} and no manifest; put the manifests back, run \`tributary tier repair\`, which writes one for the segments it finds whole, or move them away to begin anew at offset ${fault.localFrom}`;
    case "ARCHIVE_DIVERGED":
      return `${fault.topic}-${fault.partition} is archived up to offset ${fault.archivedTo}, but the cluster agrees up to ${fault.clusterEnd} only, as after an unclean election; the archive keeps what it has, and this partition stops: archive it in another store, or delete what is archived of it`;
    case "ARCHIVE_CONTENDED":
      return `another writer was first ${fault.attempts} times in a row at the archive of ${fault.topic}-${fault.partition}; the next pass tries again`;
    case "ARCHIVE_UNKNOWN":
      return `no archive holds ${fault.partition === undefined ? "" : `partition ${fault.partition} of `}topic "${fault.topic}"; tributary tier ls lists what there is`;
    case "ARCHIVE_AMBIGUOUS":
      return `several archives hold topic "${fault.topic}": ${fault.candidates.join(", ")}; narrow it with --region or --topic-id`;
    default:
      return describeFault(fault);
  }
}
