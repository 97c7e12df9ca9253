/** Rules about topics where no authorizer is configured. */

import { describeAcls } from "../../../src/wire/apis/29-describe-acls.ts";
import { createAcls } from "../../../src/wire/apis/30-create-acls.ts";
import { deleteAcls } from "../../../src/wire/apis/31-delete-acls.ts";
import type { ContractCase } from "../probe.ts";

const VERSIONS = [1, 2, 3];
const RULE = { principal: "User:billing", host: "*", operation: 3, permissionType: 3 };

export const aclCases: readonly ContractCase[] = [
  {
    name: "rules about topics are refused without an authorizer",
    run: async (probe) => {
      const resource = { resourceType: 2, resourceName: "orders", resourcePatternType: 3 };
      const filter = {
        resourceTypeFilter: 2,
        resourceNameFilter: null,
        patternTypeFilter: 1,
        principalFilter: null,
        hostFilter: null,
        operation: 1,
        permissionType: 1,
      };
      for (const version of VERSIONS) {
        await probe.check(`list v${version}`, describeAcls, version, filter);
        await probe.check(`add v${version}`, createAcls, version, { creations: [{ ...resource, ...RULE }] });
        await probe.check(`remove v${version}`, deleteAcls, version, { filters: [filter, filter] });
      }
    },
  },
];
